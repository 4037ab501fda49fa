"""Judges paths for one request: applies every rule to every certificate and chooses the best of several paths.

The paths come from the search in `audit.x509.path.builder`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice, pairwise
from typing import Final, Literal

from cryptography import x509

from audit.x509.algorithms import is_signed_by, pairing_violations
from audit.x509.certificate import Certificate
from audit.x509.loading import UnreadableField
from audit.x509.path.builder import Path, Search, Work, may_be_key_of
from audit.x509.path.cryptography_check import cryptography_violations
from audit.x509.path.extension_rules import feature_violations
from audit.x509.path.name_constraints import comparisons
from audit.x509.path.name_constraints import violations as constraint_violations
from audit.x509.path.policies import policy_violations
from audit.x509.path.rules import anchor_violations, intermediate_violations, leaf_violations
from audit.x509.path.subject_names import reference_violations
from audit.x509.revocation.basis import StatusBasis
from audit.x509.revocation.crl import RevocationList
from audit.x509.revocation.crl_status import GivenLists, status_violations
from audit.x509.violation import PROFILE, PathViolation, Violation, placed

_TOO_MANY: Final = Violation("RFC 5280 4.2.1.10", "there are too many names and name constraints to compare")
_UNVERIFIED: Final = Violation(
    "RFC 5280 6.1.3 a 1", "its signature is not verified with a key and algorithm like these"
)
PathProfile = Literal["rfc5280", "webpki"]
"""What refuses a path: what clients refuse, or what the rule book for public CAs forbids as well."""

_MAX_VALID: Final = 4  # valid paths that are compared by how long they last
_MAX_TRIED: Final = 32  # paths that only policies, CRLs or the library may refuse
_MAX_JUDGED: Final = 8  # refused paths that are compared by how much is wrong with them

Judged = tuple[Path, tuple[PathViolation, ...]]


@dataclass(frozen=True, slots=True)
class PathRequest:
    """What a path is validated for."""

    reference: str | None
    at: datetime
    purpose: str  # the OID of an extended key usage
    crls: tuple[RevocationList | UnreadableField, ...]
    profile: PathProfile = "rfc5280"
    common_names: bool = True  # whether the caller may match them if it gives no reference

    def refuses(self, violation: Violation | PathViolation) -> bool:
        """Return whether a violation refuses a path in this profile."""
        return self.profile == "webpki" or violation.kind != PROFILE


@dataclass(slots=True)
class PathJudge:
    """Judges the paths that a search finds for one request."""

    request: PathRequest
    search: Search
    _constrained: dict[tuple[int, int], tuple[Violation, ...]] = field(default_factory=dict)
    _steps: dict[tuple[tuple[int, ...], bool], tuple[Violation, ...]] = field(default_factory=dict)

    def best(self, leaf: Certificate) -> Judged:
        """Return the best path and everything that is wrong with it, whether or not it refuses the path."""
        own = tuple(placed("leaf", self._leaf(leaf), 0))
        judged = self._valid(leaf, own)
        if judged:
            return max(judged, key=lambda outcome: first_expiry(outcome[0]) or self.request.at)
        judged = [(path, self._judged(path, own)) for path in self._linked(leaf)]
        if judged:
            return min(judged, key=lambda outcome: (self._count(outcome[1]), len(outcome[1])))
        return (), (*own, self._nowhere(leaf))

    def _valid(self, leaf: Certificate, own: tuple[PathViolation, ...]) -> list[Judged]:
        """Return some paths that nothing but the leaf itself refuses.

        Each step is judged when it is taken, which ends the search in a hostile pool early.
        """
        tried = islice(self._candidates(leaf, strict=True), _MAX_TRIED)
        judged = ((path, self._judged(path, own)) for path in tried)
        refused_by_leaf = self._count(own)
        return list(islice((outcome for outcome in judged if self._count(outcome[1]) == refused_by_leaf), _MAX_VALID))

    def _count(self, violations: Iterable[PathViolation]) -> int:
        """Return how many of these refuse a path in the requested profile."""
        return sum(map(self.request.refuses, violations))

    def _linked(self, leaf: Certificate) -> Iterator[Path]:
        self.search.work = Work()  # the strict search may have used it up
        return islice(self._candidates(leaf, strict=False), _MAX_JUDGED)

    def _candidates(self, leaf: Certificate, *, strict: bool) -> Iterator[Path]:
        if any(anchor.der == leaf.der for anchor in self.search.anchors):
            yield (leaf,)  # trusted for itself
        yield from self.search.paths((leaf,), self._admits if strict else _admits_all)

    def _admits(self, path: Path, issuer: Certificate, is_anchor: bool) -> bool:  # noqa: FBT001 - the search's signature
        return not any(map(self.request.refuses, self._step(path, issuer, is_anchor=is_anchor)))

    def _leaf(self, leaf: Certificate) -> Iterator[Violation]:
        request = self.request
        yield from leaf_violations(leaf, request.purpose, for_name=request.reference is not None)
        yield from self._times(leaf)
        if request.reference is not None and not leaf.lacks_extensions:
            yield from reference_violations(leaf, request.reference)

    def _step(self, path: Path, issuer: Certificate, *, is_anchor: bool) -> tuple[Violation, ...]:
        """Return what is wrong with the next issuer of a path, in itself and for what is below it."""
        step = (tuple(map(id, (*path, issuer))), is_anchor)
        if step not in self._steps:
            self._steps[step] = tuple(self._step_violations(path, issuer, is_anchor=is_anchor))
        return self._steps[step]

    def _step_violations(self, path: Path, issuer: Certificate, *, is_anchor: bool) -> Iterator[Violation]:
        yield from (
            anchor_violations(issuer, self.request.purpose)
            if is_anchor
            else intermediate_violations(issuer, self.request.purpose)
        )
        yield from self._times(issuer)
        yield from pairing_violations(path[-1], issuer)
        yield from feature_violations(path[-1], issuer)
        if not may_be_key_of(path[-1], issuer):
            yield Violation("RFC 5280 4.2.1.2", f"its subjectKeyIdentifier is not the one that {path[-1]} names")
        yield from _length_violations(path, issuer)
        for certificate in (path[0], *(ca for ca in path[1:] if not ca.is_self_issued)):
            yield from self._names(issuer, certificate)

    def _names(self, ca: Certificate, below: Certificate) -> tuple[Violation, ...]:
        pair = (id(ca), id(below))
        if pair not in self._constrained:
            common = self.request.common_names and self.request.reference is None and not _is_ca(below)
            enough = self.search.work.spend("comparisons", comparisons(ca, below, common_names=common))
            violations = constraint_violations(ca, below, common_names=common) if enough else (_TOO_MANY,)
            self._constrained[pair] = tuple(violations)
        return self._constrained[pair]

    def _times(self, certificate: Certificate) -> Iterator[Violation]:
        if self.request.at < certificate.not_before:
            yield Violation(
                "RFC 5280 4.1.2.5", f"it is not valid before {certificate.not_before:%Y-%m-%d %H:%M:%S} UTC"
            )
        if self.request.at > certificate.not_after:
            yield Violation("RFC 5280 4.1.2.5", f"it expired {certificate.not_after:%Y-%m-%d %H:%M:%S} UTC")

    def _judged(self, path: Path, own: tuple[PathViolation, ...]) -> tuple[PathViolation, ...]:
        """Return everything that is wrong with a whole path and its leaf; the library is called if nothing is."""
        request, violations = self.request, (*own, *self._violations(path))
        return violations or tuple(
            placed("path", cryptography_violations(path, request.reference, request.purpose, request.at))
        )

    def _violations(self, path: Path) -> tuple[PathViolation, ...]:
        last = len(path) - 1
        violations = [
            violation
            for index in range(1, last + 1)
            for violation in _at(path, index, self._step(path[:index], path[index], is_anchor=index == last))
        ]
        for index, (certificate, issuer) in enumerate(pairwise(path)):
            if is_signed_by(certificate, issuer) is not True:
                violations += _at(path, index, (_UNVERIFIED,))
        violations += placed("path", policy_violations(path))
        strict = self.request.profile == "webpki"
        lists = GivenLists(self.request.crls, self.search.pool, StatusBasis(self.request.at), strict)
        by_index = status_violations(path, lists)
        for index, violation in by_index:
            violations += _at(path, index, (violation,))
        return tuple(violations)

    def _nowhere(self, leaf: Certificate) -> PathViolation:
        refused = self.search.refused_issuers(leaf)
        if self.search.work.gave_up:
            reason = "no path to a trust anchor was found within the limit of work"
        elif refused:
            reason = (
                f"the key of {refused[0]} did not make the leaf's signature, and no other certificate has that name"
            )
        else:
            reason = "no path by names and signatures leads to a trust anchor"
        return PathViolation("RFC 5280 6.1", "path", reason)


def first_expiry(certificates: Iterable[Certificate]) -> datetime | None:
    """Return when the first of some certificates expires; None where there are none."""
    return min((certificate.not_after for certificate in certificates), default=None)


def _admits_all(path: Path, issuer: Certificate, is_anchor: bool) -> bool:  # noqa: ARG001, FBT001 - the search's signature
    return True


def _is_ca(certificate: Certificate) -> bool:
    """Return whether basicConstraints mark a certificate as a CA's; False if its extensions cannot be read."""
    constraints = certificate.extension(x509.BasicConstraints)
    return constraints is not None and constraints.ca


def _length_violations(path: Path, issuer: Certificate) -> Iterator[Violation]:
    """Count the intermediates below an issuer that are not self-issued (RFC 5280 4.2.1.9)."""
    constraints = issuer.extension(x509.BasicConstraints)
    limit = None if constraints is None else constraints.path_length
    below = sum(not ca.is_self_issued for ca in path[1:])
    if limit is not None and below > limit:
        yield Violation("RFC 5280 4.2.1.9", f"{below} intermediates are below it, its path length allows {limit}")


def _at(path: Path, index: int, violations: Iterable[Violation]) -> Iterator[PathViolation]:
    """Yield violations of the certificate at an index of a path."""
    return placed(_place(path, index), violations, index)


def _place(path: Path, index: int) -> str:
    if index == 0:
        return "leaf"
    kind = "anchor" if index == len(path) - 1 else f"intermediate {index}"
    return f"{kind} ({path[index]})"
