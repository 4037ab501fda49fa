"""The rules for a certificate by its place in a path: leaf, intermediate or anchor. A table of rules, a function each.

They are those of RFC 5280 and, for clients of the web, of the Baseline Requirements (BR). Rules about time, about the
name that is looked for and about two certificates of a path are elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from audit.x509.algorithms import is_signed_by, key_violations, signature_violations
from audit.x509.certificate import Certificate
from audit.x509.der import elements
from audit.x509.fields import USAGES
from audit.x509.path.extension_rules import NEVER_CRITICAL_OF_SERVERS, extension_violations, unread_violations
from audit.x509.path.name_constraints import own_violations
from audit.x509.path.policies import own_policy_violations
from audit.x509.path.subject_names import name_violations
from audit.x509.raw import BASIC_CONSTRAINTS
from audit.x509.violation import PROFILE, Violation

ANY_USAGE: Final = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE.dotted_string
SERVER_AUTH: Final = ExtendedKeyUsageOID.SERVER_AUTH.dotted_string
_NOT_OF_SERVERS: Final = ("codeSigning", "emailProtection", "timeStamping", "OCSPSigning", "anyExtendedKeyUsage")
_MAX_SERIAL: Final = 1 << 159  # 20 octets, the first bit of which is the sign
_EMPTY: Final = b"\x30\x00"  # a SEQUENCE
_USUAL_CONSTRAINTS: Final = tuple(bytes.fromhex(f"0603551d13{flag}04023000") for flag in ("", "0101ff"))
"""The encodings of empty basicConstraints, critical or not: they are quick to find."""
_INTEGER: Final = 0x02

_Rule = Callable[[Certificate], Iterator[Violation]]


@lru_cache(maxsize=2048)
def leaf_violations(leaf: Certificate, purpose: str, *, for_name: bool) -> tuple[Violation, ...]:
    """Return what is wrong with a leaf for a purpose, the OID of an extended key usage.

    `for_name`: a name is looked for in it, so that it has to present names as servers do.
    """
    if leaf.lacks_extensions:
        return tuple(_found(leaf, unread_violations, *_PLAIN, *_ISSUED))
    violations = list(_found(leaf, *_EVERY, *_PLAIN, *_ISSUED, *_LEAF))
    violations += _usage_violations(leaf, purpose)
    if purpose == SERVER_AUTH:
        violations += _found(leaf, *_SERVER)
        if for_name:
            violations += name_violations(leaf)
    return tuple(violations)


@lru_cache(maxsize=2048)
def intermediate_violations(ca: Certificate, purpose: str) -> tuple[Violation, ...]:
    """Return what is wrong with an intermediate CA's certificate for a purpose."""
    if ca.lacks_extensions:
        return tuple(_found(ca, unread_violations, *_PLAIN, *_ISSUED))
    violations = list(_found(ca, *_EVERY, *_PLAIN, *_ISSUED, *_CA))
    violations += _usage_violations(ca, purpose)
    return tuple(violations)


@lru_cache(maxsize=2048)
def anchor_violations(anchor: Certificate, purpose: str) -> tuple[Violation, ...]:
    """Return what is wrong with the certificate of a trust anchor, which may be an intermediate's, for a purpose.

    Of one of version 1, which has no extensions, only the name and the key count (RFC 5280 6.1.1 d).
    """
    if anchor.lacks_extensions:
        return tuple(_found(anchor, unread_violations, *_PLAIN))
    if anchor.version is x509.Version.v1 and not anchor.extensions and not anchor.unknown_extensions:
        old = Violation("RFC 5280 4.1.2.1", "it is not of version 3", PROFILE)
        return (*_found(anchor, unread_violations, *_PLAIN), old)
    violations = list(_found(anchor, *_EVERY, *_PLAIN, *_CA))
    violations += _usage_violations(anchor, purpose)
    if anchor.is_self_issued:
        violations += _root(anchor)
    return tuple(violations)


def _found(certificate: Certificate, *rules: _Rule) -> Iterator[Violation]:
    return (violation for rule in rules for violation in rule(certificate))


