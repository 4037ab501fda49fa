"""Sends the request a CA would send for HTTP validation: a missing file on port 80, at every address of the host.

It follows a redirect as a CA may, at the same address and under the same name alone. What went wrong is a value.
"""

from __future__ import annotations

import http.client
import secrets
import ssl
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final
from urllib.parse import urljoin

from audit.analysis.addresses import is_link_local
from audit.observation import Accident, DnsView, HttpProbe, Observation
from audit.observation.website import VALIDATION
from audit.probe.deadline import Deadline, Stopped
from audit.probe.dns.resolver import resolve
from audit.probe.http_client import RequestLimits, Route, exchange
from audit.probe.http_request import FetchError, HttpRequest, parse_url
from audit.probe.target import Limits
from audit.text import one_line
from audit.x509.identifiers import host_name_faults

MAX_HOPS: Final = 10  # as many redirects as Let's Encrypt follows
NEVER_ASKED: Final = "it is a link-local address, which no CA can reach; it is not asked"
_ADDRESSES: Final = 16  # of one name that are asked
_PEEK: Final = 200  # bytes of a response that are read
_SHOWN: Final = 80  # characters of it that are kept
_MOST_LOCATION: Final = 500
_REDIRECTS: Final = range(http.client.MULTIPLE_CHOICES, http.client.BAD_REQUEST)
_PORTS: Final = (80, 443)


def probe_validation_paths(
    hosts: Sequence[Observation], limits: Limits, stop: threading.Event
) -> tuple[Observation, ...]:
    """Return the observations; those of panel's servers have the addresses of their names and what answers there.

    All hosts, and all addresses of a host, are asked at the same time. Raises Stopped if `stop` is set meanwhile.
    """
    with ThreadPoolExecutor(max(1, min(len(hosts), limits.concurrency)), "sslaudit-doors") as pool:
        return tuple(pool.map(lambda seen: _looked(seen, limits, stop), hosts))


def _looked(seen: Observation, limits: Limits, stop: threading.Event) -> Observation:
    try:
        return _look(seen, limits, stop)
    except Stopped:
        raise
    except Exception as error:  # noqa: BLE001 - the boundary of one host: the others are still asked
        return replace(seen, accident=seen.accident or Accident.of(error))


def _look(seen: Observation, limits: Limits, stop: threading.Event) -> Observation:
    server = seen.server
    if server is None or server.cpanel is None or server.fqdn is None or host_name_faults(server.fqdn):
        return seen
    view: DnsView = resolve(server.fqdn, limits, stop)
    url = f"http://{server.fqdn}{VALIDATION}{secrets.token_hex(16).upper()}.txt"
    with ThreadPoolExecutor(_ADDRESSES, "sslaudit-door") as pool:
        found = pool.map(
            lambda address: tuple(probe_validation_path(url, address, limits, stop)), view.addresses[:_ADDRESSES]
        )
        doors = tuple(door for doors in found for door in doors)
    return replace(seen, dns=view, http_probes=doors, connections=seen.connections + len(doors))


def probe_validation_path(url: str, address: str, limits: Limits, stop: threading.Event) -> Iterator[HttpProbe]:
    """Yield what answers at an address, and if it redirects, what answers there, up to the end; raises Stopped."""
    if is_link_local(address):
        yield HttpProbe(url, address, detail=NEVER_ASKED)
        return
    bounds = RequestLimits(Deadline.after(limits.timeout_s), _PEEK, stop)
    asked = set[str]()
    while url and url not in asked and len(asked) <= MAX_HOPS:
        asked.add(url)
        door, url = _probe(url, address, bounds)
        yield door


def _probe(url: str, address: str, limits: RequestLimits) -> tuple[HttpProbe, str]:
    """Return what answers at an address, and to which URL it redirects that is asked next; empty if to none."""
    try:
        with exchange(HttpRequest(url), Route((address,), trust=_trust_anyone), limits) as response:
            location, server = response.header("Location"), response.header("Server")
            beginning = response.beginning().decode("utf-8", "replace")
    except FetchError as error:
        return HttpProbe(url, address, detail=str(error), can_tell=error.kind != "no-family"), ""
    door = HttpProbe(
        url,
        address,
        response.status,
        one_line(location, _MOST_LOCATION),
        one_line(server, _SHOWN),
        one_line(beginning)[:_SHOWN],
    )
    return door, _next_url(url, location) if response.status in _REDIRECTS else ""


def _trust_anyone() -> ssl.SSLContext:
    """Return a context without verification: a CA that is redirected to https follows whatever certificate is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _next_url(url: str, location: str) -> str:
    """Return the URL of a redirect under the same name; empty if there is no location, or it leads elsewhere."""
    try:
        next_url = urljoin(url, location)
        there, here = parse_url(next_url), parse_url(url)
    except (FetchError, ValueError):
        return ""
    stays = there.host.lower() == here.host.lower() and there.port in _PORTS
    return next_url if location and stays else ""
