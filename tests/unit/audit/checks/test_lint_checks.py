"""Tests of the lint checks, and of those of stapling, wildcards and the certificates after the leaf."""

from __future__ import annotations

from dataclasses import replace
from inspect import signature

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from audit.analysis.lint_scope import rule_faults
from audit.checks import test_certificate as checks
from audit.checks import test_chain as chains
from audit.checks import test_names as names
from audit.checks.assertions import require_rules
from audit.endpoint import parse_endpoint
from audit.policy import Policy, load_profile
from audit.verdict import Finding
from audit.x509.lint import day
from audit.x509.lint.profile import PROFILE_RULES
from audit.x509.path.served_chain import read_chain
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
from tests.support.verdicts import PASS, Check, Row, exempt, fail, finding, require_verdict, unsure, verdicts
from tests.support.x509.certificates import DAY, NOW, Draft, ca, rsa_key
from tests.support.x509.ocsp_responses import ASKED, CA, LEAF, REVOKED, UNKNOWN, Answer, delegate
from tests.support.x509.ocsp_responses import ROOT as REVOCATION_ROOT
from tests.support.x509.paths import Made, san
from tests.unit.audit.x509.test_lint_rules import PLACES, POLICY, SOUND

STAPLE = x509.TLSFeature([x509.TLSFeatureType.status_request])
LINTED = (
    checks.test_profile_is_a_servers,
    checks.test_revocable,
    checks.test_logged_enough,
    names.test_names_are_public,
)
FAULTY = GOOD.named("host.corp").starting(day(2026, 10, 1))


def facts(draft: Draft, policy: Policy = WEBPKI, *, is_public: bool = True) -> dict[str, object]:
    """Return the facts that a lint check needs."""
    anchors = public() if is_public else private()
    return {
        "certificate": certificate(draft),
        "chain": chain(draft, anchors=anchors),
        "observation": observed(served(draft, INTERMEDIATE)),
        "policy": policy,
        "log_list": None,
        "now": NOW,
    }


def named(check: Check) -> str:
    return check.__name__


OWN = replace(FAULTY, issuer=None)
SNAKEOIL = observed(served(), server=replace(host(), snakeoil=True))


@verdicts({
    f"{name}: {check.__name__}": (check, given, expected)
    for check in LINTED
    for name, given, expected in (
        ("good", facts(SOUND), PASS),
        ("private CA", facts(FAULTY, is_public=False), exempt("not publicly trusted")),
        ("no issuer", {**facts(FAULTY), "chain": chain(FAULTY, GOOD)}, unsure(because="chain.incomplete")),
        ("self-signed", facts(OWN, NAMED_WEBPKI), unsure(because="cert.self-signed")),
        ("placeholder", {**facts(FAULTY), "observation": SNAKEOIL}, unsure(because="svc.certificate-missing")),
        ("trust anchor", {**facts(OWN), "chain": chain(OWN, anchors=private(OWN))}, exempt("trust anchor")),
        ("older than the rule", facts(FAULTY.starting(day(1998, 1, 1))), exempt("the rule applies from")),
        ("any CA, named policy", facts(FAULTY, NAMED_WEBPKI, is_public=False),
         exempt() if check is checks.test_logged_enough else fail()),
    )
})  # fmt: skip
def test_rules_apply_to_certificates_of_public_cas(row: Row) -> None:
    require_verdict(row)


@pytest.mark.parametrize("check", LINTED, ids=named)
def test_faulty_certificate_is_found_with_its_clause(check: Check) -> None:
    taken = signature(check).parameters
    found = finding(check, **{name: fact for name, fact in facts(FAULTY).items() if name in taken})
    assert found.required
    assert f"({found.required[0]})" in found.reason


URI_TOO = san("www.example.com", x509.UniformResourceIdentifier("/home"))


@pytest.mark.parametrize(
    ("draft", "words"),
    [
        (
            replace(SOUND.named(), extra=(*SOUND.extra, URI_TOO)),
            "the URI '/home' in subjectAltName has no scheme or is malformed (RFC 5280 4.2.1.6)",
        ),
        (
            replace(SOUND, subject="CN=www.example.com,O=Example,O=Example"),
            "its subject has organizationName more than once (BR 7.1.4.1)",
        ),
    ],
)
def test_fault_of_names_is_a_finding_of_the_profile_check(draft: Draft, words: str) -> None:
    require_verdict((checks.test_profile_is_a_servers, facts(draft), fail(words)))


def test_ca_that_breaks_only_the_rules_is_found_by_the_profile_check() -> None:
    given = facts(replace(GOOD, extra=(POLICY, PLACES)))
    words = "intermediate 1 (CN=Intermediate): it is a CA's and has no keyUsage"
    require_verdict((checks.test_profile_is_a_servers, given, fail(words, remedy="manual")))
    require_verdict((chains.test_path_is_accepted, given, PASS))


def test_private_policy_leaves_out_rules_for_public_cas() -> None:
    left_out = ("cert.profile-br", "cert.internal-name", "cert.no-revocation-info", "cert.sct-insufficient")
    assert not any(PRIVATE.applies(check) for check in (*left_out, "cert.eku-clientauth"))
    assert Policy((load_profile("webpki"), load_profile("private-pki"))).applies("cert.profile-br")


