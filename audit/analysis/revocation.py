"""Finds which certificates of a chain need a revocation status, where to fetch it, and what it is by all sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from audit.analysis import Exempt, Obstacle, Uncertain
from audit.analysis.chains import MALFORMED, untrusted_reason
from audit.observation import Observation, RevocationResponse, RevocationSource
from audit.policy import Policy
from audit.policy.thresholds import Thresholds
from audit.text import join_clauses
from audit.x509.certificate import Certificate
from audit.x509.loading import UnreadableField
from audit.x509.path.served_chain import Chain
from audit.x509.revocation.crl import RevocationList, read_crl
from audit.x509.revocation.ocsp import read_ocsp
from audit.x509.revocation.status import (
    MAX_URLS,
    OcspEvidence,
    SourceStatus,
    StatusSubject,
    Tolerance,
    crl_urls,
    names_source,
    ocsp_urls,
    readable_crls,
    status_from_crls,
    status_from_ocsp,
)

REVOKED: Final = "cert.revoked"
SOURCES: Final[tuple[RevocationSource, ...]] = ("crl", "ocsp")
OFF: Final = "revocation is not checked: the configuration disables it ([fetch] revocation)"
_SECOND: Final = timedelta(seconds=1)


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
        return min(self.statuses, key=lambda status: ("revoked", "good", "unknown").index(status.word))

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


@dataclass(frozen=True, slots=True)
class Rules:
    """The order of the sources and the tolerances that the policy of an endpoint sets."""

    order: tuple[RevocationSource, ...]
    tolerance: Tolerance


def rules_of(policy: Policy, chain: Chain) -> Rules:
    """Return the rules of a policy: the order of the first profile that sets one, and the least tolerances.

    Digests that every profile admits are admitted for the chains of a private PKI only.
    """
    chosen = next((profile.thresholds.revocation_order for profile in policy.profiles
                  if profile.thresholds.revocation_order), SOURCES)  # fmt: skip
    clocks, _ = policy.least(lambda limits: limits.not_before_tolerance_s)
    lifetime, _ = policy.least(lambda limits: limits.ocsp_ageless_s)
    order = tuple(dict.fromkeys(source for word in (*chosen, *SOURCES) for source in SOURCES if source == word))
    digests = _digests_of(policy) if chain.is_of_private_pki else ()
    return Rules(order, Tolerance(timedelta(seconds=clocks), timedelta(seconds=lifetime), digests))


def _digests_of(policy: Policy) -> tuple[str, ...]:
    admitted = [profile.thresholds.revocation_digests for profile in policy.profiles]
    return tuple(sorted(set(admitted[0]).intersection(*admitted[1:])))


def subjects(chain: Chain, policy: Policy) -> tuple[StatusSubject, ...]:
    """Return the certificates of the path to an anchor that need a status, the leaf first; never raises."""
    return tuple(
        subject
        for subject in _path(chain)
        if names_source(subject.certificate) and not is_exempt_from_revocation(subject.certificate, policy)
    )


def is_exempt_from_revocation(certificate: Certificate, policy: Policy) -> bool:
    """Return whether a certificate is too short-lived to be revoked by every profile (BR 1.6.1, 4.9.1.1)."""
    return all(_lives_shortly(certificate, profile.thresholds) for profile in policy.profiles)


def places(certificate: Certificate, rules: Rules) -> tuple[tuple[RevocationSource, str], ...]:
    """Return the URLs of CRLs and OCSP responders of a certificate, in the policy's order; only http is fetched."""
    urls_by_source = {"crl": crl_urls(certificate), "ocsp": ocsp_urls(certificate)}
    fetchable = (
        (source, [url for url in urls_by_source[source] if url.lower().startswith("http://")]) for source in rules.order
    )
    return tuple((source, url) for source, urls in fetchable for url in urls[:MAX_URLS])


def holds_until(source: RevocationSource, content: bytes, subject: StatusSubject) -> datetime | None:
    """Return when the next response is due; None if the response has no nextUpdate or cannot be read."""
    if source == "crl":
        crl = read_crl(content)
        return crl.next_update if isinstance(crl, RevocationList) else None
    response = read_ocsp(content)
    if isinstance(response, UnreadableField):
        return None
    own = (single.next_update for single in response.singles if single.is_about(subject.certificate, subject.issuer))
    return min((end for end in own if end is not None), default=None)


