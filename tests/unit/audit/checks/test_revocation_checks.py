"""Tests of the check of revocation, and of the sources that a certificate names."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

import pytest
from cryptography import x509

from audit.analysis.revocation.judgement import OFF
from audit.analysis.revocation.responses import holds_until, is_exempt_from_revocation, places, rules_of
from audit.checks import test_revocation as checks
from audit.json_codec import from_json, to_json
from audit.observation import Observation, RevocationResponse, RevocationSource
from audit.policy import Policy, Profile, builtin_profiles, load_profile
from audit.policy.thresholds import DatedLimit, Thresholds
from audit.x509.certificate import read_certificate
from audit.x509.path.served_chain import Chain, read_chain
from audit.x509.path.trust_store import TrustAnchors
from audit.x509.revocation.basis import StatusSubject
from tests.support.endpoint_facts import WEBPKI, observed, served
from tests.support.verdicts import PASS, Row, exempt, fail, require_verdict, unsure, verdicts
from tests.support.x509.certificates import DAY, NOW, key_named
from tests.support.x509.crls import Entry, crl, issuing_point, pointing
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
    delegate,
    status_added,
)
from tests.support.x509.paths import Made, extension_added, new_ca, new_leaf, usage
from tests.support.x509.sha1_signatures import crl_by_sha1, response_by_sha1

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


LISTED = crl(CA, Entry(ASKED.number, KEY_COMPROMISE))
OLD_STAPLE = Answer(next_update=NOW - DAY, this_update=NOW - 2 * DAY).der
EXPIRED = replace(ASKED, end=NOW - HOUR)
LATER = NOW + 3 * DAY
DISABLED = replace(answer(None, failure=OFF), is_disabled=True)
ABOVE = new_ca(ROOT, "CN=Asked CA").having(pointing(ROOT_CRL_URL))
BELOW = new_leaf(ABOVE).having(pointing(CRL_URL))
BOTH, GOOD_BELOW = chain(BELOW, ABOVE), answer(crl(ABOVE), BELOW)
BROKEN = new_ca(ROOT, "CN=Broken CA").edited(extension_added("2.5.29.31", b"\x04\x00"))
UNDER_BROKEN = new_leaf(BROKEN).having(pointing(CRL_URL))
ELSEWHERE = (Made("CN=Other"),)
STAPLED, REVOKED_STAPLE = Answer(about=LEAF).der, Answer(about=LEAF, status=REVOKED).der
STAPLES = tuple(seen(staple=content, leaf=LEAF).handshakes[0] for content in (STAPLED, REVOKED_STAPLE))


def own_chain(*ders: bytes, anchors: tuple[bytes, ...] = (ROOT.der,)) -> Chain:
    return read_chain(ders, TrustAnchors({"mozilla": list(anchors)}), NOW)


@verdicts({
    name: (checks.test_not_revoked, facts(observation, of), expected)
    for name, observation, of, expected in (
        ("good by CRL", seen(answer(crl(CA))), None, PASS),
        ("good by OCSP", seen(answer(Answer().der, source="ocsp")), None, PASS),
        ("good by staple", seen(staple=Answer().der), None, PASS),
        ("good, the CRL is missing", seen(answer(None, failure="no"), answer(Answer().der, source="ocsp")), None, PASS),
        ("good, the staple is old", seen(answer(crl(CA)), staple=OLD_STAPLE), None, PASS),
        ("good, fetched later", seen(answer(crl(CA, this_update=LATER - HOUR), asked_at=LATER)), None, PASS),
        ("revoked", seen(answer(crl(CA, ASKED))), None, fail(
            reason=f"the leaf was revoked on 2026-11-21 10:00 UTC, according to the CRL {CRL_URL}", remedy="reissue",
        )),
        ("key compromise", seen(answer(LISTED)), None, fail("(keyCompromise)", remedy="rekey")),
        ("CRL over staple", seen(answer(crl(CA, ASKED)), staple=Answer().der), None, fail()),
        ("staple over CRL", seen(answer(crl(CA)), staple=Answer(status=REVOKED).der), None, fail()),
        ("OCSP over CRL",
         seen(answer(crl(CA)), answer(Answer(status=REVOKED).der, source="ocsp")), None, fail()),
        ("expired and listed", seen(answer(crl(CA, EXPIRED), EXPIRED)), chain(EXPIRED), fail()),
        ("good intermediate", seen(GOOD_BELOW, answer(crl(ROOT), ABOVE)), BOTH, PASS),
        ("revoked intermediate",
         seen(GOOD_BELOW, answer(crl(ROOT, Entry(ABOVE.number, KEY_COMPROMISE)), ABOVE)), BOTH,
         fail("the intermediate CN=Asked CA was revoked", remedy="reissue")),
        ("unknown intermediate", seen(GOOD_BELOW), BOTH, unsure("CN=Asked CA")),
        ("unreadable intermediate",
         seen(answer(crl(BROKEN), UNDER_BROKEN)), chain(UNDER_BROKEN, BROKEN), unsure(because="cert.malformed")),
        ("revoked below an unreadable intermediate",
         seen(answer(crl(BROKEN, UNDER_BROKEN), UNDER_BROKEN)), chain(UNDER_BROKEN, BROKEN), fail()),
        ("no source", seen(), chain(LEAF), exempt("no certificate of the path names")),
        ("short-lived", seen(), chain(replace(ASKED, start=NOW - DAY, end=NOW + 6 * DAY - timedelta(seconds=1))),
         exempt("short-lived")),
        ("more than seven days", seen(), chain(replace(ASKED, start=NOW - DAY, end=NOW + 6 * DAY)), unsure()),
        ("anchor", seen(), chain(ASKED, anchors=(ASKED,)), exempt("trust anchor")),
        ("self-signed", seen(), chain(Made("CN=Own").having(pointing(CRL_URL))), exempt("self-signed")),
        ("expired", seen(), chain(EXPIRED), exempt("it has expired")),
        ("unreachable",
         seen(answer(None, failure="192.0.2.1 does not answer")), None,
         unsure(f"the CRL {CRL_URL}: 192.0.2.1 does not answer")),
        ("page", seen(answer(b"<html>")), None, unsure("cannot be read")),
        ("stale", seen(answer(crl(CA, this_update=NOW - 30 * DAY))), None, unsure("the next CRL was due")),
        ("cut", seen(answer(Answer(issuer=CA).der[:-9], source="ocsp")), None,
         unsure(f"the OCSP responder {OCSP_URL}: OCSPResponse")),
        ("garbage stapled", seen(staple=b"garbage"), None, unsure("the stapled response: ")),
        ("not asked", seen(), None, unsure("was fetched in this run")),
        ("old evidence", replace(seen(), revocation=None), None, unsure("was fetched when this was observed")),
        ("only LDAP", seen(), chain(LEAF.having(pointing("ldap://ca.example.com/cn=x"))),
         unsure("only http is fetched")),
        ("no issuer", seen(), own_chain(ASKED.der), unsure(because="chain.incomplete")),
        ("untrusted issuer", seen(), chain(ASKED, CA, ROOT, anchors=ELSEWHERE), unsure(because="cert.untrusted")),
        ("unreadable leaf", seen(), own_chain(b"x", anchors=()), unsure(because="cert.malformed")),
        ("untrusted issuer, no source", seen(), chain(LEAF, anchors=ELSEWHERE), exempt()),
        ("disabled", seen(DISABLED), None, exempt(reason=OFF)),
        ("disabled, revoked by staple", seen(DISABLED, staple=Answer(status=REVOKED).der), None, fail()),
        ("revoked by staple alone", seen(staple=REVOKED_STAPLE, leaf=LEAF), chain(LEAF), fail()),
        ("good by staple alone", seen(staple=STAPLED, leaf=LEAF), chain(LEAF), exempt()),
        ("revoked by one staple of two", replace(seen(leaf=LEAF), handshakes=STAPLES), chain(LEAF), fail()),
    )
})  # fmt: skip
def test_revoked_certificate_is_found_and_a_missing_status_inconclusive(row: Row) -> None:
    require_verdict(row)


def test_exemption_applies_from_the_second_of_its_date() -> None:
    policy = Policy((Profile("own", "own", Thresholds(revocation_exempt=(DatedLimit(NOW, 7),))),))
    for start, is_exempt in ((NOW - timedelta(seconds=1), False), (NOW, True)):
        certificate = read_certificate(replace(ASKED, start=start, end=start + 6 * DAY).der)
        assert is_exempt_from_revocation(certificate, policy) is is_exempt


def test_next_response_is_due_when_the_own_status_ends() -> None:
    other = Answer(about=LEAF, next_update=NOW + HOUR)
    assert holds_until("ocsp", Answer(edits=(status_added(other),)).der, SUBJECT) == NOW + 23 * HOUR
    assert holds_until("ocsp", other.der, SUBJECT) is None
    assert holds_until("crl", crl(CA), SUBJECT) == NOW + 6 * DAY
    assert holds_until("crl", b"<html>", SUBJECT) is None


def of_private_pki(leaf: Made = ASKED) -> Chain:
    return read_chain((leaf.der, CA.der), TrustAnchors({"corp.pem": [ROOT.der]}), NOW)


def admitting(*digests: str, base: str = "private-pki") -> Profile:
    """Return a profile that admits digests in signatures of CRLs and OCSP responses."""
    return Profile("corp", "", replace(load_profile(base).thresholds, revocation_digests=digests))


SHA1_POLICY = Policy((admitting("sha1"),), is_named=True)
SHA1_CRL, SHA1_RESPONSE = crl_by_sha1(crl(CA), CA), response_by_sha1(Answer().der, CA)
RESPONDER = delegate()
OLD_CA = {"of": of_private_pki(), "policy": SHA1_POLICY}


@verdicts({
    name: (checks.test_not_revoked, facts(observation, **given), expected)
    for name, observation, given, expected in (
        ("CRL", seen(answer(SHA1_CRL)), OLD_CA, PASS),
        ("CRL that lists it", seen(answer(crl_by_sha1(crl(CA, ASKED), CA))), OLD_CA, fail("was revoked")),
        ("response", seen(answer(SHA1_RESPONSE, source="ocsp")), OLD_CA, PASS),
        ("staple", seen(staple=SHA1_RESPONSE), OLD_CA, PASS),
        ("responder", seen(staple=response_by_sha1(Answer().by(RESPONDER).der, RESPONDER)), OLD_CA, PASS),
        ("CRL of another key", seen(answer(crl_by_sha1(crl(CA), ROOT))), OLD_CA, unsure("may sign it")),
        ("response of another key", seen(staple=response_by_sha1(Answer().der, ROOT)), OLD_CA,
         unsure("is not signed")),
        ("public anchor", seen(answer(SHA1_CRL), staple=SHA1_RESPONSE), {"policy": SHA1_POLICY},
         unsure("can be forged")),
        ("private-pki", seen(answer(SHA1_CRL), staple=SHA1_RESPONSE),
         {"of": of_private_pki(), "policy": Policy((load_profile("private-pki"),))}, unsure("can be forged")),
        ("one of two policies", seen(answer(SHA1_CRL)),
         {"of": of_private_pki(), "policy": Policy((admitting("sha1"), admitting()))}, unsure("can be forged")),
    )
})  # fmt: skip
def test_sha1_is_admitted_only_for_a_private_pki_by_every_policy(row: Row) -> None:
    require_verdict(row)


@pytest.mark.parametrize("name", builtin_profiles())
def test_policy_that_comes_with_the_audit_admits_no_sha1(name: str) -> None:
    assert load_profile(name).thresholds.revocation_digests == ()


SIGNER_URL = "http://ca.example.com/signers.crl"
SIGNER = Made("CN=CRL Signer").having(usage("crl_sign"), critical=True).having(pointing(SIGNER_URL)).by(CA)
OF_ROOT = Made("CN=CRL Signer").having(usage("crl_sign"), critical=True).by(ROOT)
INDIRECT = LEAF.having(pointing(CRL_URL, issuer=SIGNER.subject))
ISSUED_BY_CA = ((x509.CertificateIssuer([x509.DirectoryName(x509.Name.from_rfc4514_string(CA.subject))]), True),)
SIGNED = answer(crl(SIGNER, extensions=(issuing_point(CRL_URL, indirect_crl=True),)), INDIRECT)
NAMED_RESPONDER = delegate().having(pointing(SIGNER_URL))
EXEMPT_RESPONDER = NAMED_RESPONDER.having(x509.OCSPNoCheck())
SHORT_SIGNER = replace(SIGNER, start=NOW - DAY, end=NOW + 5 * DAY)
BY_SIGNER = chain(INDIRECT, CA, SIGNER)
INDIRECT_SCOPE = (issuing_point(CRL_URL, indirect_crl=True),)
NO_ANSWER = f"the CRL {CRL_URL}: 192.0.2.1 does not answer"
NO_CRL = answer(None, SIGNER, failure="192.0.2.1 does not answer")
LISTING = answer(crl(SIGNER, Entry(INDIRECT.number, ISSUED_BY_CA), extensions=INDIRECT_SCOPE), INDIRECT)
SELF_LISTED = SIGNER.having(pointing(CRL_URL, issuer=SIGNER.subject))
OWN_LIST = answer(crl(SIGNER, extensions=INDIRECT_SCOPE), SELF_LISTED)
OCSP_OF_SIGNER = answer(Answer(about=SIGNER).der, SIGNER, "ocsp")
REVOKED_SIGNER = Answer(about=SIGNER, status=REVOKED).der
BY_RESPONDER = answer(Answer(about=SIGNER).by(NAMED_RESPONDER).der, SIGNER, "ocsp")
GOOD_RESPONDER = answer(crl(CA), NAMED_RESPONDER)
OWN_RESPONSE = answer(Answer(about=NAMED_RESPONDER).by(NAMED_RESPONDER).der, NAMED_RESPONDER, "ocsp")
LISTED_BY_ANOTHER = crl(CA, SIGNER, key=key_named("CN=Other"))
REVOKED_RESPONDER = answer(crl(CA, NAMED_RESPONDER), NAMED_RESPONDER)
RESPONSE = Answer().by(NAMED_RESPONDER).der


@verdicts({
    name: (checks.test_not_revoked, facts(observation, of), expected)
    for name, observation, of, expected in (
        ("CRL signer that names no source", seen(SIGNED, leaf=INDIRECT), chain(INDIRECT, CA, OF_ROOT), PASS),
        ("CRL signer that was not asked about", seen(SIGNED, leaf=INDIRECT), BY_SIGNER,
         unsure("the signer's certificate CN=CRL Signer is revoked itself: not fetched: neither its CRL nor")),
        ("CRL signer without its CRL", seen(SIGNED, NO_CRL, leaf=INDIRECT), BY_SIGNER, unsure(NO_ANSWER)),
        ("CRL signer without its CRL that lists", seen(LISTING, NO_CRL, leaf=INDIRECT), BY_SIGNER, fail()),
        ("CRL signer, fetching disabled", seen(SIGNED, replace(NO_CRL, is_disabled=True), leaf=INDIRECT), BY_SIGNER,
         PASS),
        ("CRL signer, good by OCSP", seen(SIGNED, NO_CRL, OCSP_OF_SIGNER, leaf=INDIRECT), BY_SIGNER, PASS),
        ("CRL signer, revoked by OCSP", seen(SIGNED, answer(REVOKED_SIGNER, SIGNER, "ocsp"), leaf=INDIRECT), BY_SIGNER,
         unsure("the signer's certificate CN=CRL Signer is revoked itself (RFC 5280 6.3.3 f)")),
        ("CRL signer, its responder not known", seen(SIGNED, BY_RESPONDER, leaf=INDIRECT), BY_SIGNER,
         unsure("the signer's certificate CN=Responder is revoked itself: not fetched")),
        ("CRL signer, its responder good", seen(SIGNED, BY_RESPONDER, GOOD_RESPONDER, leaf=INDIRECT), BY_SIGNER, PASS),
        ("CRL signer that signs its own status", seen(SIGNED, OWN_LIST, leaf=INDIRECT),
         chain(INDIRECT, CA, SELF_LISTED),
         unsure("a CRL is not signed by a key that may sign it")),
        ("short-lived CRL signer", seen(SIGNED, leaf=INDIRECT), chain(INDIRECT, CA, SHORT_SIGNER), PASS),
        ("good CRL signer", seen(SIGNED, answer(crl(CA), SIGNER), leaf=INDIRECT), BY_SIGNER, PASS),
        ("revoked CRL signer", seen(SIGNED, answer(crl(CA, SIGNER), SIGNER), leaf=INDIRECT), BY_SIGNER,
         unsure("the signer's certificate CN=CRL Signer is revoked itself")),
        ("CRL signer of the root", seen(SIGNED, answer(crl(ROOT), CA), leaf=INDIRECT),
         chain(INDIRECT, CA, OF_ROOT), PASS),
        ("revoked by the root", seen(SIGNED, answer(crl(ROOT, OF_ROOT), CA), leaf=INDIRECT),
         chain(INDIRECT, CA, OF_ROOT), unsure("the signer's certificate CN=CRL Signer is revoked itself")),
        ("CRL signer listed by another key", seen(SIGNED, answer(LISTED_BY_ANOTHER, SIGNER), leaf=INDIRECT), BY_SIGNER,
         unsure("a CRL is not signed by a key that may sign it")),
        ("good responder", seen(GOOD_RESPONDER, staple=RESPONSE), None, PASS),
        ("responder without its CRL", seen(replace(NO_CRL, certificate_sha256=GOOD_RESPONDER.certificate_sha256),
                                           staple=RESPONSE), None, unsure(NO_ANSWER)),
        ("responder that signs its own status", seen(OWN_RESPONSE, staple=RESPONSE), None,
         unsure("the response is signed by itself")),
        ("responder with nocheck", seen(staple=Answer().by(EXEMPT_RESPONDER).der), None, PASS),
        ("revoked responder of a staple", seen(REVOKED_RESPONDER, staple=RESPONSE), None,
         unsure("is revoked itself")),
        ("revoked responder", seen(answer(RESPONSE, source="ocsp"), REVOKED_RESPONDER), None,
         unsure("is revoked itself")),
    )
})  # fmt: skip
def test_response_counts_only_if_its_signer_is_good_as_a_leaf_would_be(row: Row) -> None:
    require_verdict(row)


def test_http_sources_are_queried_in_the_order_of_the_policy() -> None:
    leaf = read_certificate(ASKED.having(pointing("ldap://ca/x", "https://ca/x", CRL_URL)).der)
    assert leaf.is_path_member
    assert places(leaf, rules_of(WEBPKI, chain())) == (("crl", CRL_URL), ("ocsp", OCSP_URL))
    limits = replace(load_profile("webpki").thresholds, revocation_order=("ocsp",))
    assert places(leaf, rules_of(Policy((Profile("own", "", limits),)), chain())) == (
        ("ocsp", OCSP_URL),
        ("crl", CRL_URL),
    )
    many = read_certificate(LEAF.having(pointing(*(f"http://ca/{number}" for number in range(99)))).der)
    assert many.is_path_member
    assert len(places(many, rules_of(WEBPKI, chain()))) == 4


def test_observation_with_responses_is_equal_after_json() -> None:
    observation = seen(answer(crl(CA)), answer(None, failure="no"))
    assert from_json(Observation, to_json(observation)) == observation
    older = {key: value for key, value in to_json(observation).items() if key != "revocation"}
    assert from_json(Observation, older).revocation is None
