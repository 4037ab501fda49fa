"""A key with its certificates in files of this machine, and what an inspection prints of them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from audit.host.login import Bounds, Host, hosts_of
from audit.observation import ProbeFailure

KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(name: str = "www.example.com") -> bytes:
    """Return a self-signed certificate for the key, as PEM."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.now(UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder(subject, subject, KEY.public_key(), 1234567, start, start + timedelta(days=30))
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def key_pem(encryption: serialization.KeySerializationEncryption | None = None) -> bytes:
    """Return the key as PEM."""
    return KEY.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        encryption or serialization.NoEncryption(),
    )


def local() -> Host:
    """Return this machine."""
    found = hosts_of("local://", {}, Bounds(20.0))
    assert not isinstance(found, ProbeFailure)
    return found[0]


def assert_no_key(output: bytes) -> None:
    """Assert that neither a line of the key's PEM nor a part of its number left the host."""
    number = KEY.private_numbers().private_value.to_bytes(32, "big")
    body = [line for line in key_pem().splitlines() if b"-----" not in line]
    assert output
    assert b"PRIVATE KEY" not in output
    for secret in (*body, number, number.hex().encode(), base64.b64encode(number)):
        assert secret not in output
