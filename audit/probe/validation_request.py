"""Knocks where a CA would come in: one request over port 80 for a file that is not there, at every address of a host.

It follows a redirect as a CA may, at the same address and under the same name alone; it judges nothing, and what went
wrong is a value.
"""

from __future__ import annotations

import errno
import http.client
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Final
from urllib.parse import urljoin

from audit.analysis.addresses import is_link_local
from audit.observation import Accident, DnsView, Door, Observation
from audit.observation.website import VALIDATION
from audit.probe.deadline import Stopped
from audit.probe.dns.resolver import resolve
from audit.probe.http_client import (
    FetchError,
    HttpRequest,
    HttpResponse,
    ParsedUrl,
    RequestLimits,
    connect,
    parse_url,
    send_request,
    wrap,
)
from audit.probe.target import Limits
from audit.probe.tcp import has_route
from audit.x509.identifiers import host_name_faults

MAX_HOPS: Final = 10  # as many redirects as Let's Encrypt follows
NEVER_ASKED: Final = "it is a link-local address, to which no CA has a way; it is not asked"
_ADDRESSES: Final = 16  # of one name that are knocked at
_PEEK: Final = 200  # bytes of an answer that are looked at
_SHOWN: Final = 80  # characters of it that are kept
_REDIRECTS: Final = range(http.client.MULTIPLE_CHOICES, http.client.BAD_REQUEST)
_PORTS: Final = (80, 443)
_NO_WAY: Final = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def probe_validation_paths(
    hosts: Sequence[Observation], limits: Limits, stop: threading.Event
) -> tuple[Observation, ...]:
    """Return the observations, those of panel's servers with where their names lead and what answers there.

    Hosts are asked at the same time, the addresses of one as well; raises Stopped where `stop` is set meanwhile.
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
    if server is None or server.upkeep is None or server.fqdn is None or host_name_faults(server.fqdn):
        return seen
    view: DnsView = resolve(server.fqdn, limits, stop)
    url = f"http://{server.fqdn}{VALIDATION}{secrets.token_hex(16).upper()}.txt"
    with ThreadPoolExecutor(_ADDRESSES, "sslaudit-door") as pool:
        found = pool.map(
            lambda address: tuple(probe_validation_path(url, address, limits, stop)), view.addresses[:_ADDRESSES]
        )
        doors = tuple(door for doors in found for door in doors)
    return replace(seen, dns=view, doors=doors, connections=seen.connections + len(doors))


def probe_validation_path(url: str, address: str, limits: Limits, stop: threading.Event) -> Iterator[Door]:
    """Yield what answers at an address, and where it redirects what answers there; the last is where that ends."""
    bounds = RequestLimits(time.monotonic() + limits.timeout_s, _PEEK, stop, only_peeks=True)
    if is_link_local(address):
        yield Door(url, address, detail=NEVER_ASKED)
        return
    asked = set[str]()
    while url and url not in asked and len(asked) <= MAX_HOPS:
        asked.add(url)
        try:
            place = parse_url(url)
            answer = _asked(place, address, url, bounds)
        except FetchError as error:
            if error.kind == "stopped":
                raise Stopped from error
            yield Door(url, address, detail=str(error), can_tell=not _is_ours(error, address))
            return
        location = _printable(answer.location)
        beginning = _printable(answer.content.decode("utf-8", "replace"))[:_SHOWN]
        yield Door(url, address, answer.status, location, _printable(answer.server)[:_SHOWN], beginning)
        url = _led(url, place, answer)


def _asked(place: ParsedUrl, address: str, url: str, bounds: RequestLimits) -> HttpResponse:
    with ExitStack() as stack:
        connection = stack.enter_context(closing(connect(address, place.port, bounds)))
        if place.scheme == "https":
            connection = stack.enter_context(closing(wrap(connection, place.host, bounds)))
        return send_request(connection, place, HttpRequest(url), bounds)


def _led(url: str, place: ParsedUrl, answer: HttpResponse) -> str:
    """Return where an answer leads to under the same name; nothing where it leads to none, or elsewhere."""
    if answer.status not in _REDIRECTS or not answer.location:
        return ""
    try:
        led = urljoin(url, answer.location)
        there = parse_url(led)
    except (FetchError, ValueError):
        return ""
    return led if there.host.lower() == place.host.lower() and there.port in _PORTS else ""


def _is_ours(error: FetchError, address: str) -> bool:
    """Tell whether it failed for this machine's want of a way to addresses of that kind."""
    cause = error.__cause__
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return isinstance(cause, OSError) and cause.errno in _NO_WAY and not has_route(family)


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)[:500]
