"""Loopback servers for measurements: TLS servers in their own processes, and a CRL server that counts requests."""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

ADDRESSES: Final = 200  # 127.0.1.1 and up: the probe opens two connections at once to each
PROCESSES: Final = 2
THREADS: Final = 32  # in each process


@contextmanager
def serving(make_context: Callable[[], ssl.SSLContext]) -> Iterator[list[socket.socket]]:
    """Serve at every address while the block runs, with a context made in each process; yield the sockets."""
    listening = [socket.create_server((f"127.0.1.{1 + number}", 0), backlog=64) for number in range(ADDRESSES)]
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=_serve, args=(listening, make_context), daemon=True) for _ in range(PROCESSES)]
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


def _serve(listening: list[socket.socket], make_context: Callable[[], ssl.SSLContext]) -> None:
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
                pool.submit(_complete_handshake, context, connected)


def _complete_handshake(context: ssl.SSLContext, connected: socket.socket) -> None:
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
