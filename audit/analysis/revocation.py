"""Which certificates of a chain are asked about and where, and what the whole observation then says of them.

It knows the policy's order and exemptions; it fetches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from audit.analysis.chains import MALFORMED, distrust
from audit.observation import Observation, RevocationAnswer, RevocationSource
from audit.policy import Policy
from audit.policy.thresholds import Thresholds
from audit.verdict import Finding, Inconclusive, NotApplicable
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
OFF: Final = "revocation is not asked about: the configuration says so ([fetch] revocation)"
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of one certificate of a path: what each source said, the best of it first."""

    subject: StatusSubject
    is_leaf: bool
    said: tuple[SourceStatus, ...]

    @property
    def verdict(self) -> SourceStatus:
        """What counts: revoked before good, and good before unknown."""
        return min(self.said, key=lambda said: ("revoked", "good", "unknown").index(said.word))

    @property
    def name(self) -> str:
        """The certificate for a person."""
        return "the leaf" if self.is_leaf else f"the intermediate {self.subject.certificate}"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the policy of an endpoint says of revocation."""

    order: tuple[RevocationSource, ...]
    tolerance: Tolerance


def rules_of(policy: Policy) -> Rules:
    """Return the rules of a policy: the order of the first profile that has one, of tolerances the least."""
    given = next((profile.thresholds.revocation_order for profile in policy.profiles
                  if profile.thresholds.revocation_order), SOURCES)  # fmt: skip
    clocks, _ = policy.least(lambda limits: limits.not_before_tolerance_s)
    ageless, _ = policy.least(lambda limits: limits.ocsp_ageless_s)
    order = tuple(dict.fromkeys(source for word in (*given, *SOURCES) for source in SOURCES if source == word))
    return Rules(order, Tolerance(timedelta(seconds=clocks), timedelta(seconds=ageless)))


def subjects(chain: Chain, policy: Policy) -> tuple[StatusSubject, ...]:
    """Return the certificates of the path to an anchor that can be asked about, the leaf first; never raises."""
    return tuple(
        one for one in _path(chain) if names_source(one.certificate) and not is_exempt(one.certificate, policy)
    )


def is_exempt(certificate: Certificate, policy: Policy) -> bool:
    """Tell whether every profile says that a certificate lives too short to be revoked (BR 1.6.1, 4.9.1.1)."""
    return all(_is_short_lived(certificate, profile.thresholds) for profile in policy.profiles)


def places(certificate: Certificate, rules: Rules) -> tuple[tuple[RevocationSource, str], ...]:
    """Return where a certificate says that its status is told, in the policy's order; http alone is asked."""
    known = {"crl": crl_urls(certificate), "ocsp": ocsp_urls(certificate)}
    asked = ((source, [url for url in known[source] if url.lower().startswith("http://")]) for source in rules.order)
    return tuple((source, url) for source, urls in asked for url in urls[:MAX_URLS])


def holds_until(source: RevocationSource, content: bytes, subject: StatusSubject) -> datetime | None:
    """Return when the next answer is due; None where it does not say so or cannot be read."""
    if source == "crl":
        crl = read_crl(content)
        return crl.next_update if isinstance(crl, RevocationList) else None
    answer = read_ocsp(content)
    if isinstance(answer, UnreadableField):
        return None
    own = (one.next_update for one in answer.singles if one.is_about(subject.certificate, subject.issuer))
    return min((end for end in own if end is not None), default=None)


def statuses(chain: Chain, observation: Observation, policy: Policy, now: datetime) -> tuple[Status, ...]:
    """Return what is known of each certificate that can be asked about, and of a leaf that is stapled to be revoked."""
    rules, found = rules_of(policy), subjects(chain, policy)
    known = tuple(_status(one, chain, observation, rules, now=now) for one in found)
    leaf = next(iter(_path(chain)), None)
    if leaf is None or (found and found[0].certificate == leaf.certificate) or is_exempt(leaf.certificate, policy):
        return known
    told = tuple(_by_staples(leaf, observation, rules, now))
    return (Status(leaf, True, told), *known) if any(one.word == "revoked" for one in told) else known


def require_unrevoked(chain: Chain, observation: Observation, policy: Policy, now: datetime) -> None:
    """Raise what `cert.revoked` ends with, unless leaf and intermediates are known not to be revoked."""
    _require_concerned(chain, policy)
    found = statuses(chain, observation, policy, now)
    revoked = [one for one in found if one.verdict.word == "revoked"]
    if revoked:
        seen = [f"{one.name} {one.verdict}" for one in revoked]
        is_key = any(one.is_leaf and one.verdict.is_for_its_key for one in revoked)
        raise Finding("; ".join(seen), observed=seen, required="not revoked", remedy="rekey" if is_key else "reissue")
    if any(one.certificate.lacks_extensions for one in _path(chain)) or not _path(chain):
        raise Inconclusive("where the status of an intermediate is told cannot be read", because=MALFORMED)
    if not found:
        raise NotApplicable("no certificate of the path names a CRL or an OCSP responder")
    left = [one for one in found if one.subject.certificate.not_after >= now]
    if not left:
        raise NotApplicable("it has expired, and of what has expired nobody tells any more (RFC 5280 3.3)")
    doubts = [f"{one.name}: {said}" for one in left if one.verdict.word != "good" for said in one.said]
    if doubts and all(OFF in doubt for doubt in doubts):
        raise NotApplicable(OFF)
    if doubts:
        raise Inconclusive(f"whether it is revoked could not be told: {'; '.join(doubts[:6])}")


