"""The paths from a leaf through a pool to trust anchors that names and signatures link, one after the other.

The work for one leaf is bounded: a hostile pool could ask for every order of its certificates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from audit.x509.algorithms import is_signed_by
from audit.x509.fields import CanonicalName
from audit.x509.member import Member

MAX_SIGNATURES: Final = 100  # verified for one leaf, as in Go's crypto/x509
MAX_STEPS: Final = 2000
MAX_COMPARISONS: Final = 1 << 20  # of names with name constraints, as in OpenSSL
MAX_INTERMEDIATES: Final = 10  # where the caller sets no bound; paths of the web have three at most
MAX_DEPTH: Final = 100  # whatever bound the caller sets

Path = tuple[Member, ...]
Admits = Callable[[Path, Member, bool], bool]


@dataclass(slots=True)
class Work:
    """What may still be done for one leaf."""

    signatures: int = MAX_SIGNATURES
    steps: int = MAX_STEPS
    comparisons: int = MAX_COMPARISONS
    gave_up: bool = False

    def spend(self, kind: str, amount: int = 1) -> bool:
        """Take from what is left of a kind, and tell whether there was enough."""
        left = getattr(self, kind) - amount
        if left < 0:
            self.gave_up = True
            return False
        setattr(self, kind, left)
        return True


@dataclass(slots=True)
class Search:
    """A search in a pool and among anchors, for paths of at most so many intermediates that are not self-issued."""

    pool: tuple[Member, ...]
    anchors: tuple[Member, ...]
    max_depth: int
    work: Work
    _verified: dict[tuple[int, int], bool] = field(default_factory=dict)
    _named: dict[CanonicalName, list[Member]] = field(default_factory=dict)
    _anchors_named: dict[CanonicalName, list[Member]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Sort the anchors by subject, and what of the pool leads to them by names: the rest is never walked."""
        for anchor in self.anchors:
            self._anchors_named.setdefault(anchor.subject, []).append(anchor)
        issued: dict[CanonicalName, list[Member]] = {}
        for member in self.pool:
            issued.setdefault(member.issuer, []).append(member)
        reached = list(self._anchors_named)
        for name in reached:  # grows while it is walked
            for member in issued.pop(name, ()):
                self._named.setdefault(member.subject, []).append(member)
                reached.append(member.subject)

    def paths(self, path: Path, admits: Admits) -> Iterator[Path]:
        """Yield the paths that begin with this one, leaf first and anchor last, all of whose steps are admitted.

        `admits` is given the path so far, the next issuer and whether that is an anchor.
        """
        for issuer in _likely_first(path[-1], self._anchors_named.get(path[-1].issuer, ())):
            if self._may_follow(path, issuer) and self._is_signed(path[-1], issuer) and admits(path, issuer, True):
                yield (*path, issuer)
        for issuer in _likely_first(path[-1], self._named.get(path[-1].issuer, ())):
            if self._is_too_deep((*path, issuer)) or not self._may_follow(path, issuer):
                continue
            if self._is_signed(path[-1], issuer) and admits(path, issuer, False):
                yield from self.paths((*path, issuer), admits)

    def refused_issuers(self, member: Member) -> list[Member]:
        """Return those that bear the issuer's name and whose key did not make the signature."""
        named = (*self._anchors_named.get(member.issuer, ()), *self._named.get(member.issuer, ()))
        return [issuer for issuer in named if not self._verified.get((id(member), id(issuer)), True)]

    def _is_too_deep(self, path: Path) -> bool:
        """Tell whether there are too many intermediates; self-issued ones count only in the end (RFC 5280 6.1.4 l)."""
        counted = sum(not member.is_self_issued for member in path[1:])
        return counted > self.max_depth or len(path) - 1 > self.max_depth + MAX_INTERMEDIATES

    def _may_follow(self, path: Path, issuer: Member) -> bool:
        """Tell whether an issuer is not in the path already, by name and key (RFC 4158 2.4.2)."""
        if not self.work.spend("steps"):
            return False
        return all(issuer.subject != member.subject or issuer.spki != member.spki for member in path)

    def _is_signed(self, member: Member, issuer: Member) -> bool:
        """Tell whether a signature links the two; one that is not admitted does, so that a violation can say of it."""
        pair = (id(member), id(issuer))
        if pair not in self._verified:
            if not self.work.spend("signatures"):
                return False
            self._verified[pair] = is_signed_by(member, issuer) is not False
        return self._verified[pair]


def _likely_first(member: Member, issuers: Iterable[Member]) -> list[Member]:
    """Return the issuers with the key that a certificate names first, and among those the longest-lived."""
    wanted = member.issuer_key_id

    def rank(issuer: Member) -> tuple[bool, bool, float]:
        return (issuer.key_id != wanted, issuer.key_id is not None, -issuer.not_after.timestamp())

    return sorted(issuers, key=rank)
