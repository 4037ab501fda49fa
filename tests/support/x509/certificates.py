"""Certificates for tests in one line: a draft is a good leaf, and each method changes one thing."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

MlDsaKey = mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | MlDsaKey

NOW: Final = datetime(2026, 11, 23, 10, tzinfo=UTC)
DAY: Final = timedelta(days=1)
SERVER: Final = (ExtendedKeyUsageOID.SERVER_AUTH,)


@cache
def key_named(label: str) -> ec.EllipticCurvePrivateKey:  # noqa: ARG001 - the key of the cache
    """Return the P-256 key of a label, always the same."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def rsa_key(bits: int, exponent: int = 65537) -> rsa.RSAPrivateKey:
    """Return the RSA key of that size."""
    return rsa.generate_private_key(exponent, bits)


@cache
def ml_dsa_key(number: int) -> MlDsaKey:
    """Return the ML-DSA key of that parameter set."""
    if number == 44:
        return mldsa.MLDSA44PrivateKey.generate()
    return mldsa.MLDSA65PrivateKey.generate() if number == 65 else mldsa.MLDSA87PrivateKey.generate()


@dataclass(frozen=True, slots=True)
class Draft:
    """The contents of a certificate: by default issued 20 days ago for 90. Without an `issuer` it is self-signed."""

    subject: str = "CN=www.example.com"
    names: tuple[str, ...] = ("www.example.com",)
    start: datetime = NOW - 20 * DAY
    life: timedelta = 90 * DAY
    usages: tuple[x509.ObjectIdentifier, ...] | None = SERVER
    key: PrivateKey | None = None
    issuer: Draft | None = None
    is_ca: bool = False
    has_key_ids: bool = True
    extra: tuple[x509.ExtensionType, ...] = ()
    serial: int | None = None  # by default a random one

    def by(self, issuer: Draft) -> Draft:
        """Return it issued by a CA."""
        return replace(self, issuer=issuer)

    def named(self, *names: str) -> Draft:
        """Return it with these names, which may be addresses; without names it has no SAN."""
        return replace(self, names=names)

    def lasting(self, life: timedelta) -> Draft:
        """Return it with this validity period, both ends included."""
        return replace(self, life=life)

    def starting(self, start: datetime) -> Draft:
        """Return it with this notBefore."""
        return replace(self, start=start)

    def ending(self, end: datetime) -> Draft:
        """Return it with this notAfter and the same notBefore."""
        return replace(self, life=end - self.start + timedelta(seconds=1))

    def used_for(self, *usages: x509.ObjectIdentifier) -> Draft:
        """Return it with these extended key usages; without any it has no such extension."""
        return replace(self, usages=usages or None)

    def with_key(self, key: PrivateKey) -> Draft:
        """Return it with another key."""
        return replace(self, key=key)

    def without_key_ids(self) -> Draft:
        """Return it without both key identifiers."""
        return replace(self, has_key_ids=False)

    @property
    def private_key(self) -> PrivateKey:
        """The key it was given, else the one of its subject."""
        return self.key or key_named(self.subject)

    @property
    def der(self) -> bytes:
        """The certificate, always the same for the same draft."""
        return _signed(self).public_bytes(Encoding.DER)


def leaf(name: str = "www.example.com") -> Draft:
    """Return the draft of a good leaf for that name."""
    return Draft(f"CN={name}", (name,))


def ca(subject: str, issuer: Draft | None = None) -> Draft:
    """Return the draft of a CA of ten years, by default a root."""
    return Draft(subject, (), NOW - 365 * DAY, 3650 * DAY, None, issuer=issuer, is_ca=True)


@cache
def _signed(draft: Draft) -> x509.Certificate:
    issuer = draft.issuer or draft
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string(draft.subject))
        .issuer_name(x509.Name.from_rfc4514_string(issuer.subject))
        .public_key(draft.private_key.public_key())
        .serial_number(draft.serial or x509.random_serial_number())
        .not_valid_before(draft.start)
        .not_valid_after(draft.start + draft.life - timedelta(seconds=1))
    )
    for extension in _extensions(draft, issuer):
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    key = issuer.private_key
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey | MlDsaKey) else hashes.SHA256())


def _extensions(draft: Draft, issuer: Draft) -> list[x509.ExtensionType]:
    extensions: list[x509.ExtensionType] = [x509.BasicConstraints(ca=draft.is_ca, path_length=None), *draft.extra]
    if draft.usages is not None:
        extensions.append(x509.ExtendedKeyUsage(draft.usages))
    if draft.names:
        extensions.append(x509.SubjectAlternativeName([_general_name(name) for name in draft.names]))
    if draft.has_key_ids:
        extensions.append(x509.SubjectKeyIdentifier.from_public_key(draft.private_key.public_key()))
        extensions.append(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.private_key.public_key()))
    return extensions


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