def _require_concerned(chain: Chain, policy: Policy) -> None:
    """Raise where nobody could have revoked anything, or it is not known who could."""
    if chain.leaf_is_anchor:
        raise NotApplicable("the leaf is a trust anchor of the user's: nobody revokes it")
    if chain.leaf.has_readable("is_self_signed") and chain.leaf.is_self_signed:
        raise NotApplicable("the leaf is self-signed: nobody revokes it")
    leaf = chain.leaf
    if not leaf.is_path_member or leaf.lacks_extensions:
        raise Inconclusive("where its status is told cannot be read", because=MALFORMED)
    if is_exempt(leaf, policy):
        raise NotApplicable("it is a short-lived certificate, which need not be revoked (BR 4.9.1.1)")
    if chain.path is None and not names_source(leaf):
        raise NotApplicable("it names neither a CRL nor an OCSP responder")
    why = distrust(chain)
    if why is not None:
        raise Inconclusive(f"who may revoke it is not known: {why}", because="cert.untrusted")


def _path(chain: Chain) -> tuple[StatusSubject, ...]:
    """Return all certificates of the path below the anchor."""
    path = chain.path or ()
    pool = tuple(certificate for certificate in chain.certificates[1:] if certificate.is_path_member)
    return tuple(StatusSubject(certificate, path[index + 1 :], pool) for index, certificate in enumerate(path[:-1]))


def _status(subject: StatusSubject, chain: Chain, observation: Observation, rules: Rules, *, now: datetime) -> Status:
    is_leaf = subject.certificate == chain.leaf
    said = tuple(said_of(subject, observation.revocation or (), rules, now))
    if is_leaf:
        said = (*_by_staples(subject, observation, rules, now), *said)
    return Status(subject, is_leaf, said or (_unasked(subject, observation, rules),))


def _by_staples(leaf: StatusSubject, observation: Observation, rules: Rules, now: datetime) -> Iterator[SourceStatus]:
    """Yield what the answers say that came with the leaf from whatever address."""
    came = (one.ocsp_der for one in observation.every_handshake if one.chain_der[:1] == (leaf.certificate.der,))
    for staple in dict.fromkeys(filter(None, came)):
        yield stapled(staple, leaf, max(now, observation.observed_at), rules)


def stapled(staple: bytes, subject: StatusSubject, at: datetime, rules: Rules) -> SourceStatus:
    """Return what a stapled answer says of the leaf."""
    return status_from_ocsp(OcspEvidence(staple, "the stapled answer"), subject, at, rules.tolerance)


def said_of(
    subject: StatusSubject, answers: tuple[RevocationAnswer, ...], rules: Rules, now: datetime
) -> Iterator[SourceStatus]:
    """Yield what each answer about a certificate says, and of those that did not come why.

    What was asked after `now` is judged as of when it was asked: no answer is older than itself.
    """
    digest = subject.certificate.sha256
    own = [one for one in answers if one.certificate_sha256 == digest]
    crls = [(one.url, one.content) for one in own if one.source == "crl" and one.content is not None]
    if crls:
        at = max(now, *(one.asked_at for one in own if one.source == "crl"))
        yield status_from_crls(crls, subject, at, rules.tolerance)
    for one in own:
        name = f"the {'CRL' if one.source == 'crl' else 'OCSP responder'} {one.url}"
        if one.content is None:
            yield SourceStatus("unknown", name, one.failure)
        elif one.source == "ocsp":
            given = OcspEvidence(one.content, name, one.question, readable_crls(crls))
            yield status_from_ocsp(given, subject, max(now, one.asked_at), rules.tolerance)


def _unasked(subject: StatusSubject, observation: Observation, rules: Rules) -> SourceStatus:
    if not places(subject.certificate, rules):
        named = ", ".join((*crl_urls(subject.certificate), *ocsp_urls(subject.certificate))[:MAX_URLS]) or "no URL"
        return SourceStatus("unknown", "only http is asked", f"it names {named}")
    if observation.revocation is None:
        return SourceStatus("unknown", "nobody", "no CRL and no OCSP responder was asked when this was observed")
    return SourceStatus("unknown", "nobody", "neither its CRL nor its OCSP responder was asked in this run")


def _is_short_lived(certificate: Certificate, limits: Thresholds) -> bool:
    life = certificate.not_after - certificate.not_before + _SECOND
    begun = [limit for limit in limits.revocation_exempt if limit.issued_from <= certificate.not_before]
    return bool(begun) and life <= timedelta(days=begun[-1].days)
