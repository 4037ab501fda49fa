"""A TLS server of a directory: each handshake reads the file `served`, and `beside` if it exists."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.http.scripted_server import conversing


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """Serve as long as the context lasts; yields the port."""
    with conversing(lambda tls: tls.recv(1), context=lambda: _context(folder), speaks_first=True) as server:
        yield server.port


def _context(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for served in (folder / "served", *folder.glob("beside")):
        context.load_cert_chain(served)
    return context


def served_at(port: int) -> str:
    """Return the leaf that is served at a port of this machine, as PEM."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as tls:
        return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True) or b"")
