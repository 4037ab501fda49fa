"""Finds a path from a leaf to a trust anchor by names and signatures alone (RFC 5280 6.1.3 a 1 and a 4).

It refuses to know times, usages, key sizes, digests and host names: those are judged elsewhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from audit.anchors import LINKED, Anchors
from audit.certificate import Certificate
from audit.signature import verifies

MAX_SIGNATURES: Final = 100
"""Signatures verified for one leaf, as in Go's crypto/x509: a hostile chain can ask for one of each pair."""


@lru_cache(maxsize=4096)
def is_signed_by(certificate: Certificate, issuer: Certificate) -> bool | None:
    """Tell whether the issuer's key made the certificate's signature; None where that cannot be computed here."""
    if certificate.parsed is None or issuer.parsed is None:
        return None
    return verifies(certificate.parsed, issuer.parsed)


def names_key_of(certificate: Certificate, issuer: Certificate) -> bool | None:
    """Tell whether authority and subject key identifiers agree (RFC 5280 4.2.1.1); None where one is missing."""
    if not (certificate.can_ask("authority_key_id") and issuer.can_ask("subject_key_id")):
        return None
    if certificate.authority_key_id is None or issuer.subject_key_id is None:
        return None
    return certificate.authority_key_id == issuer.subject_key_id


@dataclass(slots=True)
class Search:
    """One search for paths from a leaf through what was sent. After it, `reached` holds what the leaf leads to."""

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

    def find(
        self, leaf: Certificate, admits: Callable[[Certificate, Certificate], bool]
    ) -> tuple[Certificate, ...] | None:
        """Return a shortest path, leaf first and anchor last, all of whose steps are admitted; None where none is."""
        queue: deque[tuple[Certificate, ...]] = deque([(leaf,)])
        seen = {leaf}
        while queue:
            path = queue.popleft()
            anchor = self.anchors.matching(path[-1])
            if anchor is not None:
                return (*path[:-1], anchor) if len(path) > 1 else path
            for issuer in self.issuers(path[-1]):
                if issuer not in seen and admits(path[-1], issuer):
                    seen.add(issuer)
                    queue.append((*path, issuer))
        return None

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
        verified = is_signed_by(certificate, issuer)
        return names_key_of(certificate, issuer) is not False if verified is None else verified


def linked(certificates: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
    """Return those whose names can be read, each once: an unreadable one has no place in a path."""
    return tuple(dict.fromkeys(certificate for certificate in certificates if certificate.can_ask(*LINKED)))
