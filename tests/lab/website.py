"""The lab's website: one folder for all names, from which the CA fetches tokens and clients missing certificates."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from tests.lab.faults import LOCAL
from tests.lab.revocation import Responder

_LONGEST_QUESTION: Final = 10_000


class _Visit(SimpleHTTPRequestHandler):
    timeout = 10.0  # of one read; no client occupies a thread for ever

    def do_POST(self) -> None:
        """Give the answer of a responder to what was posted."""
        respond = self.server.responders.get(self.path) if isinstance(self.server, _Server) else None
        asked = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), _LONGEST_QUESTION))
        try:
            content = respond(asked) if respond else None
        except ValueError:
            content = None
        if content is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/ocsp-response")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class _Server(ThreadingHTTPServer):
    responders: Mapping[str, Responder] = MappingProxyType({})

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in socketserver
        """Be silent about clients that leave, and loud about everything else."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def website(docroot: Path, responders: Mapping[str, Responder] = MappingProxyType({})) -> Iterator[int]:
    """Serve a folder over HTTP on loopback as long as the context lasts, and OCSP at these paths; gives the port."""
    docroot.mkdir(0o755)
    server = _Server((LOCAL, 0), functools.partial(_Visit, directory=str(docroot)))
    server.responders = responders
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="website")
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
