"""Fetches what a certificate points to (CA certificates, CRLs, OCSP): each question once a run, within bounds.

It knows which addresses a certificate may make us call; it refuses to know what is fetched. It never raises: what went
wrong is a value.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from math import inf
from typing import Final
from urllib.parse import urljoin

from audit.analysis.addresses import is_link_local, is_public
from audit.endpoint import to_address
from audit.probe.deadline import Stopped
from audit.probe.dns.resolver import resolve
from audit.probe.http_client import (
    FetchError,
    FetchFault,
    HttpRequest,
    HttpResponse,
    ParsedUrl,
    RequestLimits,
    connect,
    parse_url,
    send_request,
    tunnel,
)
from audit.probe.http_client import wrap as under_tls
from audit.probe.target import Limits
from audit.text import listing

MAX_REDIRECTS: Final = 3
_FAIR_S: Final = 10.0  # a server that did not answer for so long is not asked again in a run
_REDIRECTS: Final = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """What is fetched, from whom, and for how long.

    With a proxy it is the proxy that connects: of a name that cannot be resolved here it alone knows the addresses.
    """

    allow_private: bool = False
    spared: frozenset[str] = frozenset()  # addresses that may be called although they are not on the Internet
    proxy: str | None = None
    deadline_s: float = 30.0  # all redirects together
    max_bytes: int = 20 * 1024 * 1024  # the largest CRLs in use have some ten million
    limits: Limits = field(default_factory=Limits)  # of resolving names


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came, whole; `url` is what was asked for, before any redirect."""

    url: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unfetched:
    """That nothing came, and why."""

    url: str
    kind: FetchFault
    detail: str

    def __str__(self) -> str:
        """Return both in a clause."""
        return f"{self.url!a}: {self.detail}"


class Fetcher:
    """What was fetched in a run. Threads may ask at the same time: who asks the same waits for the one answer."""

    def __init__(self, policy: FetchPolicy | None = None, stop: threading.Event | None = None) -> None:
        """Begin with nothing fetched."""
        self._policy = policy or FetchPolicy()
        self._stop = stop or threading.Event()
        self._turn = threading.Lock()
        self._known: dict[HttpRequest, Future[Fetched | Unfetched]] = {}

    def get(self, url: str) -> Fetched | Unfetched:
        """Return what a URL gives."""
        return self.ask(HttpRequest(url))

    def ask(self, question: HttpRequest, ends: float | None = None) -> Fetched | Unfetched:
        """Return what a URL gives for a question, asked once; `ends` (monotonic seconds) may shorten the deadline.

        A timeout after too short a time is returned and not kept: another caller may have more time.
        """
        with self._turn:
            known = self._known.get(question)
            if known is None:
                mine = self._known[question] = Future()
        left_s = inf if ends is None else ends - time.monotonic()
        if known is not None:
            return _awaited(known, question, left_s)
        deadline_s = min(self._policy.deadline_s, left_s)
        try:
            answer = _fetch(question, replace(self._policy, deadline_s=deadline_s), self._stop)
        except BaseException as error:
            mine.set_exception(error)  # a bug of ours: another thread that waits must not wait for ever
            raise
        if (
            isinstance(answer, Unfetched)
            and answer.kind == "timeout"
            and deadline_s < min(self._policy.deadline_s, _FAIR_S)
        ):
            with self._turn:
                self._known.pop(question)
        mine.set_result(answer)
        return answer


def _awaited(known: Future[Fetched | Unfetched], question: HttpRequest, left_s: float) -> Fetched | Unfetched:
    """Return what another thread fetches, if it comes in time."""
    try:
        return known.result(None if left_s == inf else max(left_s, 0.0))
    except TimeoutError:
        return Unfetched(question.url, "timeout", "no whole answer in time")


def may_be_called(address: str) -> bool:
    """Return whether an address is on the Internet: not loopback, private, link-local, multicast or reserved.

    One that holds an IPv4 address is as good as that.
    """
    return is_public(address) and not ipaddress.ip_address(address.partition("%")[0]).is_multicast


