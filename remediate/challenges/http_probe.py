"""Fetches a file from one address under a name, as a CA does, and tells what keeps the CA from it.

It knows HTTP's answers; it refuses to know what the file proves.
"""

from __future__ import annotations

import errno
import http.client
import io
import re
import shlex
import socket
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from audit.analysis.addresses import is_link_local
from audit.probe.tcp import has_route
from audit.probe.validation_request import NEVER_ASKED
from remediate.challenges.base import SELF_TEST, HttpHop, ProbeResult, ProbeSettings, Verdict

_MAX_BYTES: Final = 16_384  # of an answer; the file has about 100, headers some 500
_MAX_HOPS: Final = 5  # shown; the CA follows none
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_NO_WAY: Final = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_CA_PORTS: Final = (None, 80)  # those in a URL that mean the port that we look at too
_AGENT: Final = f"{SELF_TEST} SECTIGO DCV"
"""Ours first; rules that treat the CA's user agent in another way are to show too."""
_BY_PROXIES: Final = re.compile(
    r"via|cf-ray|x-cache|x-varnish|x-served-by|x-sucuri-id|x-amz-cf-id|x-azure-ref", re.IGNORECASE
)
_PROXIES: Final = re.compile(
    r"cloudflare|cloudfront|akamai|sucuri|varnish|fastly|bunnycdn|imperva|awselb|haproxy|envoy|traefik|squid",
    re.IGNORECASE,
)
_PROXIED: Final = "a proxy answers there ({}): let it pass {} on as it is, or let the CA validate by DNS"


class _Unanswered(Exception):
    """No whole answer was had; `verdict` is what that means."""

    def __init__(self, verdict: Verdict, detail: str) -> None:
        super().__init__(detail)
        self.verdict: Verdict = verdict


@dataclass(frozen=True, slots=True)
class Wanted:
    """The file as it has to be found: under which name, at which path, with which body (the last line's end apart)."""

    name: str
    path: str
    body: str


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    location: str
    server: str
    content: bytes
    proxy: str = ""  # what says that it is no host of ours that answers

    def __str__(self) -> str:
        by = f" by {self.server}" if self.server else ""
        return f"{self.status}{by} to {self.location}" if self.redirects else f"{self.status}{by}, {self.beginning}"

    @property
    def redirects(self) -> bool:
        return self.status in _REDIRECTS and bool(self.location)

    @property
    def beginning(self) -> str:
        return ascii(self.content[:60].decode("utf-8", "replace"))


def fetch(wanted: Wanted, address: str, vantage: ProbeSettings) -> ProbeResult:
    """Return what a CA would see that asks one address for a file."""
    hops: list[HttpHop] = []
    try:
        answer = _follow(f"http://{wanted.name}{wanted.path}", address, vantage, hops)
    except _Unanswered as error:
        verdict, detail = error.verdict, str(error)
    else:
        verdict, detail = _judge(answer, wanted.body)
        if answer.proxy and (verdict != "good" or len(hops) > 1):
            detail = f"{detail}; {_PROXIED.format(answer.proxy, wanted.path.rpartition('/')[0])}"
    if len(hops) > 1 or verdict == "redirected":
        verdict, detail = "redirected", f"the CA follows no redirect: {detail}"
    if verdict != "good" and vantage.own_addresses and address not in vantage.own_addresses:
        verdict = "wrong-host" if verdict in ("missing", "altered") else verdict
        detail = f"{detail}; {address} is no known address of the host"
    return ProbeResult(
        wanted.name, address, verdict, _printable(detail), tuple(hops), as_typed(wanted, address, vantage.port)
    )


def as_typed(wanted: Wanted, address: str, port: int) -> str:
    """Return the first request as a person would type it."""
    place = f"[{address}]" if ":" in address else address
    url = f"http://{wanted.name}{wanted.path}"
    return shlex.join(("curl", "--include", "--user-agent", _AGENT, "--connect-to", f"::{place}:{port}", url))


def _follow(url: str, address: str, vantage: ProbeSettings, hops: list[HttpHop]) -> _Answer:
    """Return the last answer, and note every request; a redirect to elsewhere is noted and not followed."""
    while True:
        try:
            answer = _ask(urlsplit(url), address, vantage)
        except _Unanswered as error:
            hops.append(HttpHop(_printable(url), address, _printable(str(error))))
            raise
        hops.append(HttpHop(_printable(url), address, _printable(str(answer))))
        url = _led(url, answer) if len(hops) < _MAX_HOPS and not vantage.stop() else ""
        if not url:
            return answer


