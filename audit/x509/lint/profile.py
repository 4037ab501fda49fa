"""Rules for the profile of a certificate, from the Baseline Requirements (7.1.2) and RFC 5280."""

from __future__ import annotations

import ipaddress
from typing import Final

from audit.x509.algorithms import ADMITTED
from audit.x509.lint import LintRule, day, is_signed_by_itself
from audit.x509.lint.authority import AUTHORITY_RULES
from audit.x509.lint.extensions import EXTENSION_RULES
from audit.x509.lint.subject import SUBJECT_RULES
from audit.x509.raw import ACCESS, AUTHORITY_KEY, CRL_SIGN, EKU, KEY_CERT_SIGN, POLICIES, SAN, RawCertificate

RFC2459: Final = day(1999, 1, 1)
BR: Final = day(2012, 7, 1)
COPIED: Final = day(2021, 8, 25)  # ballot SC47v2

_PSS: Final = "1.2.840.113549.1.1.10"

SEQUENCES: Final = {
    "2.5.29.9": "subjectDirectoryAttributes",
    SAN: "subjectAltName",
    "2.5.29.18": "issuerAltName",
    "2.5.29.31": "cRLDistributionPoints",
    POLICIES: "certificatePolicies",
    "2.5.29.33": "policyMappings",
    EKU: "extKeyUsage",
    "2.5.29.46": "freshestCRL",
    ACCESS: "authorityInfoAccess",
    "1.3.6.1.5.5.7.1.11": "subjectInfoAccess",
}
"""Extensions that are a SEQUENCE SIZE (1..MAX) in RFC 5280's ASN.1, by OID."""


def common_name_outside_san(raw: RawCertificate) -> str | None:
    """Require every common name to be one of the presented identifiers."""
    presented = {name.lower() for name in raw.dns_names}
    addresses = set(raw.addresses)
    for name in filter(None, raw.common_names):
        if name.lower() not in presented and _address(name) not in addresses:
            return f"the common name {name!r} is not in the subject alternative name"
    return None


def common_name_not_copied(raw: RawCertificate) -> str | None:
    """Require every common name to be an exact copy of a dNSName, or an address as RFC 5952 writes it."""
    presented = {*raw.dns_names, *map(str, raw.addresses)}
    other = next((name for name in filter(None, raw.common_names) if name not in presented), None)
    return (
        None if other is None else f"the common name {other!r} is not a copy of a name in the subject alternative name"
    )


def serial_too_long(raw: RawCertificate) -> str | None:
    """Require a serial number of at most twenty octets, the one of its sign among them."""
    size = len(raw.serial)
    return f"the serial number has {size} octets; at most 20 are allowed" if size > 20 else None


def serial_not_positive(raw: RawCertificate) -> str | None:
    """Require a positive serial number."""
    return f"the serial number {raw.serial_number} is not positive" if raw.serial_number <= 0 else None


def may_sign_certificates(raw: RawCertificate) -> str | None:
    """Forbid a server's key to sign certificates."""
    if raw.is_ca or KEY_CERT_SIGN not in (raw.key_usages or ()):
        return None
    return "its key usage has keyCertSign"


def may_sign_crls(raw: RawCertificate) -> str | None:
    """Forbid a server's key to sign CRLs."""
    if raw.is_ca or CRL_SIGN not in (raw.key_usages or ()):
        return None
    return "its key usage has cRLSign"


def is_a_ca(raw: RawCertificate) -> str | None:
    """Forbid a server to be a CA."""
    return "basicConstraints say that it is a CA's" if raw.is_ca else None


def without_policies(raw: RawCertificate) -> str | None:
    """Require certificatePolicies."""
    return _of_subscriber(raw, "it has no certificatePolicies", has=bool(raw.policies))


def without_access(raw: RawCertificate) -> str | None:
    """Require authorityInfoAccess."""
    return _of_subscriber(raw, "it has no authorityInfoAccess", has=ACCESS in raw.extensions)


def without_authority_key_id(raw: RawCertificate) -> str | None:
    """Require the key identifier of the issuer, except in a self-signed CA certificate."""
    if raw.authority_key_id is not None or (raw.is_ca and is_signed_by_itself(raw)):
        return None
    what = "without keyIdentifier" if AUTHORITY_KEY in raw.extensions else "is missing"
    return f"the authorityKeyIdentifier {what}"


def has_unique_id(raw: RawCertificate) -> str | None:
    """Forbid unique identifiers of issuer and subject."""
    return "it has a unique identifier of its issuer or subject" if raw.has_unique_id else None


def empty_sequence(raw: RawCertificate) -> str | None:
    """Require an extension that is a list to have at least one entry."""
    empty = [name for oid, name in SEQUENCES.items() if raw.holds_nothing(oid)]
    return f"the extension {', '.join(empty)} is empty" if empty else None


def repeated_extension(raw: RawCertificate) -> str | None:
    """Forbid extensions that occur twice."""
    return f"the extension {', '.join(raw.repeated)} is there more than once" if raw.repeated else None


def pss_parameters(raw: RawCertificate) -> str | None:
    """Require the parameters of RSASSA-PSS to be byte for byte one of the encodings that clients know."""
    if raw.algorithm_oid != _PSS or raw.outer_algorithm in ADMITTED:
        return None
    return "the parameters of RSASSA-PSS are not encoded as they must be"


def _of_subscriber(raw: RawCertificate, fault: str, *, has: bool) -> str | None:
    """Return the fault of the certificate of a subscriber."""
    return None if has or raw.is_ca else fault


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


_CHECK: Final = "cert.profile-br"
PROFILE_RULES: Final = (
    LintRule("common-name", _CHECK, "BR", "7.1.4.3", BR, common_name_outside_san, until=COPIED),
    LintRule("common-name-copy", _CHECK, "BR", "7.1.4.3", COPIED, common_name_not_copied),
    LintRule("serial-octets", _CHECK, "RFC 5280", "4.1.2.2", RFC2459, serial_too_long, of="any"),
    LintRule("serial-positive", _CHECK, "RFC 5280", "4.1.2.2", RFC2459, serial_not_positive, of="any"),
    LintRule("key-cert-sign", _CHECK, "BR", "7.1.2.7.11", BR, may_sign_certificates),
    LintRule("crl-sign", _CHECK, "BR", "7.1.2.7.11", BR, may_sign_crls),
    LintRule("ca", _CHECK, "BR", "7.1.2.7.8", BR, is_a_ca),
    LintRule("policies", _CHECK, "BR", "7.1.2.7.9", BR, without_policies),
    LintRule("access", _CHECK, "BR", "7.1.2.7.7", BR, without_access),
    LintRule("authority-key", _CHECK, "RFC 5280", "4.2.1.1", RFC2459, without_authority_key_id, of="any"),
    LintRule("unique-id", _CHECK, "RFC 5280", "4.1.2.8", RFC2459, has_unique_id, of="any"),
    LintRule("empty-sequence", _CHECK, "RFC 5280", "4.2.1", RFC2459, empty_sequence, of="any"),
    LintRule("pss", _CHECK, "BR", "7.1.3.2.1", day(2020, 1, 1), pss_parameters, of="any"),
    LintRule("repeated", _CHECK, "RFC 5280", "4.2", RFC2459, repeated_extension, of="any"),
    *SUBJECT_RULES,
    *EXTENSION_RULES,
    *AUTHORITY_RULES,
)
