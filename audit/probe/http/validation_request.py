"""Sends the request a CA would send for HTTP validation: a missing file on port 80, at every address of the host.

It follows a redirect only to the same name and address. Faults are returned as values.
"""

from __future__ import annotations

import http.client
import secrets
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final
from urllib.parse import urljoin

from audit.analysis.addresses import is_link_local
from audit.observation import Accident, DnsView, HostView, HttpProbe, Observation
from audit.observation.firewall import MAX_NAMES
from audit.observation.website import VALIDATION
from audit.probe.deadline import Deadline, Stopped
from audit.probe.dns.resolver import resolve
from audit.probe.http.client import RequestLimits, Route, exchange
from audit.probe.http.request import FetchError, HttpRequest, parse_url
from audit.probe.target import Limits
from audit.text import one_line
from audit.x509.identifiers import host_name_faults

MAX_HOPS: Final = 10  # as many redirects as Let's Encrypt follows
NOT_PROBED: Final = "it is a link-local address, which no CA can reach; it is not probed"
_ADDRESSES: Final = 16  # of one name that are probed
_PEEK: Final = 200  # bytes of a response that are read
_SHOWN: Final = 80  # characters of it that are kept
_MAX_LOCATION: Final = 500
_REDIRECTS: Final = range(http.client.MULTIPLE_CHOICES, http.client.BAD_REQUEST)
_PORTS: Final = (80, 443)


def probe_validation_paths(host: Observation, limits: Limits, stop: threading.Event) -> Observation:
    """Return the observation of a host; if it has names to validate, with an HTTP probe of each of their addresses.

    All addresses are probed at the same time. Raises Stopped if `stop` is set meanwhile.
    """
    try:
        return _probe_host(host, limits, stop)
    except Stopped:
        raise
    except Exception as error:  # noqa: BLE001 - the boundary of one host: the others are still probed
        return replace(host, accident=host.accident or Accident.of(error))


def _probe_host(host: Observation, limits: Limits, stop: threading.Event) -> Observation:
    names = _names(host.server)
    if not names:
        return host
    with ThreadPoolExecutor(_ADDRESSES, "sslaudit-http-probe") as pool:
        views: list[DnsView] = list(pool.map(lambda name: resolve(name, limits, stop), names))
        urls = [f"http://{name}{VALIDATION}{secrets.token_hex(16).upper()}.txt" for name in names]
        places = [
            (url, address) for url, view in zip(urls, views, strict=True) for address in view.addresses[:_ADDRESSES]
        ]
        results = pool.map(lambda place: tuple(probe_validation_path(place[0], place[1], limits, stop)), places)
        probes = tuple(probe for probes in results for probe in probes)
    is_panel = host.server is not None and host.server.cpanel is not None
    dns = views[0] if is_panel else host.dns  # the other names have endpoints of their own
    return replace(host, dns=dns, http_probes=probes, connections=host.connections + len(probes))


def _names(server: HostView | None) -> tuple[str, ...]:
    """Return the names of a host to probe: that of a panel's server, else those that a repair would validate."""
    if server is None:
        return ()
    if server.cpanel is not None:
        return (server.fqdn,) if server.fqdn and not host_name_faults(server.fqdn) else ()
    return server.validation.names[:MAX_NAMES] if server.validation else ()


def probe_validation_path(url: str, address: str, limits: Limits, stop: threading.Event) -> Iterator[HttpProbe]:
    """Yield the HTTP probe of an address, then one of each redirect that is followed; raises Stopped."""
    if is_link_local(address):
        yield HttpProbe(url, address, detail=NOT_PROBED)
        return
    bounds = RequestLimits(Deadline.after(limits.timeout_s), _PEEK, stop)
    requested = set[str]()
    while url and url not in requested and len(requested) <= MAX_HOPS:
        requested.add(url)
        probe, url = _probe(url, address, bounds)
        yield probe


def _probe(url: str, address: str, limits: RequestLimits) -> tuple[HttpProbe, str]:
    """Return the HTTP probe of an address, and the URL of a redirect to follow; empty if there is none to follow."""
    try:
        with exchange(HttpRequest(url), Route((address,), trust=_trust_anyone), limits) as response:
            location, server = response.header("Location"), response.header("Server")
            beginning = response.beginning().decode("utf-8", "replace")
    except FetchError as error:
        return HttpProbe(url, address, detail=str(error), can_tell=error.kind != "no-family"), ""
    probe = HttpProbe(
        url,
        address,
        response.status,
        one_line(location, _MAX_LOCATION),
        one_line(server, _SHOWN),
        one_line(beginning)[:_SHOWN],
    )
    return probe, _next_url(url, location) if response.status in _REDIRECTS else ""


def _trust_anyone() -> ssl.SSLContext:
    """Return a context without verification, because a CA follows a redirect to https without verification."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _next_url(url: str, location: str) -> str:
    """Return the URL of a redirect under the same name; empty if there is no location or it has another name."""
    try:
        next_url = urljoin(url, location)
        target, origin = parse_url(next_url), parse_url(url)
    except (FetchError, ValueError):
        return ""
    stays = target.host.lower() == origin.host.lower() and target.port in _PORTS
    return next_url if location and stays else ""
