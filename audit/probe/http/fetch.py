"""Fetches the resources that a certificate names (CA certificates, CRLs, OCSP): each request once a run, within limits.

It decides to which addresses a certificate may direct requests. It never raises: a fault is a value.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from math import inf
from typing import Final
from urllib.parse import urljoin

from audit.analysis.addresses import is_link_local, is_public
from audit.probe.deadline import Deadline, Stopped
from audit.probe.http.client import REDIRECTS, HttpResponse, RequestLimits, Route, exchange, resolve_host
from audit.probe.http.request import FetchError, FetchFault, HttpRequest, ParsedUrl, parse_url
from audit.probe.target import Limits
from audit.text import join_limited

MAX_REDIRECTS: Final = 3
_FAIR_S: Final = 10.0  # after a timeout of this length, no second request is sent in a run


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """From which addresses to fetch, and the limits.

    A proxy connects by itself, so it may resolve names that cannot be resolved here.
    """

    allow_private: bool = False
    spared: frozenset[str] = frozenset()  # addresses that may be called although they are not on the Internet
    proxy: str | None = None
    deadline_s: float = 30.0  # all redirects together
    max_bytes: int = 20 * 1024 * 1024  # the largest CRLs in use have some ten million bytes
    limits: Limits = field(default_factory=Limits)  # of resolving names


@dataclass(frozen=True, slots=True)
class Fetched:
    """The whole content; `url` is the requested one, before any redirect."""

    url: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unfetched:
    """The reason why there is no content."""

    url: str
    kind: FetchFault
    detail: str

    def __str__(self) -> str:
        """Return the URL and the reason."""
        return f"{self.url!a}: {self.detail}"


class Fetcher:
    """The resources of a run. Threads may call it at the same time: the same request is sent once."""

    def __init__(self, policy: FetchPolicy | None = None, stop: threading.Event | None = None) -> None:
        """Begin; nothing is fetched yet."""
        self._policy = policy or FetchPolicy()
        self._stop = stop or threading.Event()
        self._turn = threading.Lock()
        self._known: dict[HttpRequest, Future[Fetched | Unfetched]] = {}

    def get(self, url: str) -> Fetched | Unfetched:
        """Return the content of a URL."""
        return self.fetch(HttpRequest(url))

    def fetch(self, request: HttpRequest, deadline: Deadline | None = None) -> Fetched | Unfetched:
        """Return the content for a request, which is sent once; a deadline may shorten that of the policy.

        A timeout after too short a time is returned and not kept: another caller may have more time.
        """
        with self._turn:
            pending = self._known.get(request)
            if pending is None:
                future = self._known[request] = Future()
        if pending is not None:
            return _awaited(pending, request, deadline)
        deadline_s = min(self._policy.deadline_s, deadline.left_s if deadline else inf)
        try:
            result = self._fetch(request, Deadline.after(deadline_s))
        except BaseException as error:
            future.set_exception(error)  # our own bug: another thread must not wait for ever
            raise
        is_too_early = deadline_s < min(self._policy.deadline_s, _FAIR_S)
        if isinstance(result, Unfetched) and result.kind == "timeout" and is_too_early:
            with self._turn:
                self._known.pop(request)
        future.set_result(result)
        return result

    def _fetch(self, request: HttpRequest, deadline: Deadline) -> Fetched | Unfetched:
        limits = RequestLimits(deadline, self._policy.max_bytes, self._stop)
        try:
            return Fetched(request.url, _content(request, self._policy, limits))
        except FetchError as error:
            return Unfetched(request.url, error.kind, str(error))
        except Stopped:
            return Unfetched(request.url, "stopped", "the run was stopped")


def _awaited(
    pending: Future[Fetched | Unfetched], request: HttpRequest, deadline: Deadline | None
) -> Fetched | Unfetched:
    """Return the result of another thread, if it comes in time."""
    try:
        return pending.result(deadline.left_s if deadline else None)
    except TimeoutError:
        return Unfetched(request.url, "timeout", "no complete response in time")


def may_be_called(address: str) -> bool:
    """Return whether an address is on the Internet: not loopback, private, link-local, multicast or reserved.

    An IPv6 address that contains an IPv4 address is judged by the IPv4 address.
    """
    return is_public(address) and not ipaddress.ip_address(address.partition("%")[0]).is_multicast


def _content(request: HttpRequest, policy: FetchPolicy, limits: RequestLimits) -> bytes:
    """Return the content at the end of the redirects; a request with a body is not redirected."""
    url = request.url
    for _ in range(MAX_REDIRECTS + 1):
        with exchange(replace(request, url=url), _route(parse_url(url), policy, limits), limits) as response:
            location = response.header("Location") if response.status in REDIRECTS and not request.body else ""
            if not location:
                return _complete_content(response)
        try:
            url = urljoin(url, location)
        except ValueError as error:
            raise FetchError("url", f"it redirects to {location!a}: {error}") from error
    raise FetchError("redirects", f"more than {MAX_REDIRECTS} redirects, the last one to {url!a}")


def _complete_content(response: HttpResponse) -> bytes:
    if response.status != http.client.OK:
        raise FetchError("status", f"the server returns {response.status}")
    if response.header("Content-Encoding") not in ("", "identity"):
        raise FetchError("broken", "the response has a content encoding that was not requested")
    return response.read()


def _route(url: ParsedUrl, policy: FetchPolicy, limits: RequestLimits) -> Route:
    """Return the route to a server or its proxy; raises FetchError if no address of the server may be called."""
    addresses = tuple(_callable(url, policy, limits))
    if not policy.proxy:
        return Route(addresses, accepts=lambda address: _is_allowed(address, policy))
    return Route(_resolved(parse_url(policy.proxy, with_user=True).host, policy, limits), proxy=policy.proxy)


def _callable(url: ParsedUrl, policy: FetchPolicy, limits: RequestLimits) -> Iterator[str]:
    """Yield the addresses of a server that a certificate may make us call; raises FetchError if it has only others."""
    try:
        addresses = _resolved(url.host, policy, limits)
    except FetchError as error:
        if policy.proxy and error.kind == "resolve":
            return  # the proxy may resolve it
        raise
    allowed = [address for address in addresses if _is_allowed(address, policy)]
    if not allowed:
        opened = "" if all(map(is_link_local, addresses)) else " (allow_private)"
        raise FetchError(
            "address",
            f"{url.host} resolves to {join_limited(addresses)}, an address that no certificate may make the audit "
            f"connect to{opened}",
        )
    yield from allowed


def _is_allowed(address: str, policy: FetchPolicy) -> bool:
    """Return whether an address may be called: a link-local one never, whatever the configuration allows."""
    return not is_link_local(address) and (policy.allow_private or address in policy.spared or may_be_called(address))


def _resolved(host: str, policy: FetchPolicy, limits: RequestLimits) -> tuple[str, ...]:
    short = _short_address(host)
    return (short,) if short else resolve_host(host, policy.limits, limits)


def _short_address(host: str) -> str | None:
    """Return the IPv4 address that a host such as `0x7f.1` means to most programs, a proxy's among them."""
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None
