"""Requests a file from one address under a name, as a CA does, and reports what keeps the CA from it."""

from __future__ import annotations

import http.client
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

from audit.analysis.addresses import is_link_local
from audit.probe.deadline import Deadline
from audit.probe.http.client import REDIRECTS, HttpResponse, RequestLimits, Route, exchange
from audit.probe.http.request import FetchError, HttpRequest, bracketed
from audit.probe.http.validation_request import NOT_PROBED
from audit.text import one_line
from remediate.challenges.base import SELF_TEST, HttpHop, ProbeResult, ProbeSettings, Verdict

_MAX_BYTES: Final = 16_384  # of a response; the file has about 100
_MAX_HOPS: Final = 5  # shown
_MOST_DETAIL: Final = 400
_CA_PORTS: Final = (None, 80)  # those in a URL that mean the port that is probed
_AGENT: Final = f"{SELF_TEST} SECTIGO DCV"
"""Ours first; rules that treat the CA's user agent in another way are to show too."""
_BY_PROXIES: Final = re.compile(
    r"via|cf-ray|x-cache|x-varnish|x-served-by|x-sucuri-id|x-amz-cf-id|x-azure-ref", re.IGNORECASE
)
_PROXIES: Final = re.compile(
    r"cloudflare|cloudfront|akamai|sucuri|varnish|fastly|bunnycdn|imperva|awselb|haproxy|envoy|traefik|squid",
    re.IGNORECASE,
)
_PROXIED: Final = "a proxy responds there ({}): let it pass {} on as it is, or let the CA validate by DNS"


class _NoResponse(Exception):
    """There is no whole response; `verdict` is what that means."""

    def __init__(self, verdict: Verdict, detail: str) -> None:
        super().__init__(detail)
        self.verdict: Verdict = verdict


@dataclass(frozen=True, slots=True)
class ExpectedFile:
    """The expected file: its host name, its path, and its content without the last line end.

    `follows` is whether the CA follows redirects. This probe follows them within the same website only.
    """

    name: str
    path: str
    body: str
    follows: bool = False


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    location: str  # of a redirect; else empty
    server: str
    content: bytes
    proxy: str = ""  # the headers which show that a proxy responds

    def __str__(self) -> str:
        by = f" by {self.server}" if self.server else ""
        return f"{self.status}{by} to {self.location}" if self.location else f"{self.status}{by}, {self.beginning}"

    @property
    def beginning(self) -> str:
        return ascii(self.content[:60].decode("utf-8", "replace"))


def probe_file(expected: ExpectedFile, address: str, settings: ProbeSettings) -> ProbeResult:
    """Return what a CA would see that requests a file from one address; raises Stopped."""
    hops: list[HttpHop] = []
    try:
        response = _follow(f"http://{expected.name}{expected.path}", address, settings, hops)
    except _NoResponse as error:
        verdict, detail = error.verdict, str(error)
    else:
        verdict, detail = _judge(response, expected.body)
        if response.proxy and (verdict != "good" or len(hops) > 1):
            detail = f"{detail}; {_PROXIED.format(response.proxy, expected.path.rpartition('/')[0])}"
    if expected.follows and verdict == "redirected":
        verdict, detail = "unseen", f"the CA follows the redirect, and this test does not: {detail}"
    elif not expected.follows and (len(hops) > 1 or verdict == "redirected"):
        verdict, detail = "redirected", f"the CA follows no redirect: {detail}"
    if verdict != "good" and settings.own_addresses and address not in settings.own_addresses:
        verdict = "wrong-host" if verdict in ("missing", "altered") else verdict
        detail = f"{detail}; {address} is not a known address of the host"
    command = as_typed(expected, address, settings.port)
    return ProbeResult(expected.name, address, verdict, one_line(detail, _MOST_DETAIL), tuple(hops), command)


def as_typed(expected: ExpectedFile, address: str, port: int) -> str:
    """Return the first request as a person would type it."""
    url = f"http://{expected.name}{expected.path}"
    return shlex.join(
        ("curl", "--include", "--user-agent", _AGENT, "--connect-to", f"::{bracketed(address)}:{port}", url)
    )


def _follow(url: str, address: str, settings: ProbeSettings, hops: list[HttpHop]) -> _Response:
    """Return the last response, and note every request; a redirect to elsewhere is noted and not followed."""
    while True:
        try:
            response = _request(url, address, settings)
        except _NoResponse as error:
            hops.append(_hop(url, address, str(error)))
            raise
        hops.append(_hop(url, address, str(response)))
        url = _next_url(url, response.location) if len(hops) < _MAX_HOPS else ""
        if not url:
            return response


def _hop(url: str, address: str, response: str) -> HttpHop:
    return HttpHop(one_line(url, _MOST_DETAIL), address, one_line(response, _MOST_DETAIL))


def _next_url(url: str, location: str) -> str:
    """Return the URL of a redirect within the same website; empty if there is no location, or it leads elsewhere."""
    try:
        next_url = urljoin(url, location)
        target = urlsplit(next_url)
        stays = (target.scheme, target.hostname) == ("http", urlsplit(url).hostname) and target.port in _CA_PORTS
    except ValueError:  # a port of 99999, a malformed address in brackets
        return ""
    return next_url if location and stays else ""


def _judge(response: _Response, body: str) -> tuple[Verdict, str]:
    if response.location:
        return "redirected", f"it is sent to {response.location}"
    if response.status == http.client.OK:
        right = body.encode()
        if response.content in (right, right + b"\n"):
            return "good", "as written"
        return "altered", f"the body is not the file's, it begins {response.beginning}"
    if response.status in (401, 403):
        return "forbidden", f"the server denies it with {response.status}"
    if response.status in (404, 410):
        return "missing", f"the server returns {response.status}: it serves another directory"
    return "broken", f"the server returns {response.status}"


def _request(url: str, address: str, settings: ProbeSettings) -> _Response:
    """Return the response to one request; raises _NoResponse, Stopped."""
    if is_link_local(address):
        raise _NoResponse("blocked", NOT_PROBED)
    request = HttpRequest(url, headers=(("User-Agent", _AGENT),))
    limits = RequestLimits(Deadline.after(settings.deadline_s), _MAX_BYTES, settings.stop)
    try:
        with exchange(request, Route((address,), port=settings.port), limits) as response:
            return _read(response)
    except FetchError as error:
        raise _NoResponse(*_reason(error, settings)) from error


def _read(response: HttpResponse) -> _Response:
    location = response.header("Location") if response.status in REDIRECTS else ""
    server = response.header("Server")
    return _Response(response.status, location, server, response.read(), _proxy(server, response.headers))


def _reason(error: FetchError, settings: ProbeSettings) -> tuple[Verdict, str]:
    """Return what it means that there is no whole response, and why there is none."""
    if error.kind == "no-family":
        return "unseen", error.detail
    if error.beginning or error.kind == "url":
        return "broken", f"{error.detail}; the response begins {error.beginning.decode('latin-1')!a}"
    if error.kind == "timeout":
        return "blocked", f"no response within {settings.deadline_s:g} s"
    return "blocked", error.detail


def _proxy(server: str, headers: Iterable[tuple[str, str]]) -> str:
    """Return the headers by which a proxy shows, the server's name among them."""
    lines = [f"{name}: {value[:40]}" for name, value in headers if _BY_PROXIES.fullmatch(name)]
    return ", ".join([f"Server: {server[:40]}", *lines] if _PROXIES.search(server) else lines)
