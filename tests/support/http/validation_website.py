"""A website that serves validation files at a free port of loopback."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from remediate.issuers import OrderRequest
from tests.support.store.validator import Challenge


@dataclass(slots=True)
class Website:
    """The files by path, the redirects, and of each request the source address, Host and user agent."""

    port: int
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)

    def publish(self, order: OrderRequest) -> str:
        """Serve the file that proves control for an order; return its path."""
        challenge = challenge_of(order)
        self.files[challenge.path] = challenge.body.encode("ascii") + b"\n"
        return challenge.path


def challenge_of(order: OrderRequest) -> Challenge:
    """Return the challenge that a validator looks for."""
    der = x509.load_pem_x509_csr(order.csr.pem.encode("ascii")).public_bytes(Encoding.DER)
    return Challenge(der, order.csr.sha256[:20])


@contextlib.contextmanager
def serving_website() -> Iterator[Website]:
    """Serve a website on loopback until the context ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            agent = (self.client_address[0], self.headers["Host"], self.headers["User-Agent"])
            website.requests.append(agent)
            body = website.files.get(self.path)
            self.send_response(302 if self.path in website.redirects else 404 if body is None else 200)
            if self.path in website.redirects:
                self.send_header("Location", website.redirects[self.path])
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    website = Website(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield website
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
