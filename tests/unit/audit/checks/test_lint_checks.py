"""Tests of the lint checks, and of those of stapling, wildcards and the certificates after the leaf."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from audit.analysis.lint_scope import rule_faults
from audit.checks import test_certificate as checks
from audit.checks import test_chain as chains
from audit.checks import test_names as names
from audit.checks.assertions import require_rules
from audit.endpoint import parse_endpoint
from audit.observation import Handshake
from audit.policy import Policy, load_profile
from audit.verdict import Finding
from audit.x509.lint import day
from audit.x509.lint.profile import PROFILE_RULES
from audit.x509.path.served_chain import Chain, read_chain
from audit.x509.path.trust_store import TrustAnchors
from audit.x509.violation import PathViolation
from tests.support.endpoint_facts import (
    GOOD,
    INTERMEDIATE,
    NAMED_WEBPKI,
    PRIVATE,
    ROOT,
    WEBPKI,
    certificate,
    chain,
    host,
    observed,
    private,
    public,
    served,
)
from tests.support.verdicts import finding, inconclusive, not_applicable, passes
from tests.support.x509.certificates import DAY, NOW, Draft, ca, rsa_key
from tests.support.x509.ocsp_responses import ASKED, CA, LEAF, REVOKED, UNKNOWN, Answer, delegate
from tests.support.x509.ocsp_responses import ROOT as REVOCATION_ROOT
from tests.support.x509.paths import Made
from tests.unit.audit.x509.test_lint_rules import PLACES, POLICY, SOUND

Check = Callable[..., None]
SEEN = observed(served())
STAPLE = x509.TLSFeature([x509.TLSFeatureType.status_request])
LINTED = (
    checks.test_profile_is_a_servers,
    checks.test_revocable,
    checks.test_logged_enough,
    names.test_names_are_public,
)
FAULTY = GOOD.named("host.corp").starting(day(2026, 10, 1))
ids = pytest.mark.parametrize("check", LINTED, ids=lambda check: check.__name__)


def facts(draft: Draft, policy: Policy = WEBPKI, *, is_public: bool = True) -> dict[str, object]:
    """Return the facts that a lint check needs."""
    anchors = public() if is_public else private()
    return {
        "certificate": certificate(draft),
        "chain": chain(draft, anchors=anchors),
        "observation": SEEN,
        "policy": policy,
    }


@ids
def test_good_certificate_passes(check: Check) -> None:
    assert passes(check, **facts(SOUND))


def test_ca_that_breaks_only_the_rules_is_found_by_the_profile_check() -> None:
    given = facts(replace(GOOD, extra=(POLICY, PLACES)))
    found = finding(checks.test_profile_is_a_servers, **given)
    assert found.reason.startswith("intermediate 1 (CN=Intermediate): it is a CA's and has no keyUsage")
    assert found.remedy == "manual"
    del given["certificate"]
    assert passes(chains.test_path_is_accepted, **given)


@ids
def test_faulty_certificate_is_found_with_its_clause(check: Check) -> None:
    found = finding(check, **facts(FAULTY))
    assert found.required
    assert f"({found.required[0]})" in found.reason


@ids
def test_rules_do_not_apply_to_a_private_ca(check: Check) -> None:
    assert "not publicly trusted" in not_applicable(check, **facts(FAULTY, is_public=False)).reason


@ids
def test_lint_is_inconclusive_without_the_issuer(check: Check) -> None:
    alone = {**facts(FAULTY), "chain": chain(FAULTY, GOOD)}
    assert inconclusive(check, **alone).because == "chain.incomplete"


@ids
def test_self_signed_certificate_is_one_finding(check: Check) -> None:
    own = replace(FAULTY, issuer=None)
    assert inconclusive(check, **facts(own, NAMED_WEBPKI)).because == "cert.self-signed"


@ids
def test_placeholder_certificate_is_one_finding(check: Check) -> None:
    seen = observed(served(), server=replace(host(), snakeoil=True))
    assert inconclusive(check, **{**facts(FAULTY), "observation": seen}).because == "svc.certificate-missing"


@ids
def test_rules_do_not_apply_to_a_leaf_that_is_an_anchor(check: Check) -> None:
    own = replace(FAULTY, issuer=None)
    trusted = {**facts(own), "chain": chain(own, anchors=private(own))}
    assert "trust anchor" in not_applicable(check, **trusted).reason


@ids
def test_rule_does_not_apply_to_an_older_certificate(check: Check) -> None:
    old = FAULTY.starting(day(1998, 1, 1))
    assert "the rule applies from" in not_applicable(check, **facts(old)).reason


@pytest.mark.parametrize("check", [LINTED[0], LINTED[1], LINTED[3]])
def test_rules_apply_to_every_ca_with_a_named_policy(check: Check) -> None:
    assert finding(check, **facts(FAULTY, NAMED_WEBPKI, is_public=False))


def test_timestamps_are_required_of_public_cas_with_any_policy() -> None:
    assert not_applicable(checks.test_logged_enough, **facts(FAULTY, NAMED_WEBPKI, is_public=False))


def test_private_policy_leaves_out_rules_for_public_cas() -> None:
    left_out = ("cert.profile-br", "cert.internal-name", "cert.no-revocation-info", "cert.sct-insufficient")
    assert not any(PRIVATE.applies(check) for check in (*left_out, "cert.eku-clientauth"))
    assert Policy((load_profile("webpki"), load_profile("private-pki"))).applies("cert.profile-br")


def test_rule_that_cannot_read_a_field_is_inconclusive() -> None:
    policies = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.32"), b"\x02\x01\x01")
    unread = facts(replace(SOUND, extra=(policies, PLACES)))
    assert inconclusive(checks.test_profile_is_a_servers, **unread).because == "cert.malformed"


def test_client_certificate_of_a_server_is_found_from_2027_on() -> None:
    both = SOUND.used_for(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
    late = facts(both.starting(day(2027, 3, 15)))
    assert "2027-03-15" in not_applicable(checks.test_not_issued_for_clients_too, **facts(both)).reason
    assert "only serverAuth is allowed" in finding(checks.test_not_issued_for_clients_too, **late).reason


def test_usages_that_no_server_needs_are_found() -> None:
    signs = SOUND.used_for(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CODE_SIGNING)
    known = {"certificate": certificate(signs), "observation": SEEN}
    assert "codeSigning is forbidden" in finding(checks.test_issued_for_servers, policy=WEBPKI, **known).reason
    assert passes(checks.test_issued_for_servers, policy=PRIVATE, **known)


def stapling(draft: Draft, ocsp_der: bytes | None, address: str = "192.0.2.7") -> Handshake:
    """Return a handshake with a stapled response."""
    return replace(served(draft, INTERMEDIATE, address=address), ocsp_der=ocsp_der)


def test_certificate_without_must_staple_needs_no_staple() -> None:
    assert not_applicable(checks.test_stapled_where_it_must, certificate=certificate(GOOD), observation=SEEN)


def test_must_staple_certificate_needs_a_staple_at_each_address() -> None:
    bound = replace(GOOD, extra=(STAPLE, PLACES))
    known = {"certificate": certificate(bound)}
    assert passes(checks.test_stapled_where_it_must, observation=observed(stapling(bound, b"answer")), **known)
    partly = observed(stapling(bound, b"answer"), stapling(bound, None, "192.0.2.8"))
    found = finding(checks.test_stapled_where_it_must, observation=partly, **known)
    assert (found.observed, found.remedy) == (["192.0.2.8"], "configure")


def test_must_staple_without_a_responder_has_the_remedy_reissue() -> None:
    bound = replace(GOOD, extra=(STAPLE,))
    found = finding(checks.test_stapled_where_it_must, certificate=certificate(bound),
                    observation=observed(stapling(bound, None)))  # fmt: skip
    assert found.remedy == "reissue"


def revocation_chain(above: tuple[Made, ...] = (CA,)) -> Chain:
    """Return the chain of the leaf that the responses are about."""
    sent = tuple(made.der for made in (ASKED, *above))
    return read_chain(sent, TrustAnchors({"mozilla": [REVOCATION_ROOT.der]}), NOW)


def answered(staple: bytes | None, above: tuple[Made, ...] = (CA,)) -> dict[str, object]:
    """Return the facts of a certificate that was served with a stapled response."""
    known = revocation_chain(above)
    handshake = replace(served(), ocsp_der=staple, chain_der=tuple(member.der for member in known.certificates))
    return {"chain": known, "observation": observed(handshake), "policy": WEBPKI}


def test_current_response_of_issuer_or_delegate_can_be_stapled() -> None:
    assert passes(checks.test_staple_can_be_used, **answered(Answer().der))
    assert passes(checks.test_staple_can_be_used, **answered(Answer().by(delegate()).der))


def test_staple_check_is_not_applicable_without_a_staple() -> None:
    assert not_applicable(checks.test_staple_can_be_used, **answered(None))


def test_staple_with_the_status_revoked_passes() -> None:
    assert passes(checks.test_staple_can_be_used, **answered(Answer(status=REVOKED).der))


@pytest.mark.parametrize(
    "staple",
    [
        Answer(this_update=NOW - 3 * DAY, next_update=NOW - 2 * DAY).der,
        Answer(status=UNKNOWN).der,
        Answer().by(LEAF).der,
        b"garbage",
    ],
    ids=["expired", "unknown", "wrong signer", "garbage"],
)
def test_staple_that_clients_cannot_use_is_found(staple: bytes) -> None:
    found = finding(checks.test_staple_can_be_used, **answered(staple))
    assert found.reason.startswith("stapled at 192.0.2.7: ")


def test_staple_check_is_inconclusive_without_the_issuer() -> None:
    alone = answered(Answer().der, above=())
    assert inconclusive(checks.test_staple_can_be_used, **alone).because == "chain.incomplete"


WILDCARD = GOOD.named("*.example.com")


def test_wildcard_of_a_website_passes() -> None:
    web = parse_endpoint("https://www.example.com")
    assert passes(names.test_wildcard_is_of_one_service, endpoint=web, certificate=certificate(WILDCARD))
    assert not_applicable(names.test_wildcard_is_of_one_service, endpoint=web, certificate=certificate(GOOD))


@pytest.mark.parametrize(
    ("url", "name", "message"),
    [
        ("smtp://www.example.com", "*.example.com", "every website"),
        ("https://www.example.com", "*.co.uk", "public suffix"),
    ],
)
def test_wildcard_that_covers_more_is_found(url: str, name: str, message: str) -> None:
    seen = {"endpoint": parse_endpoint(url), "certificate": certificate(GOOD.named(name))}
    assert message in finding(names.test_wildcard_is_of_one_service, **seen).reason


def test_served_root_is_named() -> None:
    assert passes(chains.test_root_left_out, chain=chain(GOOD, INTERMEDIATE))
    found = finding(chains.test_root_left_out, chain=chain(GOOD, INTERMEDIATE, ROOT))
    assert found.observed == ("CN=Root",)


def test_served_root_without_trust_is_another_finding() -> None:
    assert passes(chains.test_root_left_out, chain=chain(GOOD, INTERMEDIATE, ROOT, anchors=public(ca("CN=Other"))))


def test_key_of_an_intermediate_has_the_limits_of_a_leaf_key() -> None:
    weak = ca("CN=Weak", ROOT).with_key(rsa_key(1024))
    assert passes(chains.test_intermediates_keys_are_strong, chain=chain(GOOD), policy=WEBPKI)
    found = finding(chains.test_intermediates_keys_are_strong, chain=chain(GOOD.by(weak), weak), policy=WEBPKI)
    assert found.reason == "CN=Weak: RSA with 1024 bits; at least 2048 are required"


def test_intermediate_key_check_is_not_applicable_without_one() -> None:
    assert not_applicable(chains.test_intermediates_keys_are_strong, chain=chain(GOOD.by(ROOT), ROOT), policy=WEBPKI)


def test_path_violation_is_found_even_if_no_rule_applies_to_the_leaf() -> None:
    """A rule that is newer than the leaf does not end the check before the path is validated."""
    later = tuple(replace(rule, since=day(2099, 1, 1)) for rule in PROFILE_RULES)
    violation = PathViolation("BR 7.1.4.3", "leaf", "the common name is not a copy of a name", "profile", 0)
    with pytest.raises(Finding, match="the common name is not a copy") as found:
        require_rules(rule_faults(certificate(SOUND), later, (violation,)))
    assert found.value.remedy is None
    above = replace(violation, place="anchor (CN=Root)", position=2)
    with pytest.raises(Finding) as found:
        require_rules(rule_faults(certificate(SOUND), later, (above,)))
    assert found.value.remedy == "manual"
