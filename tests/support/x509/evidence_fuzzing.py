"""All code that reads certificates, CRLs and OCSP responses of an endpoint, in one function for fuzzing.

A check may end in a judgement only, and an unreadable certificate has to be a finding.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any, Final

from audit.analysis.chains import MALFORMED, unreadable_message
from audit.analysis.key_reuse import key_uses, sharing_of
from audit.analysis.revocation.judgement import subjects
from audit.analysis.revocation.responses import holds_until, places, rules_of
from audit.observation import InstalledFile, Observation, RevocationResponse
from audit.policy import Policy, load_profile
from audit.verdict import Finding, Inconclusive, Judgement
from audit.x509.certificate import FIELDS, Certificate, read_certificate
from audit.x509.lint import is_of_ca, lint, read_raw
from audit.x509.lint.extended_key_usage import CLIENT_AUTH_RULES
from audit.x509.lint.names import NAME_RULES
from audit.x509.lint.profile import PROFILE_RULES
from audit.x509.lint.revocation import REVOCATION
from audit.x509.loading import UnreadableField
from audit.x509.path.served_chain import Chain, read_chain, validate_path
from audit.x509.path.trust_store import TrustAnchors
from audit.x509.pem import certificates_of
from audit.x509.revocation.crl import RevocationList, read_crl
from audit.x509.revocation.ocsp import nonce_of, ocsp_request, read_ocsp
from tests.repository.documents import checks
from tests.support.endpoint_facts import ENDPOINT, host, served
from tests.support.x509.certificates import NOW
from tests.support.x509.ct_logs import log_list
from tests.support.x509.ocsp_responses import CRL_URL, OCSP_URL

RULES: Final = (*NAME_RULES, *PROFILE_RULES, *REVOCATION, *CLIENT_AUTH_RULES)
POLICY: Final = Policy((load_profile("webpki"), load_profile("private-pki")))
FULL_LINT: Final = "cert.lint-br"

Judgements = dict[str, Judgement | None]


class Escaped(Exception):
    """An unreadable certificate was not found."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The data that servers and CAs send about one endpoint, and the user's anchor; all of it DER."""

    leaf: bytes
    intermediate: bytes
    root: bytes
    staple: bytes
    answer: bytes
    crl: bytes

    def but(self, kind: str, der: bytes) -> Evidence:
        """Return it with one part replaced."""
        return replace(self, **{kind: der})


def read_all(evidence: Evidence, kind: str, *, in_full: bool = False) -> Judgements:
    """Read all parts, and one kind of them alone; return the judgement of each check, None if it passed.

    With `in_full` pkilint runs too, if it is installed; it takes longer than everything else.
    Raises every exception that is not a judgement, and Escaped.
    """
    _ALONE[kind](getattr(evidence, kind))
    validate_path(
        evidence.leaf, [evidence.intermediate], [evidence.root], reference=ENDPOINT.name, at=NOW, crls=[evidence.crl]
    )
    chain = read_chain((evidence.leaf, evidence.intermediate), _anchors(evidence.root), NOW)
    observation = observation_of(evidence)
    _read_revocation(chain, evidence)
    judgements = _judgements(chain, observation, set() if in_full else {FULL_LINT})
    if chain.leaf.faults and not isinstance(judgements[MALFORMED], Finding):
        raise Escaped(f"{MALFORMED} does not report: {chain.leaf.faults}")
    return judgements


def read_facts(der: bytes) -> Certificate:
    """Read every field of a certificate."""
    certificate = read_certificate(der)
    for fact in FIELDS:
        try:
            getattr(certificate, fact.name)
        except UnreadableField:
            if not certificate.faults:
                raise
    if not (str(certificate) and repr(certificate)):
        raise Escaped("the certificate has no text")
    return certificate


def _read_certificate(der: bytes) -> None:
    certificate = read_facts(der)
    for as_leaf in (True, False):
        lint(der, RULES, as_leaf=as_leaf)
    certificates_of(der)
    try:
        read_raw(certificate, is_of_ca)
    except UnreadableField:
        return


def _read_crl(der: bytes) -> None:
    found = read_crl(der)
    if isinstance(found, RevocationList):
        list(found.violations(NOW))


def _read_ocsp(der: bytes) -> None:
    read_ocsp(der)
    nonce_of(der)


_ALONE: Final[dict[str, Callable[[bytes], None]]] = {
    "leaf": _read_certificate,
    "intermediate": _read_certificate,
    "root": _read_certificate,
    "staple": _read_ocsp,
    "answer": _read_ocsp,
    "crl": _read_crl,
}
KINDS: Final = tuple(_ALONE)


@cache
def _endpoint_checks() -> tuple[tuple[str, Callable[..., None], tuple[str, ...]], ...]:
    """Return the checks of an endpoint, each with the names of its parameters."""
    return tuple(
        (mark.id, function, tuple(inspect.signature(function).parameters))
        for mark, function in checks()
        if "endpoint" in mark.scopes
    )


def _judgements(chain: Chain, observation: Observation, left_out: set[str]) -> Judgements:
    facts: dict[str, Any] = {
        "endpoint": ENDPOINT,
        "observation": observation,
        "handshake": observation.handshakes[0],
        "certificate": chain.leaf,
        "chain": chain,
        "chains": (chain,),
        "server": observation.server,
        "policy": POLICY,
        "now": NOW,
        "key_sharing": sharing_of(key_uses(observation)),
        "has_list_of_keys": False,
        "log_list": log_list(),
    }
    ended = Judgements()
    for name, function, wanted in (row for row in _endpoint_checks() if row[0] not in left_out):
        try:
            function(**{fact: facts[fact] for fact in wanted})
        except Judgement as judgement:
            ended[name] = judgement
        except UnreadableField as error:
            ended[name] = Inconclusive(unreadable_message(error), because=MALFORMED)
        else:
            ended[name] = None
    return ended


def observation_of(evidence: Evidence) -> Observation:
    """Return what is observed of an endpoint that serves the evidence."""
    sent = (evidence.leaf, evidence.intermediate)
    file = InstalledFile("/etc/tls/www.crt", "certificate", owner="root", group="root", mode=0o644, chain_der=sent)
    handshake = replace(served(), chain_der=sent, ocsp_der=evidence.staple)
    digest = read_certificate(evidence.leaf).sha256
    answers = (
        RevocationResponse(digest, "crl", CRL_URL, NOW, content=evidence.crl),
        RevocationResponse(digest, "ocsp", OCSP_URL, NOW, _request(evidence), evidence.answer),
    )
    return Observation(ENDPOINT, NOW, (handshake.address,), (handshake,), server=host(file), revocation=answers)


def _request(evidence: Evidence) -> bytes:
    member, issuer = read_certificate(evidence.leaf), read_certificate(evidence.intermediate)
    if member.is_path_member and issuer.is_path_member:
        return ocsp_request(member, issuer, nonce=b"n" * 32) or b""
    return b""


def _read_revocation(chain: Chain, evidence: Evidence) -> None:
    rules = rules_of(POLICY, chain)
    for subject in subjects(chain, POLICY):
        places(subject.certificate, rules)
        holds_until("crl", evidence.crl, subject)
        holds_until("ocsp", evidence.answer, subject)


@lru_cache(maxsize=8)
def _anchors(root: bytes) -> TrustAnchors:
    return TrustAnchors({"mozilla": [root]})
