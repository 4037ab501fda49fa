"""Tests of the check of revocation, and of the sources that a certificate names."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

import pytest
from cryptography import x509

from audit.analysis.revocation import OFF, holds_until, is_exempt_from_revocation, places, rules_of
from audit.checks import test_revocation as checks
from audit.json_codec import from_json, to_json
from audit.observation import Observation, RevocationResponse, RevocationSource
from audit.policy import Policy, Profile, load_profile
from audit.policy.thresholds import DatedLimit, Thresholds
from audit.x509.certificate import read_certificate
from audit.x509.path.served_chain import Chain, read_chain
from audit.x509.path.trust_store import TrustAnchors
from audit.x509.revocation.status import StatusSubject
from tests.support.endpoint_facts import WEBPKI, observed, served
from tests.support.verdicts import finding, inconclusive, not_applicable, passes
from tests.support.x509.certificates import DAY, NOW
from tests.support.x509.crls import Entry, crl, pointing
from tests.support.x509.ocsp_responses import (
    ASKED,
    CA,
    CRL_URL,
    HOUR,
    LEAF,
    OCSP_URL,
    REVOKED,
    ROOT,
    ROOT_CRL_URL,
    Answer,
    status_added,
)
from tests.support.x509.paths import Made, extension_added, new_ca, new_leaf

SUBJECT = StatusSubject(read_certificate(ASKED.der), (read_certificate(CA.der),))
KEY_COMPROMISE = ((x509.CRLReason(x509.ReasonFlags.key_compromise), False),)


def chain(leaf: Made = ASKED, *above: Made, anchors: tuple[Made, ...] = (ROOT,)) -> Chain:
    sent = tuple(made.der for made in (leaf, *(above or (CA,))))
    return read_chain(sent, TrustAnchors({"mozilla": [anchor.der for anchor in anchors]}), NOW)


def answer(
    content: bytes | None,
    about: Made = ASKED,
    source: RevocationSource = "crl",
    *,
    failure: str = "",
    asked_at: datetime = NOW,
) -> RevocationResponse:
    url = CRL_URL if source == "crl" else OCSP_URL
    return RevocationResponse(sha256(about.der).hexdigest(), source, url, asked_at, content=content, failure=failure)


def seen(*answers: RevocationResponse, staple: bytes | None = None, leaf: Made = ASKED) -> Observation:
    handshake = replace(served(), chain_der=(leaf.der, CA.der), ocsp_der=staple)
    return replace(observed(handshake), revocation=answers)


def facts(observation: Observation, of: Chain | None = None, policy: Policy = WEBPKI) -> dict[str, object]:
    return {"chain": of or chain(), "observation": observation, "policy": policy, "now": NOW}


@pytest.mark.parametrize(
    "observation",
    [
        seen(answer(crl(CA))),
        seen(answer(Answer().der, source="ocsp")),
        seen(staple=Answer().der),
        seen(answer(None, failure="no"), answer(Answer().der, source="ocsp")),
        seen(answer(crl(CA)), staple=Answer(next_update=NOW - DAY, this_update=NOW - 2 * DAY).der),
    ],
    ids=["CRL", "OCSP", "staple", "CRL is not there", "staple is old"],
)
def test_certificate_with_the_status_good_passes(observation: Observation) -> None:
    assert passes(checks.test_not_revoked, **facts(observation))


def test_revoked_leaf_is_found_with_reason_and_remedy() -> None:
    found = finding(checks.test_not_revoked, **facts(seen(answer(crl(CA, ASKED)))))
    assert (found.reason, found.remedy) == (
        f"the leaf was revoked on 2026-11-21 10:00 UTC, according to the CRL {CRL_URL}",
        "reissue",
    )
    listed = crl(CA, Entry(ASKED.number, KEY_COMPROMISE))
    assert finding(checks.test_not_revoked, **facts(seen(answer(listed)))).remedy == "rekey"
    assert "(keyCompromise)" in finding(checks.test_not_revoked, **facts(seen(answer(listed)))).reason


def test_status_revoked_overrides_the_status_good() -> None:
    for observation in (
        seen(answer(crl(CA, ASKED)), staple=Answer().der),
        seen(answer(crl(CA)), staple=Answer(status=REVOKED).der),
        seen(answer(crl(CA)), answer(Answer(status=REVOKED).der, source="ocsp")),
    ):
        assert finding(checks.test_not_revoked, **facts(observation))


def test_revoked_intermediate_is_found() -> None:
    above = new_ca(ROOT, "CN=Asked CA").having(pointing(ROOT_CRL_URL))
    leaf = new_leaf(above).having(pointing(CRL_URL))
    good, of = answer(crl(above), leaf), chain(leaf, above)
    assert passes(checks.test_not_revoked, **facts(seen(good, answer(crl(ROOT), above)), of))
    listed = crl(ROOT, Entry(above.number, KEY_COMPROMISE))
    found = finding(checks.test_not_revoked, **facts(seen(good, answer(listed, above)), of))
    assert (found.remedy, found.reason.startswith("the intermediate CN=Asked CA was revoked")) == ("reissue", True)
    assert "CN=Asked CA" in inconclusive(checks.test_not_revoked, **facts(seen(good), of)).reason


@pytest.mark.parametrize(
    ("of", "why"),
    [
        (chain(LEAF), "no certificate of the path names"),
        (chain(replace(ASKED, start=NOW - DAY, end=NOW + 6 * DAY - timedelta(seconds=1))), "short-lived"),
        (chain(ASKED, anchors=(ASKED,)), "trust anchor"),
        (chain(Made("CN=Own").having(pointing(CRL_URL))), "self-signed"),
        (chain(replace(ASKED, end=NOW - HOUR)), "it has expired"),
    ],
    ids=["no source", "short-lived", "anchor", "self-signed", "expired"],
)
def test_revocation_check_is_not_applicable_without_a_source(of: Chain, why: str) -> None:
    assert why in not_applicable(checks.test_not_revoked, **facts(seen(), of)).reason


def test_certificate_of_more_than_seven_days_is_not_exempt() -> None:
    longer = chain(replace(ASKED, start=NOW - DAY, end=NOW + 6 * DAY))
    assert inconclusive(checks.test_not_revoked, **facts(seen(), longer))


def test_exemption_applies_from_the_second_of_its_date() -> None:
    policy = Policy((Profile("own", "own", Thresholds(revocation_exempt=(DatedLimit(NOW, 7),))),))
    for start, is_exempt in ((NOW - timedelta(seconds=1), False), (NOW, True)):
        certificate = read_certificate(replace(ASKED, start=start, end=start + 6 * DAY).der)
        assert is_exempt_from_revocation(certificate, policy) is is_exempt


def test_next_response_is_due_when_the_own_status_ends() -> None:
    other = Answer(about=LEAF, next_update=NOW + HOUR)
    assert holds_until("ocsp", Answer(edits=(status_added(other),)).der, SUBJECT) == NOW + 23 * HOUR
    assert holds_until("ocsp", other.der, SUBJECT) is None


def test_expired_certificate_that_is_listed_is_revoked() -> None:
    old = replace(ASKED, end=NOW - HOUR)
    assert finding(checks.test_not_revoked, **facts(seen(answer(crl(CA, old), old)), chain(old)))


@pytest.mark.parametrize(
    ("observation", "why"),
    [
        (seen(answer(None, failure="192.0.2.1 does not answer")), f"the CRL {CRL_URL}: 192.0.2.1 does not answer"),
        (seen(answer(b"<html>")), "cannot be read"),
        (seen(answer(crl(CA, this_update=NOW - 30 * DAY))), "the next CRL was due"),
        (seen(answer(Answer(issuer=CA).der[:-9], source="ocsp")), f"the OCSP responder {OCSP_URL}: OCSPResponse"),
        (seen(staple=b"garbage"), "the stapled response: "),
        (seen(), "was fetched in this run"),
        (replace(seen(), revocation=None), "was fetched when this was observed"),
    ],
    ids=["unreachable", "page", "stale", "cut", "garbage stapled", "not asked", "old evidence"],
)
def test_missing_or_untrusted_status_is_inconclusive(observation: Observation, why: str) -> None:
    assert why in inconclusive(checks.test_not_revoked, **facts(observation)).reason


def test_revocation_is_inconclusive_without_the_issuer() -> None:
    leaf = ASKED
    alone = read_chain((leaf.der,), TrustAnchors({"mozilla": [ROOT.der]}), NOW)
    assert inconclusive(checks.test_not_revoked, **facts(seen(), alone)).because == "chain.incomplete"
    foreign = chain(ASKED, CA, ROOT, anchors=(Made("CN=Other"),))
    assert inconclusive(checks.test_not_revoked, **facts(seen(), foreign)).because == "cert.untrusted"
    assert inconclusive(
        checks.test_not_revoked, **facts(seen(), read_chain((b"x",), TrustAnchors({}), NOW))
    ).because == ("cert.malformed")
    assert not_applicable(checks.test_not_revoked, **facts(seen(), chain(LEAF, anchors=(Made("CN=Other"),))))


def test_revocation_check_is_not_applicable_if_disabled() -> None:
    off = replace(answer(None, failure=OFF), is_disabled=True)
    assert not_applicable(checks.test_not_revoked, **facts(seen(off))).reason == OFF
    assert finding(checks.test_not_revoked, **facts(seen(off, staple=Answer(status=REVOKED).der)))


def test_status_fetched_later_is_judged_at_the_time_of_the_fetch() -> None:
    later = NOW + 3 * DAY
    fresh = answer(crl(CA, this_update=later - HOUR), asked_at=later)
    assert passes(checks.test_not_revoked, **facts(seen(fresh)))


def test_http_sources_are_queried_in_the_order_of_the_policy() -> None:
    leaf = read_certificate(ASKED.having(pointing("ldap://ca/x", "https://ca/x", CRL_URL)).der)
    assert leaf.is_path_member
    assert places(leaf, rules_of(WEBPKI)) == (("crl", CRL_URL), ("ocsp", OCSP_URL))
    limits = replace(load_profile("webpki").thresholds, revocation_order=("ocsp",))
    assert places(leaf, rules_of(Policy((Profile("own", "", limits),)))) == (("ocsp", OCSP_URL), ("crl", CRL_URL))
    many = read_certificate(LEAF.having(pointing(*(f"http://ca/{number}" for number in range(99)))).der)
    assert many.is_path_member
    assert len(places(many, rules_of(WEBPKI))) == 4


def test_certificate_with_unsupported_sources_only_is_inconclusive() -> None:
    of = chain(LEAF.having(pointing("ldap://ca.example.com/cn=x")))
    assert "only http is fetched" in inconclusive(checks.test_not_revoked, **facts(seen(), of)).reason


def test_observation_with_responses_is_equal_after_json() -> None:
    observation = seen(answer(crl(CA)), answer(None, failure="no"))
    assert from_json(Observation, to_json(observation)) == observation
    older = {key: value for key, value in to_json(observation).items() if key != "revocation"}
    assert from_json(Observation, older).revocation is None


def test_staple_of_any_address_is_used_without_other_sources() -> None:
    staple = Answer(about=LEAF, status=REVOKED).der
    assert finding(checks.test_not_revoked, **facts(seen(staple=staple, leaf=LEAF), chain(LEAF)))
    good = Answer(about=LEAF).der
    assert not_applicable(checks.test_not_revoked, **facts(seen(staple=good, leaf=LEAF), chain(LEAF)))
    both = [seen(staple=content, leaf=LEAF).handshakes[0] for content in (good, staple)]
    assert finding(checks.test_not_revoked, **facts(replace(seen(leaf=LEAF), handshakes=tuple(both)), chain(LEAF)))


def test_unreadable_intermediate_is_inconclusive() -> None:
    broken = new_ca(ROOT, "CN=Broken CA").edited(extension_added("2.5.29.31", b"\x04\x00"))
    leaf = new_leaf(broken).having(pointing(CRL_URL))
    good, of = answer(crl(broken), leaf), chain(leaf, broken)
    assert inconclusive(checks.test_not_revoked, **facts(seen(good), of)).because == "cert.malformed"
    assert finding(checks.test_not_revoked, **facts(seen(answer(crl(broken, leaf), leaf)), of))