def _fetch(question: HttpRequest, policy: FetchPolicy, stop: threading.Event) -> Fetched | Unfetched:
    bounds = RequestLimits(time.monotonic() + policy.deadline_s, policy.max_bytes, stop)
    try:
        answer = _followed(question, policy, bounds)
    except FetchError as error:
        return Unfetched(question.url, error.kind, str(error))
    except Stopped:
        return Unfetched(question.url, "stopped", "the run was stopped")
    if answer.status != http.client.OK:
        return Unfetched(question.url, "status", f"the server answers {answer.status}")
    return Fetched(question.url, answer.content)


def _followed(question: HttpRequest, policy: FetchPolicy, bounds: RequestLimits) -> HttpResponse:
    """Return the answer at the end of the redirects; what is posted goes to the one place alone."""
    here = question
    for _ in range(MAX_REDIRECTS + 1):
        answer = _asked(here, policy, bounds)
        if answer.status not in _REDIRECTS or not answer.location or question.body:
            return answer
        try:
            here = replace(here, url=urljoin(here.url, answer.location))
        except ValueError as error:
            raise FetchError("url", f"it is sent to {answer.location!a}: {error}") from error
    raise FetchError("redirects", f"more than {MAX_REDIRECTS} redirects, the last one to {here.url!a}")


def _asked(question: HttpRequest, policy: FetchPolicy, bounds: RequestLimits) -> HttpResponse:
    """Ask one server; every question has a connection of its own."""
    place = parse_url(question.url)
    with ExitStack() as stack:
        connection = stack.enter_context(closing(_connected(place, policy, bounds)))
        if place.scheme == "https":
            if policy.proxy:
                tunnel(connection, place, policy.proxy, bounds)
            secured = stack.enter_context(closing(under_tls(connection, place.host, bounds)))
            return send_request(secured, place, question, bounds)
        return send_request(connection, place, question, bounds, proxy=policy.proxy or "")


def _connected(place: ParsedUrl, policy: FetchPolicy, bounds: RequestLimits) -> socket.socket:
    """Return a connection to the place, or to the proxy; raises Refused, with what the last address said."""
    addresses = tuple(_callable(place, policy, bounds))
    if policy.proxy:
        proxy = parse_url(policy.proxy, with_user=True)
        place, addresses = proxy, _resolved(proxy.host, policy, bounds)
    last = FetchError("resolve", f"{place.host} has no address")
    for address in addresses:
        try:
            connection = connect(address, place.port, bounds)
        except FetchError as error:
            last = error
            continue
        if policy.proxy or _is_allowed(connection.getpeername()[0], policy):
            return connection
        connection.close()
    raise last


def _callable(place: ParsedUrl, policy: FetchPolicy, bounds: RequestLimits) -> Iterator[str]:
    """Yield the addresses of a place that we may be made to call; raises Refused where it has only others."""
    try:
        addresses = _resolved(place.host, policy, bounds)
    except FetchError as error:
        if policy.proxy and error.kind == "resolve":
            return  # the proxy may know better
        raise
    allowed = [address for address in addresses if _is_allowed(address, policy)]
    if not allowed:
        opened = "" if all(map(is_link_local, addresses)) else " (allow_private)"
        raise FetchError(
            "address", f"{place.host} leads to {listing(addresses)}, which a certificate must not make us call{opened}"
        )
    yield from allowed


def _is_allowed(address: str, policy: FetchPolicy) -> bool:
    """Return whether an address may be called: a link-local one never, whatever the configuration allows."""
    return not is_link_local(address) and (policy.allow_private or address in policy.spared or may_be_called(address))


def _resolved(host: str, policy: FetchPolicy, bounds: RequestLimits) -> tuple[str, ...]:
    left_s = bounds.left_s()
    address = to_address(host) or _short_address(host)
    if address is not None:
        return (address,)
    limits = policy.limits
    within_s = limits.timeout_s * min(1.0, left_s / limits.resolve_s)
    view = resolve(host, replace(limits, timeout_s=within_s), bounds.stop)
    if not view.addresses:
        raise FetchError("resolve", view.detail or f"{host} has no address")
    return view.addresses


def _short_address(host: str) -> str | None:
    """Return the IPv4 address that a host such as `0x7f.1` means to most programs, a proxy's among them."""
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None
