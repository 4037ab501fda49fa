"""Validates paths (RFC 5280 6) over DER: whether one leads from a leaf to an anchor, and why none does.

Names and signatures are followed, and every rule is applied to every certificate; the library's own validator is asked
last. It fetches nothing and reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import Final

from audit.certificate import Fault
from audit.crl import RevocationList, read_crl
from audit.crl_status import status_breaches
from audit.fields import USAGES
from audit.name_constraints import breaches as constraint_breaches
from audit.name_constraints import comparisons
from audit.path_keys import is_signed_by, pairing_breaches
from audit.path_member import Member, read_member
from audit.path_names import reference_breaches
from audit.path_policies import policy_breaches
from audit.path_rules import anchor_breaches, intermediate_breaches, leaf_breaches
from audit.path_search import MAX_INTERMEDIATES, Path, Search, Work
from audit.refusal import Breach, Refusal, placed
from audit.second_opinion import library_breaches

PURPOSES: Final = {name: oid for oid, name in USAGES.items()}
MAX_POOL: Final = 300  # certificates that are looked at, and their octets; more than any server sends
MAX_POOL_OCTETS: Final = 1024 * 1024
TOO_MANY: Final = Breach("RFC 5280 4.2.1.10", "there are too many names and name constraints to compare")
UNVERIFIED: Final = Breach("RFC 5280 6.1.3 a 1", "its signature is not verified with a key and algorithm like these")
_MAX_VALID: Final = 4  # valid paths that are compared by how long they last
_MAX_TRIED: Final = 32  # paths that only policies, CRLs or the library may refuse
_MAX_JUDGED: Final = 8  # refused paths that are compared by how much is wrong with them


@dataclass(frozen=True, slots=True)
class Validation:
    """The outcome: `path` as DER, leaf first and anchor last, and why it is refused.

    Of several valid paths it is the one that lasts longest, of several refused ones the one with the least wrong; it is
    empty where names and signatures lead to no anchor. Times are aware.
    """

    path: tuple[bytes, ...]
    refusals: tuple[Refusal, ...]
    holds_until: datetime | None = None  # the first expiry on the path
    earliest_expiry: datetime | None = None  # of everything that was sent
    skipped: tuple[str, ...] = ()  # what of pool and anchors could not be read, and why

    @property
    def ok(self) -> bool:
        """Whether the path is valid."""
        return not self.refusals


@dataclass(frozen=True, slots=True)
class Request:
    """What a path is validated for."""

    reference: str | None
    at: datetime
    purpose: str  # the OID of an extended key usage
    crls: tuple[RevocationList | Fault, ...]


def validate_path(  # noqa: PLR0913 - the inputs of RFC 5280 6.1.1, by name
    leaf: bytes,
    pool: Iterable[bytes],
    anchors: Iterable[bytes],
    *,
    reference: str | None,
    at: datetime,
    purpose: str = "serverAuth",
    max_depth: int | None = None,
    crls: Iterable[bytes] = (),
) -> Validation:
    """Validate a path from a leaf through a pool to an anchor, all DER (RFC 5280 6.1); never raises for any bytes.

    `reference` is a DNS name as A-labels, an address, or None where no name is looked for; `at` the time, UTC where it
    is naive; `purpose` an extended key usage by name or OID; `max_depth` how many intermediates there may be. Once
    `crls` are given, one of them has to show that the leaf is not revoked. What cannot be read in the pool is skipped.
    """
    moment = (at if at.tzinfo else at.replace(tzinfo=UTC)).replace(microsecond=0)  # times in certificates have none
    request = Request(reference, moment, PURPOSES.get(purpose, purpose), tuple(map(read_crl, crls)))
    sent, skipped_pool = _members(_bounded(pool), "pool")
    trusted, skipped_anchors = _members(anchors, "anchors")
    member = read_member(leaf)
    skipped = (*skipped_pool, *skipped_anchors)
    if isinstance(member, Fault):
        return Validation((), (Refusal("RFC 5280 4.1", "leaf", f"it cannot be read: {member}"),), skipped=skipped)
    depth = MAX_INTERMEDIATES if max_depth is None else min(max_depth, MAX_POOL)
    search = Search(sent, trusted, depth, Work())
    path, refusals = _Judge(request, search).best(member)
    return Validation(
        tuple(one.der for one in path),
        refusals,
        _first_expiry(path),
        _first_expiry((member, *sent)),
        skipped,
    )


def _bounded(pool: Iterable[bytes]) -> Iterator[bytes]:
    left = MAX_POOL_OCTETS
    for der in islice(pool, MAX_POOL):
        left -= len(der)
        if left >= 0:
            yield der


def _members(ders: Iterable[bytes], source: str) -> tuple[tuple[Member, ...], tuple[str, ...]]:
    """Return the certificates that can be read, each once, and what of the others."""
    read = {der: read_member(der) for der in ders}
    members = tuple(one for one in read.values() if isinstance(one, Member))
    faults = [(index, one) for index, one in enumerate(read.values(), 1) if isinstance(one, Fault)]
    return members, tuple(f"certificate {index} of the {source}: {fault}" for index, fault in faults)


def _first_expiry(members: Iterable[Member]) -> datetime | None:
    return min((member.not_after for member in members), default=None)


@dataclass(slots=True)
class _Judge:
    """Judges the paths that a search finds for one request."""

    request: Request
    search: Search
    _constrained: dict[tuple[int, int], tuple[Breach, ...]] = field(default_factory=dict)

    def best(self, leaf: Member) -> tuple[Path, tuple[Refusal, ...]]:
        """Return the best path and what is wrong with it."""
        own = tuple(placed("leaf", self._leaf(leaf)))
        if not own:
            valid = self._valid(leaf)
            if valid:
                return max(valid, key=lambda path: _first_expiry(path) or self.request.at), ()
        judged = [(path, (*own, *self._refusals(path))) for path in self._linked(leaf)]
        if judged:
            return min(judged, key=lambda each: len(each[1]))
        return (), (*own, self._nowhere(leaf))

    def _valid(self, leaf: Member) -> list[Path]:
        """Return some paths without a fault; each step is judged as it is taken, which cuts hostile pools short."""
        found = islice(self._candidates(leaf, strict=True), _MAX_TRIED)
        return list(islice((path for path in found if not self._refusals(path)), _MAX_VALID))

    def _linked(self, leaf: Member) -> Iterator[Path]:
        self.search.work = Work()  # the strict search may have used it up
        return islice(self._candidates(leaf, strict=False), _MAX_JUDGED)

    def _candidates(self, leaf: Member, *, strict: bool) -> Iterator[Path]:
        if any(anchor.der == leaf.der for anchor in self.search.anchors):
            yield (leaf,)  # trusted for itself
        yield from self.search.paths((leaf,), self._admits if strict else _admits_all)

    def _admits(self, path: Path, issuer: Member, is_anchor: bool) -> bool:  # noqa: FBT001 - the search's signature
        return not any(self._step(path, issuer, is_anchor=is_anchor))

    def _leaf(self, leaf: Member) -> Iterator[Breach]:
        request = self.request
        yield from leaf_breaches(leaf, request.purpose, for_name=request.reference is not None)
        yield from self._times(leaf)
        if request.reference is not None and not leaf.lacks_extensions:
            yield from reference_breaches(leaf, request.reference)

    def _step(self, path: Path, issuer: Member, *, is_anchor: bool) -> Iterator[Breach]:
        """Yield what is wrong with the next issuer of a path, in itself and for what is below it."""
        yield from anchor_breaches(issuer) if is_anchor else intermediate_breaches(issuer, self.request.purpose)
        yield from self._times(issuer)
        yield from pairing_breaches(path[-1], issuer)
        if None not in (path[-1].issuer_key_id, issuer.key_id) and path[-1].issuer_key_id != issuer.key_id:
            yield Breach("RFC 5280 4.2.1.2", f"its subjectKeyIdentifier is not the one that {path[-1]} names")
        yield from _length_breaches(path, issuer)
        for member in (path[0], *(one for one in path[1:] if not one.is_self_issued)):
            yield from self._names(issuer, member)

    def _names(self, ca: Member, below: Member) -> tuple[Breach, ...]:
        pair = (id(ca), id(below))
        if pair not in self._constrained:
            enough = self.search.work.spend("comparisons", comparisons(ca, below))
            self._constrained[pair] = tuple(constraint_breaches(ca, below)) if enough else (TOO_MANY,)
        return self._constrained[pair]

    def _times(self, member: Member) -> Iterator[Breach]:
        if self.request.at < member.not_before:
            yield Breach("RFC 5280 4.1.2.5", f"it is not valid before {member.not_before:%Y-%m-%d %H:%M:%S} UTC")
        if self.request.at > member.not_after:
            yield Breach("RFC 5280 4.1.2.5", f"it expired {member.not_after:%Y-%m-%d %H:%M:%S} UTC")

    def _refusals(self, path: Path) -> tuple[Refusal, ...]:
        """Return what is wrong with a whole path, but for the leaf itself."""
        last = len(path) - 1
        refusals = [
            refusal
            for index in range(1, last + 1)
            for refusal in placed(_place(path, index), self._step(path[:index], path[index], is_anchor=index == last))
        ]
        for index, (member, issuer) in enumerate(pairwise(path)):
            if is_signed_by(member, issuer) is not True:
                refusals += placed(_place(path, index), (UNVERIFIED,))
        refusals += placed("path", policy_breaches(path))
        for index, breach in status_breaches(path, self.request.crls, self.search.pool, self.request.at):
            refusals += placed(_place(path, index), (breach,))
        if not refusals:
            refusals += placed(
                "path", library_breaches(path, self.request.reference, self.request.purpose, self.request.at)
            )
        return tuple(refusals)

    def _nowhere(self, leaf: Member) -> Refusal:
        refused = self.search.refused_issuers(leaf)
        if self.search.work.gave_up:
            reason = "no path to a trust anchor was found in as much work as one leaf is worth"
        elif refused:
            reason = f"the key of {refused[0]} did not make the leaf's signature, and none else bears its name"
        else:
            reason = "no path by names and signatures leads to a trust anchor"
        return Refusal("RFC 5280 6.1", "path", reason)


def _admits_all(path: Path, issuer: Member, is_anchor: bool) -> bool:  # noqa: ARG001, FBT001 - the search's signature
    return True


def _length_breaches(path: Path, issuer: Member) -> Iterator[Breach]:
    """Count the intermediates below an issuer that are not self-issued (RFC 5280 4.2.1.9)."""
    limit = issuer.path_length
    below = sum(not one.is_self_issued for one in path[1:])
    if limit is not None and below > limit:
        yield Breach("RFC 5280 4.2.1.9", f"{below} intermediates are below it, its path length admits {limit}")


def _place(path: Path, index: int) -> str:
    if index == 0:
        return "leaf"
    kind = "anchor" if index == len(path) - 1 else f"intermediate {index}"
    return f"{kind} ({path[index]})"
