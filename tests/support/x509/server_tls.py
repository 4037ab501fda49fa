"""The TLS of a server on loopback, by a CA of its own."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.x509.ca import Leaf, issue, new_intermediate, new_root


@dataclass(frozen=True, slots=True)
class ServerTls:
    """The context of a server, and the file of the trust anchor of its certificate."""

    context: ssl.SSLContext
    ca_file: str


def server_tls(folder: Path, *names: str) -> ServerTls:
    """Return the TLS of a server with these names; its files are written into the folder."""
    now = datetime.now(UTC)
    root = new_root("Root", now=now)
    intermediate = new_intermediate("Intermediate", root, now=now)
    leaf = issue(Leaf(names[0], names, now - timedelta(days=1)), intermediate)
    chain = b"".join(identity.certificate.public_bytes(Encoding.PEM) for identity in (leaf, intermediate))
    key = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(key + chain)
    (folder / "root.pem").write_bytes(root.certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return ServerTls(context, str(folder / "root.pem"))
