"""The panel's provider of certificates as a process on a host: the strict Store over HTTPS, and over HTTP its CRL.

`python -m tests.support.cpanel.provider FOLDER ADDRESS SOURCES NAME=ADDRESS` serves with the CA that is in the folder.
At `/licensed` it signs the request of the panel's own program, which alone can place these orders.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from tests.lab.revocation import Registry
from tests.support.store.issuance import Authority, Commission, deliver, to_pem
from tests.support.store.server import Store, serving
from tests.support.x509.ca import Identity

CRL: Final = "/provider.crl"
LICENSED: Final = "/licensed"
_LIFETIME: Final = timedelta(days=90)


def deposit(authority: Authority) -> Mapping[str, str]:
    """Return the files of a CA, by name."""
    return {
        f"{name}.pem": _key(one) + to_pem(one.certificate)
        for name, one in (("root", authority.root), ("intermediate", authority.intermediate))
    }


def withdraw(folder: Path, crl: str) -> Authority:
    """Return the CA that is in a folder."""
    return Authority(_identity(folder / "root.pem"), _identity(folder / "intermediate.pem"), crl)


def _key(identity: Identity) -> str:
    return identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _identity(file: Path) -> Identity:
    pem = file.read_bytes()
    key = load_pem_private_key(pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Identity(key, x509.load_pem_x509_certificate(pem))


class _Desk(BaseHTTPRequestHandler):
    """One request over HTTP."""

    server: _Front

    def do_GET(self) -> None:
        known = self.path == CRL
        self._send(200 if known else 404, self.server.registry.crl() if known else b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        known = self.path == LICENSED
        self._send(200 if known else 404, self.server.certify(body) if known else b"")

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in http.server
        """Print nothing."""


class _Front(ThreadingHTTPServer):
    """What is served over HTTP."""

    def __init__(self, address: str, authority: Authority) -> None:
        self.registry = Registry(authority.intermediate, datetime.now(UTC).replace(microsecond=0))
        self._authority = authority
        super().__init__((address, 80), _Desk)

    def certify(self, csr: bytes) -> bytes:
        """Return the certificate for a request, and what is above it."""
        asked = x509.load_pem_x509_csr(csr)
        names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        key = asked.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        now = datetime.now(UTC).replace(microsecond=0)
        made = deliver(self._authority, Commission(key, tuple(names.get_values_for_type(x509.DNSName)), now, _LIFETIME))
        return (made.certificate + (made.bundle or "")).encode()


@contextmanager
def _fronting(address: str, authority: Authority) -> Iterator[_Front]:
    front = _Front(address, authority)
    thread = threading.Thread(target=front.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield front
    finally:
        front.shutdown()
        thread.join()
        front.server_close()


def _words(store: Store, front: _Front, sources: list[str]) -> Mapping[str, Callable[[str], object]]:
    """Return what may be asked on standard input: a misbehaviour, other sources, a revocation."""

    def validate_from(text: str) -> None:
        sources[:] = text.split(",")

    def misbehave(text: str) -> None:
        what, _, times = text.partition(" ")
        store.misbehave(what, times=int(times) if times else None)

    return {
        "behave": lambda _: store.behave(),
        "misbehave": misbehave,
        "from": validate_from,
        "revoke": lambda text: front.registry.revoked.update({int(text): x509.ReasonFlags.key_compromise}),
        "orders": lambda _: store.orders(),
    }


def main(folder: str, address: str, sources: str, place: str) -> None:
    """Serve until the input ends; a line of it is a word with what belongs to it."""
    name, _, at = place.partition("=")
    authority, looked_from = withdraw(Path(folder), f"http://{address}{CRL}"), sources.split(",")

    def resolve(asked: str) -> list[tuple[str, int]]:
        return [(at, 80)] if asked == name else []

    with (
        _fronting(address, authority) as front,
        serving(
            Path(folder), resolve, is_https=True, authority=authority, sources=looked_from, address=address
        ) as store,
    ):
        words = _words(store, front, looked_from)
        _say({"base_url": store.base_url, "token": store.token})
        for line in sys.stdin:
            word, _, rest = line.strip().partition(" ")
            _say(words[word](rest))


def _say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