UNREADABLE_POLICIES = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.32"), b"\x02\x01\x01")
CLIENT_TOO = SOUND.used_for(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
SIGNS = SOUND.used_for(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CODE_SIGNING)
BOUND, NO_RESPONDER = replace(GOOD, extra=(STAPLE, PLACES)), replace(GOOD, extra=(STAPLE,))


def stapling(draft: Draft, *staples: bytes | None) -> dict[str, object]:
    """Return the facts of a certificate that is served with these stapled responses, each at an address of its own."""
    shown = (
        replace(served(draft, INTERMEDIATE, address=f"192.0.2.{number}"), ocsp_der=staple)
        for number, staple in enumerate(staples, 7)
    )
    return {"certificate": certificate(draft), "observation": observed(*shown)}


def answered(staple: bytes | None, above: tuple[Made, ...] = (CA,)) -> dict[str, object]:
    """Return the facts of a certificate that was served with a stapled response."""
    sent = tuple(made.der for made in (ASKED, *above))
    known = read_chain(sent, TrustAnchors({"mozilla": [REVOCATION_ROOT.der]}), NOW)
    handshake = replace(served(), ocsp_der=staple, chain_der=tuple(member.der for member in known.certificates))
    return {"chain": known, "observation": observed(handshake), "policy": WEBPKI}


OLD_ANSWER = Answer(this_update=NOW - 3 * DAY, next_update=NOW - 2 * DAY)
must_staple, usable = checks.test_stapled_where_it_must, checks.test_staple_can_be_used


@verdicts({
    "field that cannot be read": (
        checks.test_profile_is_a_servers, facts(replace(SOUND, extra=(UNREADABLE_POLICIES, PLACES))),
        unsure(because="cert.malformed"),
    ),
    "client too, before the date": (checks.test_not_issued_for_clients_too, facts(CLIENT_TOO), exempt("2027-03-15")),
    "client too": (
        checks.test_not_issued_for_clients_too, facts(CLIENT_TOO.starting(day(2027, 3, 15))),
        fail("only serverAuth is allowed"),
    ),
    "code signing, public": (checks.test_issued_for_servers, facts(SIGNS), fail("codeSigning is forbidden")),
    "code signing, private": (checks.test_issued_for_servers, facts(SIGNS, PRIVATE), PASS),
    "no must-staple": (must_staple, facts(GOOD), exempt()),
    "must-staple, stapled": (must_staple, stapling(BOUND, b"answer"), PASS),
    "must-staple, stapled on the host and not shown": (must_staple, stapling(BOUND, b""), PASS),
    "must-staple, not stapled at one address": (
        must_staple, stapling(BOUND, b"answer", None), fail(observed=["192.0.2.8"], remedy="configure"),
    ),
    "must-staple without a responder": (must_staple, stapling(NO_RESPONDER, None), fail(remedy="reissue")),
    "staple of the issuer": (usable, answered(Answer().der), PASS),
    "staple of a delegate": (usable, answered(Answer().by(delegate()).der), PASS),
    "no staple": (usable, answered(None), exempt()),
    "staple revoked": (usable, answered(Answer(status=REVOKED).der), PASS),
    "staple expired": (usable, answered(OLD_ANSWER.der), fail("stapled at 192.0.2.7: ")),
    "staple unknown": (usable, answered(Answer(status=UNKNOWN).der), fail("stapled at 192.0.2.7: ")),
    "staple of a wrong signer": (usable, answered(Answer().by(LEAF).der), fail("stapled at 192.0.2.7: ")),
    "staple garbage": (usable, answered(b"garbage"), fail("stapled at 192.0.2.7: ")),
    "staple without the issuer": (usable, answered(Answer().der, above=()), unsure(because="chain.incomplete")),
})  # fmt: skip
def test_usage_and_staple_are_those_of_a_server(row: Row) -> None:
    require_verdict(row)


def name_at(url: str, name: str) -> dict[str, object]:
    """Return the facts of an endpoint with a certificate for a name."""
    return {"endpoint": parse_endpoint(url), "certificate": certificate(GOOD.named(name))}


WEAK = ca("CN=Weak", ROOT).with_key(rsa_key(1024))
wildcard, root_left_out = names.test_wildcard_is_of_one_service, chains.test_root_left_out
ca_keys = chains.test_intermediates_keys_are_strong


@verdicts({
    "wildcard of a website": (wildcard, name_at("https://www.example.com", "*.example.com"), PASS),
    "no wildcard": (wildcard, name_at("https://www.example.com", "www.example.com"), exempt()),
    "wildcard of mail": (wildcard, name_at("smtp://www.example.com", "*.example.com"), fail("every website")),
    "wildcard of a suffix": (wildcard, name_at("https://www.example.com", "*.co.uk"), fail("public suffix")),
    "root left out": (root_left_out, {"chain": chain(GOOD, INTERMEDIATE)}, PASS),
    "root served": (root_left_out, {"chain": chain(GOOD, INTERMEDIATE, ROOT)}, fail(observed=("CN=Root",))),
    "untrusted root served": (
        root_left_out, {"chain": chain(GOOD, INTERMEDIATE, ROOT, anchors=public(ca("CN=Other")))}, PASS,
    ),
    "strong key of an intermediate": (ca_keys, facts(GOOD), PASS),
    "weak key of an intermediate": (ca_keys, {"chain": chain(GOOD.by(WEAK), WEAK), "policy": WEBPKI}, fail(
        reason="CN=Weak: RSA with 1024 bits; at least 2048 are required",
    )),
    "no intermediate": (ca_keys, {"chain": chain(GOOD.by(ROOT), ROOT), "policy": WEBPKI}, exempt()),
})  # fmt: skip
def test_wildcard_root_and_ca_keys_fit_their_use(row: Row) -> None:
    require_verdict(row)


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
