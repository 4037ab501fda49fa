"""Validates paths (RFC 5280 6) over DER: whether one leads from a leaf to a trust anchor, and why none does.

The search follows names and signatures, and every rule is applied to every certificate; the library's own validator is
called last. Nothing is fetched, and no clock is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from audit.x509.certificate import Certificate, read_certificate
from audit.x509.fields import USAGES
from audit.x509.path.builder import MAX_DEPTH, MAX_INTERMEDIATES, Search, Work
from audit.x509.path.judge import PathJudge, PathProfile, PathRequest, first_expiry
from audit.x509.path.rules import leaf_violations
from audit.x509.revocation.crl import read_crl
from audit.x509.violation import PROFILE, PathViolation, placed

PURPOSES: Final = {name: oid for oid, name in USAGES.items()}
MAX_POOL: Final = 300  # certificates that are looked at, and their octets; more than any server sends
MAX_POOL_OCTETS: Final = 1024 * 1024
MAX_CHASED: Final = 8  # URLs that are fetched for one validation

Chase = Callable[[str], Iterable[bytes]]
"""Returns the certificates, as DER, that are published at a URL; none if it cannot be fetched."""


@dataclass(frozen=True, slots=True)
class Validation:
    """The outcome: `path` as DER, leaf first and anchor last, and why it is refused.

    Of several valid paths it is the one that lasts longest, of several refused ones the one with the fewest violations.
    It is empty if names and signatures lead to no anchor. Violations at the place `leaf` are of the leaf
    alone: the path above it is the best one for a leaf without fault. Times are aware.
    """

    path: tuple[bytes, ...]
    violations: tuple[PathViolation, ...]
    profile_violations: tuple[
        PathViolation, ...
    ] = ()  # what only a rule book forbids; clients accept the path all the same
    holds_until: datetime | None = None  # the first expiry on the path
    earliest_expiry: datetime | None = None  # of everything that was sent
    skipped: tuple[str, ...] = ()  # what of pool and anchors could not be read, and why

    @property
    def ok(self) -> bool:
        """Whether the path is valid."""
        return not self.violations


def validate_path(  # noqa: PLR0913 - the inputs of RFC 5280 6.1.1, by name
    leaf: bytes,
    pool: Iterable[bytes],
    anchors: Iterable[bytes],
    *,
    reference: str | None,
    at: datetime,
    purpose: str = "serverAuth",
    profile: PathProfile = "rfc5280",
    max_depth: int | None = None,
    crls: Iterable[bytes] = (),
    chase: Chase | None = None,
    common_names: bool = True,
) -> Validation:
    """Validate a path from a leaf through a pool to an anchor, all DER (RFC 5280 6.1); never raises for any bytes.

    `reference` is a DNS name as A-labels, an IP or e-mail address, or None where no name is looked for; `at` the time,
    UTC if it is naive; `purpose` an extended key usage by name or OID; `max_depth` how many intermediates there may
    be, self-issued ones not counted. With the profile `rfc5280` only what current clients refuse makes a path invalid;
    with `webpki` the rules for public CAs do so too. If `crls` are given, one of them has to show that the leaf is not
    revoked. `chase` is called for what a certificate's authorityInfoAccess points to if the path is refused without it.
    What cannot be read in the pool is skipped. Name constraints apply to `common_names` of a leaf without dNSNames if
    there is no reference, as with OpenSSL; a caller that never matches common names passes False.
    """
    instant = (at if at.tzinfo else at.replace(tzinfo=UTC)).replace(microsecond=0)  # times in certificates have none
    usage, lists = PURPOSES.get(purpose, purpose), tuple(map(read_crl, crls))
    request = PathRequest(reference, instant, usage, lists, profile, common_names=common_names)
    depth = MAX_INTERMEDIATES if max_depth is None else min(max_depth, MAX_DEPTH)
    sent, skipped_pool = _members(_bounded(pool), "pool")
    trusted, skipped_anchors = _members(anchors, "anchors")
    skipped = (*skipped_pool, *skipped_anchors)
    certificate = read_certificate(leaf)
    if certificate.path_fault is not None:
        reason = f"it cannot be read: {certificate.path_fault}"
        return Validation((), (PathViolation("RFC 5280 4.1", "leaf", reason, position=0),), skipped=skipped)
    path, violations = PathJudge(request, Search(sent, trusted, depth, Work())).best(certificate)
    if chase is not None and any(map(request.refuses, violations)):
        more = (*sent, *_chased((certificate, *sent), chase))
        path, violations = PathJudge(request, Search(more, trusted, depth, Work())).best(certificate)
    return Validation(
        tuple(certificate.der for certificate in path),
        tuple(filter(request.refuses, violations)),
        tuple(violation for violation in violations if not request.refuses(violation)),
        first_expiry(path),
        first_expiry((certificate, *sent)),
        skipped,
    )


def profile_violations_of_server(leaf: bytes) -> tuple[PathViolation, ...]:
    """Return what the rule book for public CAs forbids in the leaf (DER) of a server, its names included.

    `validate_path` reports the same if it is given a reference; whether the names match does not matter here.
    """
    certificate = read_certificate(leaf)
    if not certificate.is_path_member:
        return ()
    violations = leaf_violations(certificate, PURPOSES["serverAuth"], for_name=True)
    return tuple(placed("leaf", (violation for violation in violations if violation.kind == PROFILE), 0))


def _chased(certificates: Sequence[Certificate], chase: Chase) -> Iterator[Certificate]:
    """Yield what the certificates point to as their issuers, and what those point to in turn, each URL once."""
    fetched: set[str] = set()
    waiting = list(certificates)
    for certificate in waiting:  # grows while it is walked
        for url in _issuer_urls(certificate):
            if url in fetched or len(fetched) == MAX_CHASED:
                continue
            fetched.add(url)
            members, _ = _members(_bounded(chase(url)), url)
            waiting += members
            yield from members


def _issuer_urls(certificate: Certificate) -> tuple[str, ...]:
    """Return the http URLs at which the issuer's certificate is published."""
    urls = certificate.ca_issuers if certificate.has_readable("ca_issuers") else ()
    return tuple(url for url in urls if url.lower().startswith("http://"))


def _bounded(pool: Iterable[bytes]) -> Iterator[bytes]:
    left = MAX_POOL_OCTETS
    for der in islice(pool, MAX_POOL):
        left -= len(der)
        if left >= 0:
            yield der


def _members(ders: Iterable[bytes], source: str) -> tuple[tuple[Certificate, ...], tuple[str, ...]]:
    """Return the certificates that can be read, each once, and what of the others."""
    read = {der: read_certificate(der) for der in ders}
    members = tuple(certificate for certificate in read.values() if certificate.is_path_member)
    faults = ((index, certificate.path_fault) for index, certificate in enumerate(read.values(), 1))
    return members, tuple(f"certificate {index} of the {source}: {fault}" for index, fault in faults if fault)
