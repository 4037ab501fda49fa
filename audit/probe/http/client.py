"""One HTTP/1.1 exchange (RFC 9112) with a server that is not trusted: one request over one connection, bounded.

    with exchange(HttpRequest(url), Route(addresses), limits) as response:
        content = response.read()

The deadline bounds the whole exchange, and the byte limit the content. No redirect is followed. The caller decides
which addresses may be called.

    FetchError    a fault of the server or the network
    Stopped       the run was stopped
"""

from __future__ import annotations

import base64
import http.client
import io
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from audit.endpoint import to_address
from audit.probe.deadline import Deadline, Stopped
from audit.probe.dns.resolver import resolve
from audit.probe.http.request import FetchError, HttpRequest, ParsedUrl, bracketed, parse_url
from audit.probe.http.tls_stream import ByteStream, TlsStream
from audit.probe.target import Limits
from audit.probe.tcp import ProbeError, TcpConnection
from audit.redaction import Secrets, url_password

REDIRECTS: Final = (301, 302, 303, 307, 308)

_CONNECT_S: Final = 10.0  # for each address; two SYNs may be lost (RFC 6298: sent again after 1 s and 3 s)
_HEADERS: Final = 65_536  # bytes beside the content
_PART: Final = 65_536
_BEGINNING: Final = 60  # bytes of a response that an error quotes


@dataclass(frozen=True, slots=True)
class Route:
    """The route to a server: the addresses that are tried in turn, directly or through a proxy, and the trust anchors.

    The request is sent over a connection only if `accepts` returns true for the address at its other end.
    """

    addresses: tuple[str, ...]  # of the proxy, if there is one
    port: int | None = None  # None: the port of the URL, or of the proxy
    proxy: str = field(default="", repr=False)  # URL; may hold a password
    trust: Callable[[], ssl.SSLContext] = ssl.create_default_context
    accepts: Callable[[str], bool] = lambda _: True
    secrets: tuple[str, ...] = field(default=(), repr=False)  # hidden in errors and headers


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The deadline of the whole exchange, the limit of bytes of content, and the event that stops the exchange."""

    deadline: Deadline
    max_bytes: int
    stop: threading.Event = field(default_factory=threading.Event)


class HttpResponse:
    """A response whose head has come, while the exchange is open."""

    def __init__(self, stream: ByteStream, max_bytes: int, secrets: Secrets) -> None:
        """Read the head."""
        self._reader = _Reader(stream)
        self._max_bytes = max_bytes
        self._secrets = secrets
        self._response = http.client.HTTPResponse(self._reader)  # type: ignore[arg-type]  # it calls only makefile
        with self._faults():
            self._response.begin()
        self.status = self._response.status
        self.headers = tuple((name, secrets.hide(value)) for name, value in self._response.headers.items())

    def header(self, name: str) -> str:
        """Return the value of the first header field with a name; empty if the response has none."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), "")

    def read(self) -> bytes:
        """Return the whole content; raises FetchError if it is cut short, or longer than the limit."""
        with self._faults():
            if (self._response.length or 0) > self._max_bytes:
                announced = f"{self._response.length} bytes are announced"
                raise FetchError("too-much", f"{announced}, at most {self._max_bytes} are read")
            content = bytearray()
            while part := self._response.read(_PART):
                content += part
                if len(content) > self._max_bytes:
                    raise FetchError("too-much", f"more than {self._max_bytes} bytes were received")
            if self._response.length:
                raise FetchError("broken", f"the response is cut short by {self._response.length} bytes")
            return bytes(content)

    def beginning(self) -> bytes:
        """Return the content up to the limit; empty if it does not come."""
        try:
            with self._faults():
                return self._response.read(self._max_bytes)
        except FetchError:
            return b""

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except FetchError as error:
            error.beginning = self._reader.beginning
            raise
        except (http.client.HTTPException, ValueError) as error:
            detail = f"no complete HTTP response: {error or type(error).__name__}"
            fault = FetchError("broken", self._secrets.hide(detail))
            fault.beginning = self._reader.beginning
            raise fault from error


def resolve_host(host: str, dns: Limits, limits: RequestLimits) -> tuple[str, ...]:
    """Return the addresses of a host, which may be an address itself; raises FetchError, Stopped."""
    if address := to_address(host):
        return (address,)
    within_s = dns.timeout_s * min(1.0, limits.deadline.left_s / dns.resolve_s)
    view = resolve(host, replace(dns, timeout_s=within_s), limits.stop)
    if not view.addresses:
        raise FetchError("resolve", view.detail or f"{host} has no address")
    return view.addresses


@contextmanager
def exchange(request: HttpRequest, route: Route, limits: RequestLimits) -> Iterator[HttpResponse]:
    """Send a request over a connection of its own, and yield the response after its head has come.

    Raises FetchError, Stopped.
    """
    url, secrets = parse_url(request.url), Secrets((*route.secrets, *url_password(route.proxy)))
    proxy = parse_url(route.proxy, with_user=True) if route.proxy else None
    with ExitStack() as stack:
        stream: ByteStream = _connected(stack, route, limits, (proxy or url).port)
        if proxy and proxy.scheme == "https":
            stream = TlsStream(stream, route.trust(), proxy.host)
        if proxy and url.scheme == "https":
            _open_tunnel(stream, url, _credentials(route.proxy), secrets)
        if url.scheme == "https":
            stream = TlsStream(stream, route.trust(), url.host)
        is_forwarded = proxy is not None and url.scheme == "http"
        stream.send(_message(url, request, _credentials(route.proxy) if is_forwarded else None))
        yield HttpResponse(stream, limits.max_bytes, secrets)


