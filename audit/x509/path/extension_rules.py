"""The rules for extensions of every certificate of a path: which may be critical, and that none is empty."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cryptography import x509

from audit.x509.certificate import Certificate
from audit.x509.der import elements, encode_oid
from audit.x509.loading import feature_number
from audit.x509.raw import TLS_FEATURE
from audit.x509.violation import PROFILE, Violation

NEVER_CRITICAL: Final[dict[type[x509.ExtensionType], str]] = {
    x509.AuthorityKeyIdentifier: "RFC 5280 4.2.1.1",
    x509.SubjectKeyIdentifier: "RFC 5280 4.2.1.2",
    x509.FreshestCRL: "RFC 5280 4.2.1.15",
    x509.AuthorityInformationAccess: "RFC 5280 4.2.2.1",
    x509.SubjectInformationAccess: "RFC 5280 4.2.2.2",
    x509.PrecertificateSignedCertificateTimestamps: "RFC 6962 3.3",
}
"""Extensions that must not be critical in any certificate."""

NEVER_CRITICAL_OF_SERVERS: Final[tuple[type[x509.ExtensionType], ...]] = (
    x509.ExtendedKeyUsage,
    x509.CertificatePolicies,
    x509.CRLDistributionPoints,
)
"""Extensions that must not be critical in the leaf of a server (BR 7.1.2.7.6)."""

PROCESSED: Final = (
    x509.BasicConstraints,
    x509.KeyUsage,
    x509.ExtendedKeyUsage,
    x509.SubjectAlternativeName,
    x509.NameConstraints,
    x509.CertificatePolicies,
    x509.PolicyConstraints,
    x509.InhibitAnyPolicy,
    x509.CRLDistributionPoints,
    x509.OCSPNoCheck,
    *NEVER_CRITICAL,
)
"""Extensions that are processed here and may thus be critical; the next are known by their OID alone."""

_FEATURE: Final = encode_oid(TLS_FEATURE)
_EMPTY: Final = b"\x30\x00"  # a SEQUENCE

PROCESSED_OIDS: Final = ("2.5.29.33",)  # policyMappings


def unread_violations(certificate: Certificate) -> Iterator[Violation]:
    """Yield which fields of a certificate cannot be read."""
    places = ("extensions", "public_key", "key_algorithm")
    for fault in filter(None, map(certificate.fault_of, places)):
        clause = "RFC 5280 4.2" if fault.place == "extensions" else "RFC 5280 4.1.2.7"
        yield Violation(clause, f"the {fault.place} cannot be read: {fault.reason}")


def extension_violations(certificate: Certificate) -> Iterator[Violation]:
    """Yield what is wrong with the extensions of a certificate at any place in a path."""
    yield from _critical(certificate)
    yield from _usage_bits(certificate)
    yield from _version(certificate)
    yield from _identifier(certificate)


def _critical(certificate: Certificate) -> Iterator[Violation]:
    for extension in (*certificate.extensions.values(), *certificate.unknown_extensions):
        oid = extension.oid.dotted_string
        if extension.critical and type(extension.value) not in PROCESSED and oid not in PROCESSED_OIDS:
            yield Violation("RFC 5280 4.2", f"the critical extension {oid} is not known")
    for kind, clause in NEVER_CRITICAL.items():
        if certificate.is_critical(kind):
            yield Violation(clause, f"{kind.__name__} is critical")
    access = certificate.extension(x509.AuthorityInformationAccess)
    if access is not None and not len(access):
        yield Violation("RFC 5280 4.2.2.1", "authorityInfoAccess is empty")


def _usage_bits(certificate: Certificate) -> Iterator[Violation]:
    usage = certificate.extension(x509.KeyUsage)
    if usage is not None and not _has_any(usage):
        yield Violation("RFC 5280 4.2.1.3", "no bit of keyUsage is set")
    usages = certificate.extension(x509.ExtendedKeyUsage)
    if usages is not None and not len(usages):
        yield Violation("RFC 5280 4.2.1.12", "extKeyUsage is empty")


def _version(certificate: Certificate) -> Iterator[Violation]:
    if (certificate.extensions or certificate.unknown_extensions) and certificate.version is not x509.Version.v3:
        yield Violation("RFC 5280 4.1.2.1", "it has extensions and is not of version 3")


def _identifier(certificate: Certificate) -> Iterator[Violation]:
    """Yield what an authorityKeyIdentifier must not hold (BR 7.1.2.1.3 and 7.1.2.11.1)."""
    identifier = certificate.extension(x509.AuthorityKeyIdentifier)
    if identifier is None:
        return
    clause = "BR 7.1.2.1.3" if certificate.is_self_issued else "BR 7.1.2.11.1"
    if identifier.authority_cert_issuer is not None:
        yield Violation(clause, "authorityKeyIdentifier holds authorityCertIssuer", PROFILE)
    if identifier.authority_cert_serial_number is not None:
        yield Violation(clause, "authorityKeyIdentifier holds authorityCertSerialNumber", PROFILE)


def feature_violations(certificate: Certificate, issuer: Certificate) -> Iterator[Violation]:
    """Yield a message if a certificate lacks TLS features of its issuer (RFC 7633 4.2.2)."""
    lacking = _features(issuer) - _features(certificate)
    if lacking:
        listed = ", ".join(map(str, sorted(lacking)))
        yield Violation("RFC 7633 4.2.2", f"the certificate below it lacks TLS features that it requires: {listed}")


def _features(certificate: Certificate) -> frozenset[int]:
    if _FEATURE not in certificate.der or certificate.lacks_extensions:
        return frozenset()
    value = certificate.raw.extension_value(TLS_FEATURE) or _EMPTY
    return frozenset(feature_number(feature.content) for feature in elements(elements(value)[0].content))


def _has_any(usage: x509.KeyUsage) -> bool:
    """Return whether any bit of a key usage is set."""
    return any(
        (
            usage.digital_signature,
            usage.content_commitment,
            usage.key_encipherment,
            usage.data_encipherment,
            usage.key_agreement,
            usage.key_cert_sign,
            usage.crl_sign,
        )
    )
