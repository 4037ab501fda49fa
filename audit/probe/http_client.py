"""One exchange over HTTP (RFC 9112) with a server nobody vouches for: within a moment, a number of bytes and a wish.

It knows sockets, TLS and a proxy's two ways; it refuses to know which addresses may be called and what is fetched.
"""

from __future__ import annotations

import base64
import http.client
import io
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Literal
from urllib.parse import SplitResult, quote, unquote, urlsplit

from audit.redaction import Secrets, url_password

FetchFault = Literal[
    "url",  # not one that is fetched
    "address",  # only addresses that a certificate must not make us call
    "resolve",
    "connect",
    "tls",
    "timeout",
    "status",
    "redirects",
    "too-much",
    "broken",  # no whole answer in HTTP
    "stopped",
]
PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}

_SLICE_S: Final = 0.25  # how often a waiting thread looks up to see whether it should stop
_CONNECT_S: Final = 10.0  # for each address; two SYNs may be lost (RFC 6298: sent again after 1 s and 3 s)
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_HEADERS: Final = 65_536  # bytes beside the content
_PART: Final = 65_536


class FetchError(Exception):
    """Why nothing was fetched: a stable word and a clause."""

    def __init__(self, kind: FetchFault, detail: str) -> None:
        """Keep both; what a server said cannot move a terminal's cursor."""
        super().__init__("".join(each if each.isprintable() else " " for each in detail)[:300])
        self.kind: FetchFault = kind


@dataclass(frozen=True, slots=True)
class ParsedUrl:
    """A URL taken apart: what is connected to and what is asked there."""

    scheme: str
    host: str  # a name in ASCII, or an address without brackets
    port: int
    target: str  # path and query

    @property
    def authority(self) -> str:
        """The host, with its port where that is not the scheme's."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What is asked of a URL; with a body it is posted."""

    url: str
    body: bytes = b""
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What came back; of a redirect only where to."""

    status: int
    location: str = ""
    content: bytes = b""
    server: str = ""  # as it names itself


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """How long (monotonic seconds), how much, and whether at all.

    Who only peeks is told of every answer how it begins, whatever its status and however it ends.
    """

    ends: float
    max_bytes: int
    stop: threading.Event
    only_peeks: bool = False

    def left_s(self) -> float:
        """Return how many seconds are left; raises Refused where none are."""
        left = self.ends - time.monotonic()
        if self.stop.is_set():
            raise FetchError("stopped", "the run was stopped")
        if left <= 0:
            raise FetchError("timeout", "no whole answer in time")
        return left


def parse_url(url: str, *, with_user: bool = False) -> ParsedUrl:
    """Return what a URL means; raises Refused for one that is not of HTTP, and where it names a user."""
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError as error:  # UnicodeError is one
        raise FetchError("url", _hidden(f"{url!a} is not a valid URL: {error}", url)) from error
    if parts.scheme not in PORTS or not _HOST.fullmatch(host) or (parts.username is not None and not with_user):
        raise FetchError("url", _hidden(f"{url!a} is not a URL of http or https", url))
    return ParsedUrl(parts.scheme, host, port or PORTS[parts.scheme], _target(parts))


def _target(parts: SplitResult) -> str:
    safe = "/%:@!$&'()*+,;=~?"
    return (quote(parts.path, safe) or "/") + (f"?{quote(parts.query, safe)}" if parts.query else "")


def connect(address: str, port: int, bounds: RequestLimits) -> socket.socket:
    """Return a connection to an address; raises Refused."""
    try:
        return socket.create_connection((address, port), min(bounds.left_s(), _CONNECT_S))
    except TimeoutError as error:
        raise FetchError("timeout", f"{address} does not answer") from error
    except OSError as error:
        raise FetchError("connect", f"{address}: {error.strerror or error}") from error


def tunnel(connection: socket.socket, place: ParsedUrl, proxy: str, bounds: RequestLimits) -> None:
    """Let a proxy connect us to a place; raises Refused."""
    host = f"[{place.host}]" if ":" in place.host else place.host
    there = f"{host}:{place.port}"
    _send(connection, f"CONNECT {there} HTTP/1.1\r\nHost: {there}\r\n{_credentials(proxy)}\r\n".encode(), bounds)
    said = _Stream(connection, bounds).line()
    words = said.split()
    if len(words) < 2 or words[1] != b"200":
        raise FetchError("connect", _hidden(f"the proxy says {said!a}", proxy))


def wrap(connection: socket.socket, host: str, bounds: RequestLimits) -> socket.socket:
    """Return the connection under TLS, the server's name and path verified but for who only peeks; raises Refused."""
    connection.settimeout(min(bounds.left_s(), _CONNECT_S))
    context = ssl.create_default_context()
    if bounds.only_peeks:  # a CA that is sent to https looks there whatever certificate is shown
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        return context.wrap_socket(connection, server_hostname=host)
    except TimeoutError as error:
        raise FetchError("timeout", f"{host} does not end its handshake") from error
    except (OSError, ValueError) as error:
        raise FetchError("tls", f"{host}: {getattr(error, 'verify_message', '') or error}") from error


