"""Loopback servers for measurements: TLS servers in their own processes, and a CRL server that counts requests."""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

ADDRESSES: Final = 200  # 127.0.1.1 and up: the probe opens two connections at once to each
PROCESSES: Final = 2
THREADS: Final = 32  # in each process


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
    context = make_context()
    waiting = selectors.DefaultSelector()
    for listener in listening:
        listener.setblocking(False)
        waiting.register(listener, selectors.EVENT_READ)
    with ThreadPoolExecutor(THREADS) as pool:
        while True:
            for key, _ in waiting.select():
                try:
                    connected, _ = key.fileobj.accept()  # type: ignore[union-attr]  # sockets were registered
                except BlockingIOError:  # the other process was faster
                    continue
                if accepted:
                    accepted.add()
                pool.submit(_complete_handshake, context, connected, delay_s)


def _complete_handshake(context: ssl.SSLContext, connected: socket.socket, delay_s: float) -> None:
    time.sleep(delay_s)
    try:
        with context.wrap_socket(connected, server_side=True) as tls:
            tls.recv(1)
    except OSError:  # the client requested an old version, or has closed the connection
        connected.close()


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
