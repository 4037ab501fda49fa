"""CRLs for tests of path validation: each is current and valid by default, and each argument changes one thing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.x509.certificates import DAY, NOW
from tests.support.x509.paths import Digest, Key, Made, directory


@dataclass(frozen=True, slots=True)
class Entry:
    """One revoked certificate in a CRL."""

    number: int
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = ()
    at: datetime = NOW - 2 * DAY


def crl(
    issuer: Made,
    *entries: Entry | Made,
    extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
    this_update: datetime = NOW - DAY,
    life: timedelta = 7 * DAY,
    key: Key | None = None,
    omit: tuple[type[x509.ExtensionType], ...] = (),
    digest: Digest | None = None,
) -> bytes:
    """Return a CRL in DER: by default one in force, with the extensions that every CRL has."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.Name.from_rfc4514_string(issuer.subject))
        .last_update(this_update)
        .next_update(this_update + life)
    )
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.private_key.public_key())
    usual: tuple[tuple[x509.ExtensionType, bool], ...] = ((authority, False), (x509.CRLNumber(7), False))
    for extension, critical in (*(pair for pair in usual if not isinstance(pair[0], omit)), *extensions):
        builder = builder.add_extension(extension, critical)
    for entry in entries:
        builder = builder.add_revoked_certificate(_revoked(entry if isinstance(entry, Entry) else Entry(entry.number)))
    return builder.sign(key or issuer.private_key, digest or hashes.SHA256()).public_bytes(Encoding.DER)


def _revoked(entry: Entry) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(entry.number).revocation_date(entry.at)
    for extension, critical in entry.extensions:
        builder = builder.add_extension(extension, critical)
    return builder.build()


def issuing_point(*urls: str, **limits: object) -> tuple[x509.IssuingDistributionPoint, bool]:
    """Return the issuingDistributionPoint of a CRL, and that it is critical."""
    names = [x509.UniformResourceIdentifier(url) for url in urls] or None
    arguments: Any = {
        "full_name": names,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    } | limits
    return x509.IssuingDistributionPoint(**arguments), True


def pointing(
    *urls: str, issuer: str | None = None, reasons: Iterable[x509.ReasonFlags] = ()
) -> x509.CRLDistributionPoints:
    """Return the extension with one distribution point."""
    names = [x509.UniformResourceIdentifier(url) for url in urls] or None
    by = [directory(issuer)] if issuer else None
    return x509.CRLDistributionPoints([x509.DistributionPoint(names, None, frozenset(reasons) or None, by)])
