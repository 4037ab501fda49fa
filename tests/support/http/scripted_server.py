"""The scripted HTTP server: it records the head of each request and responds with the bytes that a script sends.

A script has the connection, so that it can break every rule of HTTP. Connections are served one after another.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

Say = Callable[[socket.socket], object]
Respond = Callable[[socket.socket, str], object]
"""A script that needs the head of the request."""
Context = Callable[[], ssl.SSLContext] | ssl.SSLContext | None
"""No TLS, the TLS of all connections, or a function that returns it for each connection."""


@dataclass(slots=True)
class Conversation:
    """The port of the server, and the heads of the requests in their order."""

    port: int
    heads: list[str] = field(default_factory=list)

    def url(self, path: str = "/ca.crt", host: str = "127.0.0.1") -> str:
        """Return the URL of a path on the server."""
        return f"http://{host}:{self.port}{path}"


def saying(*octets: bytes) -> Say:
    """Return a function that sends these bytes."""
    return lambda connection: connection.sendall(b"".join(octets))


def answering(content: bytes | str, *headers: str, status: str = "200 OK") -> Say:
    """Return a function that sends a response with that content."""
    octets = content.encode() if isinstance(content, str) else content
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(octets)}", *headers, "", ""]
    return saying("\r\n".join(lines).encode(), octets)


def silent(connection: socket.socket) -> None:
    """Send nothing until the client leaves."""
    connection.settimeout(60)
    connection.recv(1)


def tunnel(client: socket.socket, head: str) -> None:
    """Act as a proxy: connect to the requested address (RFC 9110 9.3.6), and forward the data."""
    host, _, port = head.split()[1].rpartition(":")
    with socket.create_connection((host, int(port))) as server:
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        while True:
            for sender in select.select([client, server], [], [])[0]:
                if not (part := sender.recv(65_536)):
                    return
                (server if sender is client else client).sendall(part)


def by_path(responses: Mapping[str, Say]) -> Respond:
    """Return what responds by the requested path, and to all other requests as to the path ``."""

    def respond(connection: socket.socket, head: str) -> None:
        responses.get([*head.split(), ""][1], responses[""])(connection)

    return respond


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request; the names of its fields are in lower case."""

    line: str
    fields: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """Return the requested path."""
        return self.line.split()[1]


def read_request(connection: socket.socket, head: str) -> Request:
    """Return the request with this head, after its body was read."""
    text, _, begun = head.partition("\r\n\r\n")
    line, *lines = text.split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in lines)}
    body = begun.encode("latin-1")
    while len(body) < int(fields.get("content-length", 0)) and (part := connection.recv(65_536)):
        body += part
    return Request(line, fields, body)


@contextlib.contextmanager
def conversing(
    *say: Say,
    respond: Respond | None = None,
    context: Context = None,
    bound: socket.socket | None = None,
    speaks_first: bool = False,
) -> Iterator[Conversation]:
    """Serve each connection by the next function and all later ones by the last, or all by `respond`.

    It is done over TLS if there is a context, and at a bound socket if there is one. A server that speaks first, as
    those of mail do, does not wait for a request.
    """
    with bound or socket.create_server(("127.0.0.1", 0)) as server:
        server.listen(64)
        conversation = Conversation(server.getsockname()[1])
        script = respond or _in_turn(say, conversation)
        thread = threading.Thread(target=_serve, args=(server, script, None if speaks_first else conversation, context))
        thread.start()
        try:
            yield conversation
        finally:
            server.shutdown(socket.SHUT_RDWR)  # ends the wait in accept
            thread.join()


def _in_turn(say: tuple[Say, ...], conversation: Conversation) -> Respond:
    return lambda connection, _: say[min(len(conversation.heads), len(say)) - 1](connection)


def _serve(server: socket.socket, respond: Respond, recorded: Conversation | None, context: Context) -> None:
    with contextlib.suppress(OSError):
        while True:
            plain, _ = server.accept()
            plain.settimeout(5)
            with plain, contextlib.suppress(OSError), _secured(plain, context) as client:
                head = _head(client) if recorded else ""
                if recorded:
                    recorded.heads.append(head)
                respond(client, head)


def _secured(plain: socket.socket, context: Context) -> socket.socket:
    current = context() if callable(context) else context
    return current.wrap_socket(plain, server_side=True) if current else plain


def _head(client: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head and (part := client.recv(65_536)):
        head += part
    return head.decode("latin-1")