def _led(url: str, answer: _Answer) -> str:
    """Return where an answer leads to on the same website; nothing where it leads to no place, or elsewhere."""
    try:
        led = urljoin(url, answer.location)
        there = urlsplit(led)
        stays = (there.scheme, there.hostname) == ("http", urlsplit(url).hostname) and there.port in _CA_PORTS
    except ValueError:  # a port of 99999, an address in brackets that is none
        return ""
    return led if answer.redirects and stays else ""


def _judge(answer: _Answer, body: str) -> tuple[Verdict, str]:
    if answer.redirects:
        return "redirected", f"it is sent to {answer.location}"
    if answer.status == http.client.OK:
        right = body.encode("ascii")
        if answer.content in (right, right + b"\n"):
            return "good", "as written"
        return "altered", f"the body is not the file's, it begins {answer.beginning}"
    if answer.status in (401, 403):
        return "forbidden", f"the server denies it with {answer.status}"
    if answer.status in (404, 410):
        return "missing", f"the server answers {answer.status}: it serves another folder"
    return "broken", f"the server answers {answer.status}"


def _ask(url: SplitResult, address: str, vantage: ProbeSettings) -> _Answer:
    """Return the answer to one request; raises _Unanswered."""
    end = time.monotonic() + vantage.deadline_s
    target = url.path + (f"?{url.query}" if url.query else "")
    if is_link_local(address):
        raise _Unanswered("blocked", NEVER_ASKED)
    request = f"GET {target} HTTP/1.1\r\nHost: {url.hostname}\r\nUser-Agent: {_AGENT}\r\nConnection: close\r\n\r\n"
    try:
        with closing(socket.create_connection((address, vantage.port), vantage.deadline_s)) as connection:
            connection.sendall(request.encode("ascii", "replace"))
            return _receive(connection, end)
    except TimeoutError as error:
        raise _Unanswered("blocked", f"no answer within {vantage.deadline_s:g} s") from error
    except OSError as error:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        if error.errno in _NO_WAY and not has_route(family):
            version = "IPv6" if family == socket.AF_INET6 else "IPv4"
            raise _Unanswered("unseen", f"this machine has no {version} to look with") from error
        raise _Unanswered("blocked", error.strerror or type(error).__name__) from error


def _receive(connection: socket.socket, end: float) -> _Answer:
    """Read until the answer is whole; a server may keep the connection open in spite of what it was asked."""
    received, ended = b"", False
    while len(received) < _MAX_BYTES and not ended and (left := end - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            piece = connection.recv(4096)
        except OSError:
            if not received:
                raise
            break
        received, ended = received + piece, not piece
        if answer := _read(received, ended=ended):
            return answer
    if not received:
        raise _Unanswered("blocked", "the connection is closed without an answer")
    raise _Unanswered("broken", f"no whole answer in HTTP: it begins {received[:60].decode('latin-1')!a}")


class _Received:
    """What http.client wants of a socket: here it is all there already."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, _mode: str) -> io.BytesIO:
        """Return what was received, as a file."""
        return io.BytesIO(self._content)


def _read(received: bytes, *, ended: bool) -> _Answer | None:
    """Return the answer where it is whole; of one without a length nobody knows before its end."""
    if b"\r\n\r\n" not in received and b"\n\n" not in received:
        return None
    response = http.client.HTTPResponse(_Received(received))  # type: ignore[arg-type]  # makefile is all it asks for
    try:
        response.begin()
        if not ended and response.length is None and not response.chunked:
            return None
        content = response.read()
    except (http.client.HTTPException, ValueError):
        return None
    headers = response.headers
    server = headers.get("Server", "")
    return _Answer(response.status, headers.get("Location", ""), server, content, _proxy(server, headers.items()))


def _proxy(server: str, headers: Iterable[tuple[str, str]]) -> str:
    """Return the headers by which a proxy shows, the server's name among them."""
    found = [f"{name}: {value[:40]}" for name, value in headers if _BY_PROXIES.fullmatch(name)]
    return ", ".join([f"Server: {server[:40]}", *found] if _PROXIES.search(server) else found)


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)[:400]
