"""Builds paths by names and signatures from a leaf through a pool to trust anchors (RFC 4158).

`validate_path` searches with strict steps: no signature is verified that clients do not verify. Order and completeness
of a served chain are found with lenient steps, which verify a signature by any algorithm. The work for one leaf is
bounded, because a hostile pool could demand every order of its certificates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from audit.x509.algorithms import is_signed_by
from audit.x509.certificate import Certificate
from audit.x509.fields import CanonicalName

MAX_SIGNATURES: Final = 100  # verified for one leaf, as in Go's crypto/x509
MAX_STEPS: Final = 2000
MAX_COMPARISONS: Final = 1 << 20  # of names with name constraints, as in OpenSSL
MAX_INTERMEDIATES: Final = 10  # where the caller sets no bound; paths of the web have three at most
MAX_DEPTH: Final = 100  # whatever bound the caller sets

Path = tuple[Certificate, ...]
Admits = Callable[[Path, Certificate, bool], bool]
Links = Callable[[Certificate, Certificate], bool]


def links_strictly(certificate: Certificate, issuer: Certificate) -> bool:
    """Return False if the issuer's key did not make the signature; a signature that clients do not verify links too.

    The path is found, so that its violations give the reason for which clients refuse it.
    """
    return is_signed_by(certificate, issuer) is not False


def links_leniently(certificate: Certificate, issuer: Certificate) -> bool:
    """Return whether the issuer's key made the signature by any algorithm, else whether the key identifiers agree."""
    verified = is_signed_by(certificate, issuer, by_any_algorithm=True)
    return may_be_key_of(certificate, issuer) if verified is None else verified


def may_be_key_of(certificate: Certificate, issuer: Certificate) -> bool:
    """Return False if authority and subject key identifiers differ (RFC 5280 4.2.1.1)."""
    named, own = _issuer_key_id(certificate), _key_id(issuer)
    return None in (named, own) or named == own


def _issuer_key_id(certificate: Certificate) -> bytes | None:
    return certificate.authority_key_id if certificate.has_readable("authority_key_id") else None


def _key_id(certificate: Certificate) -> bytes | None:
    return certificate.subject_key_id if certificate.has_readable("subject_key_id") else None


@dataclass(slots=True)
class Work:
    """The work that is still allowed for one leaf."""

    signatures: int = MAX_SIGNATURES
    steps: int = MAX_STEPS
    comparisons: int = MAX_COMPARISONS
    gave_up: bool = False

    def spend(self, kind: str, amount: int = 1) -> bool:
        """Spend work of a kind; return whether enough was left."""
        left = getattr(self, kind) - amount
        if left < 0:
            self.gave_up = True
            return False
        setattr(self, kind, left)
        return True