def _issuer(certificate: Certificate) -> Iterator[Violation]:
    if not certificate.canonical_issuer:
        yield Violation("RFC 5280 4.1.2.4", "the issuer is empty")


def _times(certificate: Certificate) -> Iterator[Violation]:
    """Yield the dates through 2049 that are not of type UTCTime, and the later ones that are not of GeneralizedTime."""
    for element, time in zip(
        elements(certificate.raw.validity), (certificate.not_before, certificate.not_after), strict=False
    ):
        if (element.tag == 0x17) != (time.year < 2050):
            yield Violation("RFC 5280 4.1.2.5", f"the time {time:%Y-%m-%d} has the type of another century", PROFILE)


def _serial(certificate: Certificate) -> Iterator[Violation]:
    if certificate.serial_number <= 0:
        yield Violation("RFC 5280 4.1.2.2", "the serial number is not positive")
    if certificate.serial_number >= _MAX_SERIAL:
        yield Violation("RFC 5280 4.1.2.2", "the serial number is longer than 20 octets")


def _unique_identifiers(certificate: Certificate) -> Iterator[Violation]:
    if certificate.raw.has_unique_id:
        yield Violation("RFC 5280 4.1.2.8", "it holds a unique identifier", PROFILE)


def _has_path_length(leaf: Certificate) -> bool:
    if any(usual in leaf.der for usual in _USUAL_CONSTRAINTS):
        return False
    parts = elements(leaf.raw.extension_value(BASIC_CONSTRAINTS) or _EMPTY)
    return any(part.tag == _INTEGER for part in elements(parts[0].content))


def _has_issuer_key_id(certificate: Certificate) -> Iterator[Violation]:
    is_self_signed = certificate.is_self_issued and is_signed_by(certificate, certificate) is not False
    if certificate.authority_key_id is None and not is_self_signed:
        yield Violation("RFC 5280 4.2.1.1", "it has no authorityKeyIdentifier with a key identifier", PROFILE)


def _is_end_entity(leaf: Certificate) -> Iterator[Violation]:
    constraints, usage = leaf.extension(x509.BasicConstraints), leaf.extension(x509.KeyUsage)
    if leaf.version is not x509.Version.v3:
        yield Violation("RFC 5280 4.1.2.1", "it is not of version 3", PROFILE)
    if constraints is not None and constraints.ca:
        yield Violation("BR 7.1.2.7.8", "it is a CA's", PROFILE)
    if constraints is not None and not constraints.ca and _has_path_length(leaf):
        yield Violation("RFC 5280 4.2.1.9", "it is not a CA's and has a path length", PROFILE)
    if usage is not None and usage.key_cert_sign:
        yield Violation("BR 7.1.2.7.11", "keyUsage includes keyCertSign", PROFILE)
    if leaf.extension(x509.NameConstraints) is not None:
        yield Violation("RFC 5280 4.2.1.10", "it is not a CA's and has name constraints")


def _subject(leaf: Certificate) -> Iterator[Violation]:
    if leaf.canonical_subject:
        return
    if leaf.extension(x509.SubjectAlternativeName) is None:
        yield Violation("RFC 5280 4.1.2.6", "it names no subject")
    elif not leaf.is_critical(x509.SubjectAlternativeName):
        yield Violation("RFC 5280 4.2.1.6", "the subject is empty, and subjectAltName is not critical", PROFILE)


def _alternative(leaf: Certificate) -> Iterator[Violation]:
    alternative = leaf.extension(x509.SubjectAlternativeName)
    if alternative is not None and not len(alternative):
        yield Violation("RFC 5280 4.2.1.6", "subjectAltName is empty")


