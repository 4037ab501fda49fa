"""Finds which certificates of a chain need a revocation status, and whether one of them is revoked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from audit.analysis import Exempt, Obstacle, Uncertain
from audit.analysis.chains import MALFORMED, untrusted_reason
from audit.analysis.revocation.responses import (
    StatusEvidence,
    are_disabled,
    is_exempt_from_revocation,
    not_fetched,
    rules_of,
    staples_of,
    status_of_staple,
    statuses_from_responses,
)
from audit.observation import Observation
from audit.policy import Policy
from audit.text import join_clauses
from audit.x509.path.served_chain import Chain
from audit.x509.revocation.basis import SourceStatus, StatusSubject, deciding
from audit.x509.revocation.status import (
    names_source,
)

REVOKED: Final = "cert.revoked"
OFF: Final = "revocation is not checked: the configuration disables it ([fetch] revocation)"


@dataclass(frozen=True, slots=True)
class Status:
    """The status of one certificate of a path, from each source."""

    subject: StatusSubject
    is_leaf: bool
    statuses: tuple[SourceStatus, ...]
    is_disabled: bool = False  # disabled by the configuration: no source was used

    @property
    def verdict(self) -> SourceStatus:
        """The status that decides: revoked before good, and good before unknown."""
        return deciding(self.statuses)

    @property
    def name(self) -> str:
        """The certificate in a message."""
        return "the leaf" if self.is_leaf else f"the intermediate {self.subject.certificate}"


@dataclass(frozen=True, slots=True)
class Revocation:
    """Which certificates of a path are revoked, one message each; without one, why they might still be."""

    revoked: tuple[str, ...] = ()
    is_leaf_key_compromised: bool = False
    obstacle: Obstacle | None = None


def subjects(chain: Chain, policy: Policy) -> tuple[StatusSubject, ...]:
    """Return the certificates of the path to an anchor that need a status, the leaf first; never raises."""
    return tuple(
        subject
        for subject in _path(chain)
        if names_source(subject.certificate) and not is_exempt_from_revocation(subject.certificate, policy)
    )


def statuses(chain: Chain, observation: Observation, policy: Policy, now: datetime) -> tuple[Status, ...]:
    """Return the status of each certificate that needs one, and of a leaf whose stapled response is "revoked"."""
    evidence = StatusEvidence(observation.revocation or (), rules_of(policy, chain), now)
    judged = subjects(chain, policy)
    of_path = tuple(_status(subject, chain, observation, evidence) for subject in judged)
    leaf = next(iter(_path(chain)), None)
    if (
        leaf is None
        or (judged and judged[0].certificate == leaf.certificate)
        or is_exempt_from_revocation(leaf.certificate, policy)
    ):
        return of_path
    stapled = tuple(_by_staples(leaf, observation, evidence))
    return (Status(leaf, True, stapled), *of_path) if any(status.word == "revoked" for status in stapled) else of_path


def revocation_of(chain: Chain, observation: Observation, policy: Policy, now: datetime) -> Revocation:
    """Return whether leaf and intermediates are revoked, or why that is not known or not required."""
    exempt = _exemption(chain, policy) or _unknown_issuer(chain)
    if exempt:
        return Revocation(obstacle=exempt)
    certificates = statuses(chain, observation, policy, now)
    revoked = [status for status in certificates if status.verdict.word == "revoked"]
    return Revocation(
        tuple(f"{status.name} {status.verdict}" for status in revoked),
        is_leaf_key_compromised=any(status.is_leaf and status.verdict.is_for_its_key for status in revoked),
        obstacle=_doubt(certificates, _path(chain), now),
    )


def _exemption(chain: Chain, policy: Policy) -> Obstacle | None:
    """Return why the leaf cannot be revoked or need not be, or that its revocation pointers cannot be read."""
    if chain.leaf_is_anchor:
        return Exempt("the leaf is a trust anchor of the user's, which no CA revokes")
    if chain.leaf.is_known_self_signed:
        return Exempt("the leaf is self-signed, and no CA revokes it")
    leaf = chain.leaf
    if not leaf.is_path_member or leaf.lacks_extensions:
        return Uncertain("its revocation pointers cannot be read", because=MALFORMED)
    if is_exempt_from_revocation(leaf, policy):
        return Exempt("it is a short-lived certificate, which need not be revoked (BR 4.9.1.1)")
    if chain.path is None and not names_source(leaf):
        return Exempt("it names neither a CRL nor an OCSP responder")
    return None


def _unknown_issuer(chain: Chain) -> Uncertain | None:
    why = untrusted_reason(chain)
    if isinstance(why, str):
        return Uncertain(f"it is not known which CA may revoke it: {why}", because="cert.untrusted")
    return why


def _doubt(certificates: tuple[Status, ...], path: tuple[StatusSubject, ...], now: datetime) -> Obstacle | None:
    """Return why certificates that are not known to be revoked may still be; None if all are known to be good."""
    if any(subject.certificate.lacks_extensions for subject in path) or not path:
        return Uncertain("the revocation pointers of an intermediate cannot be read", because=MALFORMED)
    if not certificates:
        return Exempt("no certificate of the path names a CRL or an OCSP responder")
    in_force = [status for status in certificates if status.subject.certificate.not_after >= now]
    if not in_force:
        return Exempt("it has expired, and CAs do not report the status of expired certificates (RFC 5280 3.3)")
    doubted = [status for status in in_force if status.verdict.word != "good"]
    if not doubted:
        return None
    if all(status.is_disabled for status in doubted):
        return Exempt(OFF)
    doubts = [f"{status.name}: {source_status}" for status in doubted for source_status in status.statuses]
    return Uncertain(f"it is not known whether it is revoked: {join_clauses(doubts[:6])}")


def _path(chain: Chain) -> tuple[StatusSubject, ...]:
    """Return all certificates of the path below the anchor."""
    path = chain.path or ()
    pool = tuple(certificate for certificate in chain.certificates[1:] if certificate.is_path_member)
    return tuple(StatusSubject(certificate, path[index + 1 :], pool) for index, certificate in enumerate(path[:-1]))


def _status(subject: StatusSubject, chain: Chain, observation: Observation, evidence: StatusEvidence) -> Status:
    is_leaf = subject.certificate == chain.leaf
    fetched = tuple(statuses_from_responses(subject, evidence))
    staples = tuple(_by_staples(subject, observation, evidence)) if is_leaf else ()
    is_disabled = bool(fetched) and not staples and are_disabled(evidence.about(subject))
    unfetched = (not_fetched(subject, evidence.rules, was_tried=observation.revocation is not None),)
    return Status(subject, is_leaf, (*staples, *fetched) or unfetched, is_disabled)


def _by_staples(leaf: StatusSubject, observation: Observation, evidence: StatusEvidence) -> Iterator[SourceStatus]:
    """Yield the status in each response that an address stapled to the leaf."""
    for staple in staples_of(leaf.certificate, observation):
        yield status_of_staple(staple, leaf, evidence, observation.observed_at)
