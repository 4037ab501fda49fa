"""The responses that were fetched or stapled about a certificate: which to fetch, and the status by all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from audit.observation import Observation, RevocationResponse, RevocationSource
from audit.policy import Policy
from audit.policy.thresholds import Thresholds
from audit.x509.certificate import Certificate
from audit.x509.loading import UnreadableField
from audit.x509.path.served_chain import Chain
from audit.x509.revocation.basis import SourceStatus, StatusBasis, StatusSubject, Tolerance, certainly_good, deciding
from audit.x509.revocation.crl import RevocationList, read_crl
from audit.x509.revocation.ocsp import read_ocsp
from audit.x509.revocation.status import (
    MAX_URLS,
    OcspEvidence,
    crl_urls,
    is_listed,
    names_source,
    ocsp_urls,
    readable_crls,
    status_from_crls,
    status_from_ocsp,
)

SOURCES: Final[tuple[RevocationSource, ...]] = ("crl", "ocsp")
_SECOND: Final = timedelta(seconds=1)
_MAX_SIGNERS: Final = 3  # of responses about signers, one above the other


@dataclass(frozen=True, slots=True)
class Rules:
    """The policy of an endpoint, and the order of the sources and the tolerances that it sets."""

    policy: Policy
    order: tuple[RevocationSource, ...]
    tolerance: Tolerance


@dataclass(frozen=True, slots=True)
class StatusEvidence:
    """The responses that were fetched about any certificate, and the rules and the time by which they are judged.

    `signers` are the certificates whose own status is being judged, because they signed a response.
    """

    responses: tuple[RevocationResponse, ...]
    rules: Rules
    now: datetime
    are_signers_judged: bool = True
    signers: tuple[Certificate, ...] = ()

    def about(self, subject: StatusSubject) -> list[RevocationResponse]:
        """Return the responses about one certificate."""
        digest = subject.certificate.sha256
        return [response for response in self.responses if response.certificate_sha256 == digest]

    def basis(self, at: datetime) -> StatusBasis:
        """Return what a response is judged by that was sent at a time."""
        of_signer = partial(_signer_status, evidence=self) if self.are_signers_judged else certainly_good
        return StatusBasis(max(self.now, at), self.rules.tolerance, of_signer)


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
    return Rules(policy, order, Tolerance(timedelta(seconds=clocks), timedelta(seconds=lifetime), digests))


def _digests_of(policy: Policy) -> tuple[str, ...]:
    admitted = [profile.thresholds.revocation_digests for profile in policy.profiles]
    return tuple(sorted(set(admitted[0]).intersection(*admitted[1:])))


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


def staples_of(certificate: Certificate, observation: Observation) -> tuple[bytes, ...]:
    """Return the different OCSP responses that addresses stapled to a certificate."""
    handshakes = observation.every_handshake
    staples = (shake.ocsp_der for shake in handshakes if shake.chain_der[:1] == (certificate.der,))
    return tuple(dict.fromkeys(filter(None, staples)))


def status_of_staple(staple: bytes, leaf: StatusSubject, evidence: StatusEvidence, at: datetime) -> SourceStatus:
    """Return the status of the leaf in an OCSP response that was stapled at a time."""
    return status_from_ocsp(OcspEvidence(staple, "the stapled response"), leaf, evidence.basis(at))


def statuses_from_responses(subject: StatusSubject, evidence: StatusEvidence) -> Iterator[SourceStatus]:
    """Yield the status in each response about a certificate, or why it could not be fetched.

    A response that was fetched after the time of the judgement is judged at the time when it was fetched.
    """
    own = evidence.about(subject)
    crls = _contents(own)
    if crls:
        at = max(response.asked_at for response in own if response.source == "crl")
        yield status_from_crls(crls, subject, evidence.basis(at))
    for response in own:
        name = f"the {'CRL' if response.source == 'crl' else 'OCSP responder'} {response.url}"
        if response.content is None:
            yield SourceStatus("unknown", name, response.failure)
        elif response.source == "ocsp":
            given = OcspEvidence(response.content, name, response.question)
            yield status_from_ocsp(given, subject, evidence.basis(response.asked_at))


def needs_status(signer: StatusSubject, evidence: StatusEvidence) -> bool:
    """Return whether the certificate of a signer that is not on the path needs a status, as those of the path do."""
    certificate = signer.certificate
    return names_source(certificate) and not is_exempt_from_revocation(certificate, evidence.rules.policy)


def may_judge(signer: StatusSubject, evidence: StatusEvidence) -> bool:
    """Return whether the status of a signer is judged: not by what it signed itself, nor by a long row of signers."""
    return signer.certificate not in evidence.signers and len(evidence.signers) < _MAX_SIGNERS


def _signer_status(signer: StatusSubject, evidence: StatusEvidence) -> SourceStatus:
    """Return the status of the certificate of a signer, which is judged as that of a leaf is."""
    own = evidence.about(signer)
    if is_listed(signer, readable_crls(_contents(evidence.responses)), evidence.basis(evidence.now)):
        return SourceStatus("revoked", "a CRL that was fetched")
    if not needs_status(signer, evidence) or (own and are_disabled(own)):
        return certainly_good(signer)
    if not may_judge(signer, evidence):
        return SourceStatus("unknown", "its status", "the response is signed by itself, or by too many signers in turn")
    above = replace(evidence, signers=(*evidence.signers, signer.certificate))
    return deciding(tuple(statuses_from_responses(signer, above)) or (not_fetched(signer, evidence.rules),))


def _contents(responses: Iterable[RevocationResponse]) -> list[tuple[str, bytes]]:
    """Return the CRLs among responses, each with its URL."""
    crls = ((response.url, response.content) for response in responses if response.source == "crl")
    return [(url, content) for url, content in crls if content is not None]


def are_disabled(responses: Sequence[RevocationResponse]) -> bool:
    """Return whether the configuration disabled all requests."""
    return all(response.is_disabled for response in responses)


def not_fetched(subject: StatusSubject, rules: Rules, *, was_tried: bool = True) -> SourceStatus:
    """Return the status unknown of a certificate about which no response was fetched, with the reason."""
    if not places(subject.certificate, rules):
        named = ", ".join((*crl_urls(subject.certificate), *ocsp_urls(subject.certificate))[:MAX_URLS]) or "no URL"
        return SourceStatus("unknown", "only http is fetched", f"it names {named}")
    if not was_tried:
        return SourceStatus(
            "unknown", "not fetched", "neither a CRL nor an OCSP response was fetched when this was observed"
        )
    return SourceStatus("unknown", "not fetched", "neither its CRL nor an OCSP response was fetched in this run")


def _lives_shortly(certificate: Certificate, limits: Thresholds) -> bool:
    life = certificate.not_after - certificate.not_before + _SECOND
    begun = [limit for limit in limits.revocation_exempt if limit.issued_from <= certificate.not_before]
    return bool(begun) and life <= timedelta(days=begun[-1].days)