@dataclass(slots=True)
class Search:
    """A search in a pool and among anchors, for paths of at most so many intermediates that are not self-issued."""

    pool: tuple[Certificate, ...]
    anchors: tuple[Certificate, ...]
    max_depth: int = MAX_INTERMEDIATES
    work: Work = field(default_factory=Work)
    links: Links = links_strictly
    _linked: dict[tuple[int, int], bool] = field(default_factory=dict)
    _issuers: dict[Certificate, tuple[Certificate, ...]] = field(default_factory=dict)
    _named: dict[CanonicalName, list[Certificate]] = field(default_factory=dict)
    _anchors_named: dict[CanonicalName, list[Certificate]] = field(default_factory=dict)
    _leading: set[CanonicalName] = field(default_factory=set)  # issuers from whom names lead to an anchor

    def __post_init__(self) -> None:
        """Sort by subject, what is nearest to an anchor by names first; no path has what does not lead to one."""
        issued: dict[CanonicalName, list[Certificate]] = {}
        for anchor in self.anchors:
            self._anchors_named.setdefault(anchor.canonical_subject, []).append(anchor)
        for certificate in self.pool:
            issued.setdefault(certificate.canonical_issuer, []).append(certificate)
        reached = list(self._anchors_named)
        for name in reached:  # grows while it is walked
            self._leading.add(name)
            reached += self._index(issued.pop(name, ()))
        for certificates in issued.values():
            self._index(certificates)

    def _index(self, certificates: Sequence[Certificate]) -> list[CanonicalName]:
        for certificate in certificates:
            self._named.setdefault(certificate.canonical_subject, []).append(certificate)
        return [certificate.canonical_subject for certificate in certificates]

    def paths(self, path: Path, admits: Admits) -> Iterator[Path]:
        """Yield the paths that begin with this one, leaf first and anchor last, and use only allowed steps.

        `admits` is given the path so far, the next issuer and whether that is an anchor.
        """
        for issuer in _likely_first(path[-1], self._anchors_named.get(path[-1].canonical_issuer, ())):
            if self._may_follow(path, issuer) and self._is_linked(path[-1], issuer) and admits(path, issuer, True):
                yield (*path, issuer)
        named = (
            issuer
            for issuer in self._named.get(path[-1].canonical_issuer, ())
            if issuer.canonical_issuer in self._leading
        )
        for issuer in _likely_first(path[-1], named):
            if self._is_too_deep((*path, issuer)) or not self._may_follow(path, issuer):
                continue
            if self._is_linked(path[-1], issuer) and admits(path, issuer, False):
                yield from self.paths((*path, issuer), admits)

    def reached_from(self, leaf: Certificate) -> tuple[Certificate, ...]:
        """Return the certificates of the pool to which a leaf leads, whether or not they lead to an anchor."""
        sent, reached = set(self.pool), {leaf: None}
        waiting = [leaf]
        for certificate in waiting:  # grows while it is walked
            new = [issuer for issuer in self.issuers(certificate) if issuer in sent and issuer not in reached]
            reached |= dict.fromkeys(new)
            waiting += new
        return tuple(reached)

    def issuers(self, certificate: Certificate) -> tuple[Certificate, ...]:
        """Return the certificates that issued one by name and signature, anchors first."""
        if certificate not in self._issuers:
            candidates = self.candidates(certificate)
            self._issuers[certificate] = tuple(issuer for issuer in candidates if self._is_linked(certificate, issuer))
        return self._issuers[certificate]

    def candidates(self, certificate: Certificate) -> tuple[Certificate, ...]:
        """Return the anchors and the other certificates of the pool that bear the issuer's name, anchors first."""
        others = (other for other in self._named.get(certificate.canonical_issuer, ()) if other != certificate)
        anchors = _likely_first(certificate, self._anchors_named.get(certificate.canonical_issuer, ()))
        return tuple(dict.fromkeys((*anchors, *_likely_first(certificate, others))))

    def refused_issuers(self, certificate: Certificate) -> list[Certificate]:
        """Return the certificates with the issuer's name whose key did not make the signature."""
        return [
            issuer
            for issuer in self.candidates(certificate)
            if not self._linked.get((id(certificate), id(issuer)), True)
        ]

    def _is_too_deep(self, path: Path) -> bool:
        """Return whether there are too many intermediates; self-issued ones count only later (RFC 5280 6.1.4 l)."""
        counted = sum(not certificate.is_self_issued for certificate in path[1:])
        return counted > self.max_depth or len(path) - 1 > self.max_depth + MAX_INTERMEDIATES

    def _may_follow(self, path: Path, issuer: Certificate) -> bool:
        """Return whether an issuer is not in the path already, by name and key (RFC 4158 2.4.2)."""
        if not self.work.spend("steps"):
            return False
        return all(
            issuer.canonical_subject != certificate.canonical_subject or issuer.raw.spki != certificate.raw.spki
            for certificate in path
        )

    def _is_linked(self, certificate: Certificate, issuer: Certificate) -> bool:
        """Return whether a signature links the two; False for those after the last that is verified for a leaf."""
        pair = (id(certificate), id(issuer))
        if pair not in self._linked:
            if not self.work.spend("signatures"):
                return False
            self._linked[pair] = self.links(certificate, issuer)
        return self._linked[pair]


def _likely_first(certificate: Certificate, issuers: Iterable[Certificate]) -> list[Certificate]:
    """Return the issuers with the key that a certificate names first, and among those the longest-lived."""
    wanted = _issuer_key_id(certificate)

    def rank(issuer: Certificate) -> tuple[bool, bool, float]:
        key_id = _key_id(issuer)
        return (key_id != wanted, key_id is not None, -issuer.not_after.timestamp())

    sortable = list(issuers)
    return sorted(sortable, key=rank) if len(sortable) > 1 else sortable
