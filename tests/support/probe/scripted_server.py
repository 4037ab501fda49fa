"""A server on loopback that sends the bytes of a test and records the requests."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.x509.ca import Leaf, issue, new_root

Say = Callable[[socket.socket], None]


@dataclass(slots=True)
class Conversation:
    """The port of the server, and the heads of the requests in their order."""

    port: int
    heads: list[str] = field(default_factory=list)

    def url(self, path: str = "/ca.crt", host: str = "127.0.0.1") -> str:
        """Return the URL of a path on the server."""
        return f"http://{host}:{self.port}{path}"


def localhost_over_tls(folder: Path) -> tuple[str, ssl.SSLContext]:
    """Return a file with a root, and the context of a server `localhost` with a certificate of that root."""
    now = datetime.now(UTC).replace(microsecond=0)
    root = new_root("Root", now=now)
    identity = issue(Leaf("localhost", ("localhost",), now - timedelta(days=1)), root)
    key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(key + identity.certificate.public_bytes(Encoding.PEM))
    (folder / "root.pem").write_bytes(root.certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return str(folder / "root.pem"), context


def saying(*octets: bytes) -> Say:
    """Return a function that sends these bytes."""
    return lambda connection: connection.sendall(b"".join(octets))


def answering(content: bytes, *headers: str, status: str = "200 OK") -> Say:
    """Return a function that sends a response with that content."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *headers, "", ""]
    return saying("\r\n".join(lines).encode(), content)


def silent(connection: socket.socket) -> None:
    """Send nothing until the client leaves."""
    connection.settimeout(60)
    connection.recv(1)


@contextlib.contextmanager
def conversing(*say: Say, context: ssl.SSLContext | None = None) -> Iterator[Conversation]:
    """Serve each connection by the next function and all later ones by the last; over TLS if there is a context."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        conversation = Conversation(server.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(server, say, conversation, context))
        thread.start()
        try:
            yield conversation
        finally:
            server.shutdown(socket.SHUT_RDWR)  # ends the wait in accept
            thread.join()


def _serve(
    server: socket.socket, say: tuple[Say, ...], conversation: Conversation, context: ssl.SSLContext | None
) -> None:
    with contextlib.suppress(OSError):
        while True:
            plain, _ = server.accept()
            plain.settimeout(5)
            with plain, contextlib.suppress(OSError), _secured(plain, context) as client:
                conversation.heads.append(_head(client))
                say[min(len(conversation.heads), len(say)) - 1](client)


def _secured(plain: socket.socket, context: ssl.SSLContext | None) -> socket.socket:
    return context.wrap_socket(plain, server_side=True) if context else plain


def _head(client: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head and (part := client.recv(4096)):
        head += part
    return head.decode("latin-1")