def statuses(chain: Chain, observation: Observation, policy: Policy, now: datetime) -> tuple[Status, ...]:
    """Return the status of each certificate that needs one, and of a leaf whose stapled response is "revoked"."""
    rules, judged = rules_of(policy, chain), subjects(chain, policy)
    of_path = tuple(_status(subject, chain, observation, rules, now=now) for subject in judged)
    leaf = next(iter(_path(chain)), None)
    if (
        leaf is None
        or (judged and judged[0].certificate == leaf.certificate)
        or is_exempt_from_revocation(leaf.certificate, policy)
    ):
        return of_path
    stapled = tuple(_by_staples(leaf, observation, rules, now))
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


def _status(subject: StatusSubject, chain: Chain, observation: Observation, rules: Rules, *, now: datetime) -> Status:
    is_leaf = subject.certificate == chain.leaf
    responses = observation.revocation or ()
    fetched = tuple(statuses_from_responses(subject, responses, rules, now))
    staples = tuple(_by_staples(subject, observation, rules, now)) if is_leaf else ()
    is_disabled = bool(fetched) and not staples and all(response.is_disabled for response in _about(subject, responses))
    return Status(subject, is_leaf, (*staples, *fetched) or (_not_fetched(subject, observation, rules),), is_disabled)


def _by_staples(leaf: StatusSubject, observation: Observation, rules: Rules, now: datetime) -> Iterator[SourceStatus]:
    """Yield the status in each response that an address stapled to the leaf."""
    handshakes = observation.every_handshake
    staples = (shake.ocsp_der for shake in handshakes if shake.chain_der[:1] == (leaf.certificate.der,))
    crls = crls_at_hand(observation.revocation or ())
    for staple in dict.fromkeys(filter(None, staples)):
        yield status_of_staple(staple, leaf, max(now, observation.observed_at), rules, crls)


def status_of_staple(
    staple: bytes, subject: StatusSubject, at: datetime, rules: Rules, crls: Sequence[RevocationList] = ()
) -> SourceStatus:
    """Return the status of the leaf in a stapled OCSP response; one of the CRLs may list the responder."""
    return status_from_ocsp(OcspEvidence(staple, "the stapled response", crls=crls), subject, at, rules.tolerance)


def crls_at_hand(responses: Sequence[RevocationResponse]) -> Sequence[RevocationList]:
    """Return the CRLs that were fetched about any certificate; they may list who signed another response."""
    crls = ((response.url, response.content) for response in responses if response.source == "crl")
    return readable_crls([(url, content) for url, content in crls if content is not None])


def statuses_from_responses(
    subject: StatusSubject, responses: tuple[RevocationResponse, ...], rules: Rules, now: datetime
) -> Iterator[SourceStatus]:
    """Yield the status in each response about a certificate, or why it could not be fetched.

    A response that was fetched after `now` is judged at the time when it was fetched.
    """
    own = _about(subject, responses)
    crls = [
        (response.url, response.content)
        for response in own
        if response.source == "crl" and response.content is not None
    ]
    if crls:
        at = max(now, *(response.asked_at for response in own if response.source == "crl"))
        yield status_from_crls(crls, subject, at, rules.tolerance, crls_at_hand(responses))
    for response in own:
        name = f"the {'CRL' if response.source == 'crl' else 'OCSP responder'} {response.url}"
        if response.content is None:
            yield SourceStatus("unknown", name, response.failure)
        elif response.source == "ocsp":
            evidence = OcspEvidence(response.content, name, response.question, crls_at_hand(responses))
            yield status_from_ocsp(evidence, subject, max(now, response.asked_at), rules.tolerance)


def _about(subject: StatusSubject, responses: tuple[RevocationResponse, ...]) -> list[RevocationResponse]:
    digest = subject.certificate.sha256
    return [response for response in responses if response.certificate_sha256 == digest]


def _not_fetched(subject: StatusSubject, observation: Observation, rules: Rules) -> SourceStatus:
    if not places(subject.certificate, rules):
        named = ", ".join((*crl_urls(subject.certificate), *ocsp_urls(subject.certificate))[:MAX_URLS]) or "no URL"
        return SourceStatus("unknown", "only http is fetched", f"it names {named}")
    if observation.revocation is None:
        return SourceStatus(
            "unknown", "not fetched", "neither a CRL nor an OCSP response was fetched when this was observed"
        )
    return SourceStatus("unknown", "not fetched", "neither its CRL nor an OCSP response was fetched in this run")


def _lives_shortly(certificate: Certificate, limits: Thresholds) -> bool:
    life = certificate.not_after - certificate.not_before + _SECOND
    begun = [limit for limit in limits.revocation_exempt if limit.issued_from <= certificate.not_before]
    return bool(begun) and life <= timedelta(days=begun[-1].days)
