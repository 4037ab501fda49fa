"""What of a served chain issued what, by names and signatures (RFC 5280 6.1.3 a 1 and a 4): for order and completeness.

Whether a path leads to a trust anchor is decided by `validate_path`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from audit.x509.algorithms import is_signed_by
from audit.x509.certificate import Certificate
from audit.x509.member import readable_members
from audit.x509.path.trust_store import LINKED, Anchors

MAX_SIGNATURES: Final = 100
"""Signatures verified for one leaf, as in Go's crypto/x509: a hostile chain can ask for one of each pair."""


def signature_links(certificate: Certificate, issuer: Certificate) -> bool | None:
    """Return whether the issuer's key made the certificate's signature; None if that cannot be computed here."""
    members = readable_members((certificate.der, issuer.der))
    return is_signed_by(*members, by_any_algorithm=True) if len(members) == 2 else None


def names_key_of(certificate: Certificate, issuer: Certificate) -> bool | None:
    """Tell whether authority and subject key identifiers agree (RFC 5280 4.2.1.1); None where one is missing."""
    if not (certificate.can_ask("authority_key_id") and issuer.can_ask("subject_key_id")):
        return None
    if certificate.authority_key_id is None or issuer.subject_key_id is None:
        return None
    return certificate.authority_key_id == issuer.subject_key_id


@dataclass(slots=True)
class Search:
    """One search from a leaf through what was sent. After it, `reached` holds what the leaf leads to."""

    sent: tuple[Certificate, ...]
    anchors: Anchors
    checked: int = 0
    reached: dict[Certificate, list[Certificate]] = field(default_factory=dict)  # each with its issuers

    def explore(self, leaf: Certificate) -> tuple[Certificate, ...]:
        """Return what was sent and the leaf leads to, the leaf first."""
        found = [leaf]
        for certificate in found:  # grows while it is walked
            found += [issuer for issuer in self.issuers(certificate) if issuer in self.sent and issuer not in found]
        return tuple(found)

    def issuers(self, certificate: Certificate) -> list[Certificate]:
        """Return what may have issued a certificate by name and signature, anchors first."""
        if certificate not in self.reached:
            self.reached[certificate] = [
                issuer for issuer in self.candidates(certificate) if self._could_be_signed_by(certificate, issuer)
            ]
        return self.reached[certificate]

    def candidates(self, certificate: Certificate) -> Iterator[Certificate]:
        """Yield the anchors and sent certificates of the issuer's name, the ones with the right key first."""
        subject = certificate.canonical_issuer
        named = [sent for sent in self.sent if sent.canonical_subject == subject and sent != certificate]
        unique = dict.fromkeys((*self.anchors.named(subject), *named))
        yield from sorted(unique, key=lambda issuer: names_key_of(certificate, issuer) is False)

    @property
    def gave_up(self) -> bool:
        """Whether signatures were left unverified because there were too many."""
        return self.checked > MAX_SIGNATURES

    def _could_be_signed_by(self, certificate: Certificate, issuer: Certificate) -> bool:
        self.checked += 1
        if self.gave_up:
            return False
        verified = signature_links(certificate, issuer)
        return names_key_of(certificate, issuer) is not False if verified is None else verified


def linked(certificates: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
    """Return those whose names can be read, each once: an unreadable one has no place in a path."""
    return tuple(dict.fromkeys(certificate for certificate in certificates if certificate.can_ask(*LINKED)))
