"""Loopback servers for measurements: TLS servers in their own processes, and a CRL server that counts requests."""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

ADDRESSES: Final = 200  # 127.0.1.1 and up: the probe opens two connections at once to each
PROCESSES: Final = 2


class Counter:
    """Counts in several processes."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._value = multiprocessing.get_context("fork").Value("q")

    def add(self) -> None:
        """Count one more."""
        with self._value.get_lock():
            self._value.value += 1

    @property
    def count(self) -> int:
        """The number so far."""
        count: int = self._value.value
        return count


@contextmanager
def serving(
    make_context: Callable[[], ssl.SSLContext], delay_s: float = 0.0, accepted: Counter | None = None
) -> Iterator[list[socket.socket]]:
    """Serve at every address while the block runs, with a context made in each process; yield the sockets.

    Each handshake begins `delay_s` after its connection was accepted. `accepted` counts the connections.
    """
    listening = [socket.create_server((f"127.0.1.{1 + number}", 0), backlog=64) for number in range(ADDRESSES)]
    fork = multiprocessing.get_context("fork")
    processes = [
        fork.Process(target=_serve, args=(listening, make_context, delay_s, accepted), daemon=True)
        for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    try:
        yield listening
    finally:
        for process in processes:
            process.terminate()
            process.join()
        for listener in listening:
            listener.close()


def _serve(
    listening: list[socket.socket], make_context: Callable[[], ssl.SSLContext], delay_s: float, accepted: Counter | None
) -> None:
    server = _Server(make_context(), delay_s, accepted)
    for listener in listening:
        listener.setblocking(False)
        server.watch(listener, server.accept)
    server.run()


class _Server:
    """Completes handshakes in one thread: threads would take twice the CPU time, which the measured programs need."""

    def __init__(self, context: ssl.SSLContext, delay_s: float, accepted: Counter | None) -> None:
        self._context, self._delay_s, self._accepted = context, delay_s, accepted
        self._selector = selectors.DefaultSelector()
        self._delayed = deque[tuple[float, ssl.SSLSocket]]()  # when the handshake of a connection begins

    def watch(self, sock: socket.socket, ready: Callable[[Any], None]) -> None:
        self._selector.register(sock, selectors.EVENT_READ, ready)

    def run(self) -> None:
        while True:
            for key, _ in self._selector.select(self._wait_s()):
                key.data(key.fileobj)
            while self._delayed and self._delayed[0][0] <= time.monotonic():
                self._begin(self._delayed.popleft()[1])

    def accept(self, listener: socket.socket) -> None:
        try:
            connected, _ = listener.accept()
        except BlockingIOError:  # the other process was faster
            return
        if self._accepted:
            self._accepted.add()
        connected.setblocking(False)
        tls = self._context.wrap_socket(connected, server_side=True, do_handshake_on_connect=False)
        if self._delay_s:
            self._delayed.append((time.monotonic() + self._delay_s, tls))
        else:
            self._begin(tls)

    def _begin(self, tls: ssl.SSLSocket) -> None:
        self.watch(tls, self._advance)

    def _advance(self, tls: ssl.SSLSocket) -> None:
        """Go on with a handshake, and wait for the end of the connection when it is complete."""
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        except OSError:  # the client requested an old version, or has closed the connection
            self._close(tls)
        else:
            self._selector.modify(tls, selectors.EVENT_READ, self._close)

    def _close(self, tls: ssl.SSLSocket) -> None:
        self._selector.unregister(tls)
        tls.close()

    def _wait_s(self) -> float | None:
        return max(0.0, self._delayed[0][0] - time.monotonic()) if self._delayed else None


class Publisher(ThreadingHTTPServer):
    """Publishes CRLs; `fetched` counts the requests."""

    def __init__(self) -> None:
        """Listen; there is no content to publish yet."""
        super().__init__(("127.0.0.1", 0), _Request)
        self.contents: Mapping[str, bytes] = {}
        self.fetched = 0

    def url(self, path: str) -> str:
        """Return the URL of a CRL."""
        return f"http://127.0.0.1:{self.server_port}{path}"

    @contextmanager
    def publishing(self, contents: Mapping[str, bytes]) -> Iterator[None]:
        """Publish the contents of these paths while the block runs."""
        self.contents = contents
        thread = threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class _Request(BaseHTTPRequestHandler):
    server: Publisher

    def do_GET(self) -> None:
        self.server.fetched += 1
        content = self.server.contents[self.path]
        self.send_response(200)
        self.send_header("Content-Type", "application/pkix-crl")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Print nothing."""
