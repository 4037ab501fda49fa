"""A fleet of loopback endpoints: each has a name, a certificate and a key of its own below one intermediate.

The intermediate and the root have a CRL each, which a run must fetch once. The certificates have no fault; those of
names that begin with `FAULTY` have expired.
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ExtendedKeyUsage

from bench.evidence import sources
from bench.servers import Counter, Publisher, serving
from tests.lab.revocation import Registry
from tests.support.x509.ca import SERVER_AUTH, Identity, Leaf, issue, new_intermediate, new_root

SOUND: Final = "www"
FAULTY: Final = "old"
DOMAIN: Final = "bench.example.com"
OF_LEAVES, OF_CAS = "/leaves.crl", "/cas.crl"


@dataclass(frozen=True, slots=True)
class Fleet:
    """The endpoints as they are served, and the directory with `root.pem` and `audit.toml`."""

    folder: Path
    places: Sequence[tuple[str, int]]
    publisher: Publisher
    accepted: Counter  # connections

    def url(self, number: int, kind: str = SOUND) -> str:
        """Return the URL of an endpoint, as `--audit-endpoints` reads it."""
        address, port = self.places[number % len(self.places)]
        return f"https://{kind}{number}.{DOMAIN}:{port}?address={address}"

    def target(self, number: int) -> str:
        """Return the same endpoint as `sslyze --targets_in` reads it."""
        address, port = self.places[number % len(self.places)]
        return f"{SOUND}{number}.{DOMAIN}:{port}{{{address}}}"


@contextmanager
def fleet(endpoints: int, faulty: int = 0, delay_s: float = 0.0) -> Iterator[Fleet]:
    """Serve this many sound endpoints, and this many with a certificate that has expired, while the block runs.

    Each handshake begins `delay_s` after its connection was accepted.
    """
    now = datetime.now(UTC)
    root = new_root("CN=Bench Root,O=Bench,C=CH", now=now)
    names = [f"{SOUND}{number}.{DOMAIN}" for number in range(endpoints)]
    names += [f"{FAULTY}{number}.{DOMAIN}" for number in range(faulty)]
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, publisher = Path(name), Publisher()
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "audit.toml").write_text("[fetch]\nallow_private = true\n")
        (folder / "root.pem").write_bytes(root.certificate.public_bytes(Encoding.PEM))
        extensions = (*sources(publisher.url(OF_CAS)), ExtendedKeyUsage([SERVER_AUTH]))  # BR 7.1.2.10.2
        issuer = new_intermediate("CN=Bench Issuing,O=Bench,C=CH", root, now=now, extra=extensions)
        context = _context({of: _loaded(_leaf(of, issuer, publisher, now), issuer, folder) for of in names})
        crls = {OF_LEAVES: Registry(issuer, now).crl(), OF_CAS: Registry(root, now).crl()}
        accepted = Counter()
        with serving(lambda: context, delay_s, accepted) as listening, publisher.publishing(crls):
            yield Fleet(folder, [listener.getsockname() for listener in listening], publisher, accepted)


def _leaf(name: str, issuer: Identity, publisher: Publisher, now: datetime) -> Identity:
    start = now - timedelta(days=200 if name.startswith(FAULTY) else 20)
    return issue(Leaf(f"CN={name}", (name,), start, extra=sources(publisher.url(OF_LEAVES))), issuer)


def _context(contexts: dict[str, ssl.SSLContext]) -> ssl.SSLContext:
    """Return a context that serves to each name its own; it is made before the processes of the servers start.

    Then all of them serve the same certificate of a name.
    """

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name in contexts:  # another program that probes the sockets of this machine sends no name
            connection.context = contexts[name]

    context = _new_context()
    context.sni_callback = choose
    return context


def _loaded(leaf: Identity, issuer: Identity, folder: Path) -> ssl.SSLContext:
    secret = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = b"".join(issued.certificate.public_bytes(Encoding.PEM) for issued in (leaf, issuer))
    context = _new_context()
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".pem") as file:
        file.write(secret + chain)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
