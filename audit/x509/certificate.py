"""A certificate as facts, each of which can be asked for; what cannot be read is inconclusive when it is asked for.

It knows no chain, no trust, no clock and no policy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar, cast, overload

from cryptography import x509

from audit.verdict import Inconclusive
from audit.x509 import fields, loading
from audit.x509.outline_facts import facts_of_outline
from audit.x509.signatures import read_algorithm

T = TypeVar("T")
MALFORMED: Final = "cert.malformed"


@dataclass(frozen=True, slots=True)
class UnreadableField:
    """A field that cannot be read, by its name in RFC 5280 (CRLs and OCSP responses included), and the reason."""

    place: str
    reason: str

    def __str__(self) -> str:
        """Return both in one clause."""
        return f"{self.place}: {self.reason}"


class Fact(Generic[T]):
    """One fact of a certificate: a value, or Inconclusive because of `cert.malformed` where it cannot be read."""

    def __init__(self, place: str, read: Callable[[x509.Certificate], T]) -> None:
        """Name the field and how it is read."""
        self.place = place
        self._read = read
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        """Learn the attribute's name."""
        self.name = name

    @overload
    def __get__(self, certificate: None, owner: type) -> Fact[T]: ...
    @overload
    def __get__(self, certificate: Certificate, owner: type) -> T: ...
    def __get__(self, certificate: Certificate | None, owner: type) -> Fact[T] | T:
        """Return the fact; raises Inconclusive."""
        if certificate is None:
            return self
        value = certificate.facts[self.name]
        if isinstance(value, UnreadableField):
            raise Inconclusive(f"the certificate cannot be read: {value}", because=MALFORMED)
        return cast("T", value)

    def read(self, parsed: x509.Certificate) -> T | UnreadableField:
        """Return what the certificate says, or why that cannot be read."""
        try:
            return self._read(parsed)
        except fields.UNREADABLE as error:
            return UnreadableField(self.place, fields.reason_of(error))


@dataclass(frozen=True, slots=True, repr=False)
class Certificate:
    """A certificate; equal to another of the same DER. Names are RFC 4514 text, times aware, digests hex."""

    der: bytes
    sha256: str = field(compare=False)
    faults: tuple[UnreadableField, ...] = field(compare=False)
    facts: Mapping[str, Any] = field(compare=False)  # by attribute name: a value, or an UnreadableField
    parsed: x509.Certificate | None = field(compare=False)  # for the verification of signatures only

    subject = Fact("subject", lambda parsed: parsed.subject.rfc4514_string())
    issuer = Fact("issuer", lambda parsed: parsed.issuer.rfc4514_string())
    canonical_subject = Fact("subject", lambda parsed: fields.canonical(parsed.subject))
    canonical_issuer = Fact("issuer", lambda parsed: fields.canonical(parsed.issuer))
    subject_common_name = Fact("subject", fields.subject_common_name)
    issuer_organization = Fact("issuer", fields.issuer_organization)
    serial = Fact("serialNumber", fields.serial)
    not_before = Fact("validity", fields.not_before)
    not_after = Fact("validity", fields.not_after)
    lifetime = Fact("validity", fields.lifetime)
    spki_sha256 = Fact("subjectPublicKeyInfo", fields.spki_sha256)
    key = Fact("subjectPublicKeyInfo", fields.key)
    is_self_signed = Fact("issuer", fields.is_self_signed)
    signature_algorithm = Fact("signatureAlgorithm", lambda parsed: read_algorithm(parsed).name)
    signature_digest = Fact("signatureAlgorithm", lambda parsed: read_algorithm(parsed).digest)
    is_ca = Fact("extensions", fields.is_ca)
    has_san = Fact("extensions", fields.has_san)
    dns_names = Fact("extensions", fields.dns_names)
    ip_addresses = Fact("extensions", fields.ip_addresses)
    extended_key_usages = Fact("extensions", fields.extended_key_usages)
    authority_key_id = Fact("extensions", fields.authority_key_id)
    subject_key_id = Fact("extensions", fields.subject_key_id)
    ca_issuers = Fact("extensions", fields.ca_issuers)

    def __repr__(self) -> str:
        """Return the digest and the subject, if it can be read."""
        return f"<Certificate {self.sha256[:16]} {self.facts['subject']}>"

    def __str__(self) -> str:
        """Return the subject for a person, or where it cannot be read the digest."""
        return self.subject if self.can_ask("subject") and self.subject else f"certificate {self.sha256[:16]}…"

    def can_ask(self, *names: str) -> bool:
        """Tell whether all these facts can be read."""
        return not self.faults or not any(isinstance(self.facts[name], UnreadableField) for name in names)


FACTS: Final[tuple[Fact[Any], ...]] = tuple(value for value in vars(Certificate).values() if isinstance(value, Fact))


@lru_cache(maxsize=4096)
def read_certificate(der: bytes) -> Certificate:
    """Read a certificate (RFC 5280 4.1) from DER; never raises: `faults` tells what cannot be read."""
    with loading.unwarned():
        parsed = _parse(der)
        if isinstance(parsed, UnreadableField):
            facts: dict[str, Any] = {fact.name: parsed for fact in FACTS}
        else:
            facts = {fact.name: fact.read(parsed) for fact in FACTS}
        faults = tuple(dict.fromkeys(value for value in facts.values() if isinstance(value, UnreadableField)))
        if faults:
            told = facts_of_outline(der)
            facts = {
                name: told.get(name, value) if isinstance(value, UnreadableField) else value
                for name, value in facts.items()
            }
    return Certificate(
        der, hashlib.sha256(der).hexdigest(), faults, facts, None if isinstance(parsed, UnreadableField) else parsed
    )


def _parse(der: bytes) -> x509.Certificate | UnreadableField:
    try:
        return loading.parsed(der)
    except fields.UNREADABLE as error:
        return UnreadableField("Certificate", fields.reason_of(error))
