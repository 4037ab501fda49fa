"""An HTTP server that sends the same response to every request, and a proxy that records the requests."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Hold = Callable[[socket.socket, bytes], None]


@dataclass(slots=True)
class Listener:
    """The port of the server and the heads of all requests."""

    port: int
    heads: list[bytes] = field(default_factory=list)


@contextlib.contextmanager
def listening(hold: Hold) -> Iterator[Listener]:
    """Serve each client by a function, one after another, once its head has arrived."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = Listener(server.getsockname()[1])
        thread = threading.Thread(target=_accept, args=(server, hold, listener))
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown(socket.SHUT_RDWR)  # ends the wait in accept
            thread.join()


def _accept(server: socket.socket, hold: Hold, listener: Listener) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = server.accept()
            with client, contextlib.suppress(OSError):
                client.settimeout(5)
                listener.heads.append(_head(client))
                hold(client, listener.heads[-1])


def _head(client: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and (part := client.recv(65_536)):
        head += part
    return head


def answering(body: bytes | str, status: str = "200 OK", *fields: str) -> Hold:
    """Return a function that sends this response."""
    content = body.encode() if isinstance(body, str) else body
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *fields)) + "\r\n\r\n"
    return lambda client, _: client.sendall(head.encode() + content)


def tunnel(client: socket.socket, head: bytes) -> None:
    """Act as a proxy: connect to the requested address (RFC 9110 9.3.6), and forward the data."""
    host, _, port = head.split()[1].decode().rpartition(":")
    with socket.create_connection((host, int(port))) as server:
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        while True:
            for sender in select.select([client, server], [], [])[0]:
                if not (part := sender.recv(65_536)):
                    return
                (server if sender is client else client).sendall(part)