class _Connection:
    """A TCP connection that raises its faults as FetchError."""

    def __init__(self, tcp: TcpConnection) -> None:
        self._tcp = tcp

    def send(self, octets: bytes) -> None:
        """Send all bytes."""
        try:
            self._tcp.send(octets)
        except ProbeError as error:
            raise _fault_of(error) from error

    def receive(self) -> bytes:
        """Return the next bytes, or none if the server has closed the connection."""
        try:
            return self._tcp.receive()
        except ProbeError as error:
            raise _fault_of(error) from error
        finally:
            self._tcp.received.clear()  # or a download would be in memory twice


def _fault_of(error: ProbeError) -> FetchError:
    if error.kind == "timeout":
        return FetchError("timeout", "no complete response in time")
    return FetchError("too-much" if error.kind == "too-much" else "broken", error.detail)


def _connected(stack: ExitStack, route: Route, limits: RequestLimits, port: int) -> _Connection:
    """Return a connection to the first address that accepts one; raises FetchError with the fault of the last."""
    if limits.stop.is_set():
        raise Stopped
    if limits.deadline.has_passed:
        raise FetchError("timeout", "no complete response in time")
    fault = FetchError("resolve", "there is no address to connect to")
    max_bytes = 2 * limits.max_bytes + 2 * _HEADERS  # chunks and TLS records add to the content
    for address in route.addresses:
        tcp = stack.enter_context(TcpConnection(deadline=limits.deadline, stop=limits.stop, max_bytes=max_bytes))
        try:
            tcp.connect(address, route.port or port, _CONNECT_S)
        except (ProbeError, OSError) as error:
            fault = _connect_fault(error, address)
        else:
            if route.accepts(tcp.peer_address):
                tcp.begin("handshake", limits.deadline.left_s, "a complete response")
                return _Connection(tcp)
            fault = FetchError("address", f"the connection is with {tcp.peer_address}", address)
    raise fault


def _connect_fault(error: ProbeError | OSError, address: str) -> FetchError:
    if isinstance(error, OSError):  # such as no free file descriptors
        return FetchError("connect", error.strerror or str(error), address)
    if error.kind in ("timeout", "no-family"):
        return FetchError("timeout" if error.kind == "timeout" else "no-family", error.detail, address)
    return FetchError("connect", error.detail, address)


def _open_tunnel(stream: ByteStream, url: ParsedUrl, credentials: str, secrets: Secrets) -> None:
    """Make a proxy connect to a server; raises FetchError."""
    server = f"{bracketed(url.host)}:{url.port}"
    stream.send(f"CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n{credentials}\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        octets = stream.receive()
        head += octets
        if not octets or len(head) > _HEADERS:
            raise FetchError("broken", secrets.hide(f"the proxy's response is not HTTP, it begins {head[:40]!a}"))
    status, rest = head.splitlines()[0], head.partition(b"\r\n\r\n")[2]
    if status.split()[1:2] != [b"200"]:
        raise FetchError("connect", secrets.hide(f"the proxy returns {status!a}"))
    if rest:
        raise FetchError("broken", "bytes that no TLS server sends follow the proxy's response")


def _message(url: ParsedUrl, request: HttpRequest, credentials: str | None) -> bytes:
    """Return the request as it is sent; for a proxy that forwards it, with the whole URL and the credentials."""
    target = url.target if credentials is None else f"{url.scheme}://{url.authority}{url.target}"
    fields = {
        "Host": url.authority,
        "User-Agent": "sslaudit",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    if request.body:
        fields |= {"Content-Type": request.content_type, "Content-Length": str(len(request.body))}
    lines = [f"{name}: {value}\r\n" for name, value in (fields | dict(request.headers)).items()]
    method = request.method or ("POST" if request.body else "GET")
    head = f"{method} {target} HTTP/1.1\r\n{''.join(lines)}{credentials or ''}\r\n"
    return head.encode("ascii", "replace") + request.body


def _credentials(proxy: str) -> str:
    parts = urlsplit(proxy)
    if parts.username is None:
        return ""
    words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Proxy-Authorization: Basic {base64.b64encode(words.encode()).decode('ascii')}\r\n"


class _Reader(io.RawIOBase):
    """A stream as a file that http.client can read."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._rest = b""
        self.beginning = b""

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return a buffered file of the stream."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a writable buffer has no type before Python 3.12
        """Read the next bytes; raises FetchError, Stopped."""
        if not self._rest:
            self._rest = self._stream.receive()
            self.beginning += self._rest[: _BEGINNING - len(self.beginning)]
        count = min(len(self._rest), len(buffer))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count