def _server(leaf: Certificate) -> Iterator[Violation]:
    for kind in NEVER_CRITICAL_OF_SERVERS:
        if leaf.is_critical(kind):
            yield Violation("BR 7.1.2.7.6", f"{kind.__name__} is critical", PROFILE)
    if leaf.canonical_subject and leaf.is_critical(x509.SubjectAlternativeName):
        yield Violation("BR 7.1.2.7.12", "subjectAltName is critical although there is a subject", PROFILE)
    usages = _usages(leaf)
    if usages is None:
        yield Violation("BR 7.1.2.7.6", "it has no extKeyUsage", PROFILE)
    for usage in usages or ():
        if USAGES.get(usage) in _NOT_OF_SERVERS:
            yield Violation("BR 7.1.2.7.10", f"its extended key usages hold {USAGES[usage]}", PROFILE)


def _server_key_usage(leaf: Certificate) -> Iterator[Violation]:
    usage = leaf.extension(x509.KeyUsage)
    if usage is None:
        return
    if usage.crl_sign:
        yield Violation("BR 7.1.2.7.11", "keyUsage includes cRLSign", PROFILE)
    if leaf.has_readable("key") and leaf.key.kind == "EC" and not usage.digital_signature:
        yield Violation("BR 7.1.2.7.11", "keyUsage of its EC key does not include digitalSignature", PROFILE)
    elif not (usage.digital_signature or usage.key_encipherment or usage.key_agreement):
        yield Violation("RFC 5280 4.2.1.12", "keyUsage allows nothing that a server does")


def _usage_violations(certificate: Certificate, purpose: str) -> Iterator[Violation]:
    usages = _usages(certificate)
    if usages is not None and not {purpose, ANY_USAGE} & set(usages):
        yield Violation("RFC 5280 4.2.1.12", f"its extended key usages do not include {USAGES.get(purpose, purpose)}")


def _is_authority(ca: Certificate) -> Iterator[Violation]:
    constraints, usage = ca.extension(x509.BasicConstraints), ca.extension(x509.KeyUsage)
    if constraints is None or not constraints.ca:
        yield Violation("RFC 5280 4.2.1.9", "its basicConstraints do not say that it is a CA's")
    elif not ca.is_critical(x509.BasicConstraints):
        yield Violation("RFC 5280 4.2.1.9", "its basicConstraints are not critical", PROFILE)
    if usage is not None and not usage.key_cert_sign:
        yield Violation("RFC 5280 4.2.1.3", "its keyUsage does not include keyCertSign")
    if not ca.canonical_subject:
        yield Violation("RFC 5280 4.1.2.6", "it is a CA's and has no subject")


def _issuing(ca: Certificate) -> Iterator[Violation]:
    if ca.extension(x509.KeyUsage) is None:
        yield Violation("RFC 5280 4.2.1.3", "it is a CA's and has no keyUsage", PROFILE)
    if ca.subject_key_id is None:
        yield Violation("RFC 5280 4.2.1.2", "it is a CA's and has no subjectKeyIdentifier", PROFILE)


def _root(anchor: Certificate) -> Iterator[Violation]:
    if anchor.extension(x509.ExtendedKeyUsage) is not None:
        yield Violation("BR 7.1.2.1.2", "it is a root's and has extKeyUsage", PROFILE)
    if anchor.authority_key_id is not None and anchor.authority_key_id != anchor.subject_key_id:
        yield Violation("BR 7.1.2.1.3", "its authorityKeyIdentifier is not its subjectKeyIdentifier", PROFILE)


def _usages(certificate: Certificate) -> tuple[str, ...] | None:
    usages = certificate.extension(x509.ExtendedKeyUsage)
    return None if usages is None else tuple(usage.dotted_string for usage in usages)


_EVERY: Final[tuple[_Rule, ...]] = (unread_violations, extension_violations)
_PLAIN: Final[tuple[_Rule, ...]] = (_issuer, key_violations)
_ISSUED: Final[tuple[_Rule, ...]] = (_times, _serial, _unique_identifiers, signature_violations)
_LEAF: Final[tuple[_Rule, ...]] = (_is_end_entity, _has_issuer_key_id, _subject, _alternative, own_policy_violations)
_SERVER: Final[tuple[_Rule, ...]] = (_server, _server_key_usage)
_CA: Final[tuple[_Rule, ...]] = (_is_authority, _issuing, _has_issuer_key_id, own_violations, own_policy_violations)
