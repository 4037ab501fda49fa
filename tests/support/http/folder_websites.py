"""Websites that serve directories at several addresses and one port."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Websites:
    """The port, and of each request the address, the Host, the user agent and the status."""

    port: int
    requests: list[tuple[str, str, str, int]] = field(default_factory=list)


@contextmanager
def serving(folders: Mapping[str, Path]) -> Iterator[Websites]:
    """Serve a directory at each address until the context ends."""
    with ExitStack() as stack:
        requests: list[tuple[str, str, str, int]] = []

        class Handler(SimpleHTTPRequestHandler):
            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                del size
                address = str(self.connection.getsockname()[0])
                requests.append((address, self.headers["Host"], self.headers["User-Agent"], int(code)))

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        for server in _bound(folders, Handler):
            stack.callback(server.server_close)
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
        yield Websites(server.server_port, requests)


def _bound(folders: Mapping[str, Path], handler: type[SimpleHTTPRequestHandler]) -> list[ThreadingHTTPServer]:
    """Return servers at a port that is free at every address."""
    while True:
        port, servers = 0, []
        try:
            for address, folder in folders.items():
                servers.append(ThreadingHTTPServer((address, port), partial(handler, directory=str(folder))))
                port = servers[-1].server_port
        except OSError:  # in use at one of the addresses: try another port
            for server in servers:
                server.server_close()
        else:
            return servers