def send_request(
    connection: socket.socket, place: ParsedUrl, question: HttpRequest, bounds: RequestLimits, *, proxy: str = ""
) -> HttpResponse:
    """Return the answer to a question; raises Refused. With a proxy it is the proxy that is asked."""
    target = f"{place.scheme}://{place.authority}{place.target}" if proxy else place.target
    lines = [
        f"{'POST' if question.body else 'GET'} {target} HTTP/1.1",
        f"Host: {place.authority}",
        "User-Agent: sslaudit",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
    ]
    if question.body:
        lines += [f"Content-Type: {question.content_type}", f"Content-Length: {len(question.body)}"]
    head = "\r\n".join(lines) + "\r\n" + (_credentials(proxy) if proxy else "") + "\r\n"
    _send(connection, head.encode("ascii", "replace") + question.body, bounds)
    try:
        answer = _read(_Stream(connection, bounds), bounds)
    except (http.client.HTTPException, ValueError) as error:
        raise FetchError(
            "broken", _hidden(f"no whole answer in HTTP: {error or type(error).__name__}", proxy)
        ) from error
    return replace(answer, location=_hidden(answer.location, proxy), server=_hidden(answer.server, proxy))


def _hidden(text: str, url: str) -> str:
    """Return a text without the password in a URL: a proxy may repeat what it was sent. Hide before the text is cut."""
    return Secrets(url_password(url)).hide(text)


def _credentials(proxy: str) -> str:
    parts = urlsplit(proxy)
    if parts.username is None:
        return ""
    words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Proxy-Authorization: Basic {base64.b64encode(words.encode()).decode('ascii')}\r\n"


def _send(connection: socket.socket, octets: bytes, bounds: RequestLimits) -> None:
    connection.settimeout(bounds.left_s())
    try:
        connection.sendall(octets)
    except TimeoutError as error:
        raise FetchError("timeout", "the question was not taken in time") from error
    except OSError as error:
        raise FetchError("broken", f"the connection was lost: {error.strerror or error}") from error


def _read(stream: _Stream, bounds: RequestLimits) -> HttpResponse:
    with closing(http.client.HTTPResponse(stream)) as response:  # type: ignore[arg-type]  # makefile is all it asks for
        response.begin()
        location, server = response.headers.get("Location", ""), response.headers.get("Server", "")
        if bounds.only_peeks:
            return HttpResponse(response.status, location, _beginning(response, bounds.max_bytes), server)
        if response.status != http.client.OK:
            return HttpResponse(response.status, location, server=server)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise FetchError("broken", "the answer is encoded in a way that was not asked for")
        if (response.length or 0) > bounds.max_bytes:
            raise FetchError("too-much", f"{response.length} bytes are announced, at most {bounds.max_bytes} are read")
        content = bytearray()
        while part := response.read(_PART):
            content += part
        if response.length:
            raise FetchError("broken", f"the answer is cut short by {response.length} bytes")
        return HttpResponse(response.status, location, bytes(content), server)


def _beginning(response: http.client.HTTPResponse, most: int) -> bytes:
    """Return how the content begins, or as much of it as came."""
    with suppress(http.client.HTTPException, FetchError, ValueError):
        return response.read(most)
    return b""


class _Stream(io.RawIOBase):
    """What http.client reads of a connection: to a moment and a number of bytes, and no further."""

    def __init__(self, connection: socket.socket, bounds: RequestLimits) -> None:
        self._connection, self._bounds = connection, bounds
        self._left = bounds.max_bytes + _HEADERS

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return itself as a file."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - what can be written to has no name before Python 3.12
        """Read what there is; raises Refused where time or bytes have run out."""
        while True:
            self._connection.settimeout(min(self._bounds.left_s(), _SLICE_S))
            with suppress(TimeoutError):
                count = self._received(buffer)
                self._left -= count
                if self._left < 0:
                    raise FetchError("too-much", f"more than {self._bounds.max_bytes} bytes came")
                return count

    def line(self) -> bytes:
        """Return the first line of a head, which is read to its end; raises Refused."""
        head = bytearray()
        while not head.endswith(b"\r\n\r\n"):
            octet = bytearray(1)  # byte by byte: what follows is TLS's
            if not self.readinto(octet) or len(head) > _HEADERS:
                raise FetchError("broken", f"no answer in HTTP, it begins {bytes(head[:40])!a}")
            head += octet
        return bytes(head).splitlines()[0]

    def _received(self, buffer: Any) -> int:  # noqa: ANN401 - as above
        try:
            return self._connection.recv_into(buffer)
        except TimeoutError:
            raise
        except OSError as error:
            raise FetchError("broken", f"the connection was lost: {error.strerror or error}") from error
