"""The lab's website: one folder for all names, from which the CA fetches proofs and clients missing certificates.

It knows files; it is as obedient as a static web server.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.lab.faults import LOCAL


class _Visit(SimpleHTTPRequestHandler):
    timeout = 10.0  # of one read; nobody occupies a thread for ever

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in socketserver
        """Be silent about clients that leave, and loud about everything else."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def website(docroot: Path) -> Iterator[int]:
    """Serve a folder over HTTP on loopback as long as the context lasts; gives the port."""
    docroot.mkdir(0o755)
    server = _Server((LOCAL, 0), functools.partial(_Visit, directory=str(docroot)))
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="website")
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
