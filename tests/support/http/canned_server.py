"""A server that gives one answer to everything, and a proxy that counts what goes through it.

They know sockets and as much of HTTP as it takes to be asked.
"""

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
    """Who was listened to: the heads of all requests."""

    port: int
    heads: list[bytes] = field(default_factory=list)


@contextlib.contextmanager
def listening(hold: Hold) -> Iterator[Listener]:
    """Hold a conversation with everyone who connects, one after the other, once they have sent a head."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = Listener(server.getsockname()[1])
        thread = threading.Thread(target=_accept, args=(server, hold, listener))
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept
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
    """Return what gives this answer."""
    content = body.encode() if isinstance(body, str) else body
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *fields)) + "\r\n\r\n"
    return lambda client, _: client.sendall(head.encode() + content)


def tunnel(client: socket.socket, head: bytes) -> None:
    """Be a proxy: connect to wherever it is asked to (RFC 9110 9.3.6), and pass on what comes."""
    host, _, port = head.split()[1].decode().rpartition(":")
    with socket.create_connection((host, int(port))) as server:
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        while True:
            for one in select.select([client, server], [], [])[0]:
                if not (part := one.recv(65_536)):
                    return
                (server if one is client else client).sendall(part)
