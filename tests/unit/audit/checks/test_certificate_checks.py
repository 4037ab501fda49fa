"""Tests of the checks of the leaf: pass, finding, not applicable and inconclusive."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from audit.checks import test_certificate as checks
from audit.policy import Policy, load_profile
from audit.x509.path.served_chain import read_chain
from tests.support.endpoint_facts import (
    CPANEL,
    GOOD,
    INTERMEDIATE,
    NAMED_WEBPKI,
    PRIVATE,
    ROOT,
    WEBPKI,
    certificate,
    certificate_file,
    chain,
    host,
    observed,
    private,
    public,
    served,
)
from tests.support.verdicts import finding, inconclusive, not_applicable, passes
from tests.support.x509.certificates import DAY, NOW, Draft, ca, leaf, rsa_key

SEEN = observed(served())
SNAKEOIL = observed(served(), server=replace(host(), snakeoil=True))


def dates(draft: Draft, policy: Policy = WEBPKI) -> dict[str, object]:
    """Return the facts that the checks of expiry need."""
    return {"certificate": certificate(draft), "policy": policy, "observation": SEEN, "now": NOW}


def expired(draft: Draft) -> dict[str, object]:
    """Return the facts that the check of expired certificates needs."""
    return {"certificate": certificate(draft), "observation": SEEN, "now": NOW}


def leaf_facts(draft: Draft, policy: Policy = WEBPKI) -> dict[str, object]:
    """Return the facts that the checks of a leaf's contents need."""
    return {"certificate": certificate(draft), "policy": policy, "observation": SEEN}


def test_certificate_within_its_validity_has_not_expired() -> None:
    assert passes(checks.test_not_expired, **expired(GOOD))


def test_validity_includes_its_last_second() -> None:
    assert passes(checks.test_not_expired, **expired(GOOD.ending(NOW)))
    assert finding(checks.test_not_expired, **expired(GOOD.ending(NOW - timedelta(seconds=1))))


def test_finding_about_an_expired_certificate_has_the_date() -> None:
    found = finding(checks.test_not_expired, **expired(GOOD.ending(NOW - 3 * DAY - timedelta(hours=2))))
    assert found.reason == "expired 3 days 2 h ago (2026-11-20 08:00 UTC)"
    assert found.remedy == "reissue"


def test_remedy_is_reload_if_the_successor_is_on_the_host() -> None:
    seen = observed(served(), server=host(certificate_file(GOOD)))
    old = certificate(GOOD.ending(NOW - DAY))
    assert finding(checks.test_not_expired, certificate=old, observation=seen, now=NOW).remedy == "reload"


def test_expired_certificate_is_neither_expiring_nor_due() -> None:
    gone = GOOD.ending(NOW - DAY)
    assert "cert.expired" in not_applicable(checks.test_not_expiring, **dates(gone)).reason
    assert "cert.expired" in not_applicable(checks.test_not_due_for_renewal, **dates(gone)).reason


def test_expiring_certificate_is_not_also_due() -> None:
    late = GOOD.starting(NOW - 85 * DAY)
    assert finding(checks.test_not_expiring, **dates(late))
    assert "cert.expiring" in not_applicable(checks.test_not_due_for_renewal, **dates(late)).reason


def test_certificate_is_due_with_less_than_a_third_of_its_validity() -> None:
    due = GOOD.starting(NOW - 61 * DAY)
    found = finding(checks.test_not_due_for_renewal, **dates(due))
    assert found.reason.endswith("the policy webpki renews certificates 30 days before their end (1/3 of their life)")
    assert passes(checks.test_not_expiring, **dates(due))


def test_certificate_is_not_due_with_more_than_a_third_of_its_validity() -> None:
    assert passes(checks.test_not_due_for_renewal, **dates(GOOD.starting(NOW - 59 * DAY)))


@pytest.mark.parametrize(("age", "is_due"), [(2 * DAY, False), (4 * DAY, True)])
def test_certificate_of_six_days_is_due_at_half_of_its_validity(age: timedelta, is_due: bool) -> None:  # noqa: FBT001 - a table
    facts = dates(GOOD.lasting(6 * DAY).starting(NOW - age))
    assert passes(checks.test_not_due_for_renewal, **facts) is not is_due
    assert passes(checks.test_not_expiring, **facts)


def test_certificate_of_six_days_is_expiring_on_its_last_day() -> None:
    facts = dates(GOOD.lasting(6 * DAY).starting(NOW - 5 * DAY - timedelta(hours=3)))
    assert "renews certificates 1 day before" in finding(checks.test_not_expiring, **facts).reason


def test_panel_renews_certificates_of_other_issuers_three_days_before() -> None:
    ending = GOOD.ending(datetime(2026, 11, 25, 13, tzinfo=UTC))
    found = finding(checks.test_not_expiring, **dates(ending, CPANEL))
    assert found.reason == (
        "expires in 2 days 3 h (2026-11-25 13:00 UTC); the policy cpanel renews third-party certificates 3 days before"
    )
    assert found.policy == "cpanel"
    assert passes(checks.test_not_expiring, **dates(GOOD.ending(NOW + 4 * DAY), CPANEL))


def test_panel_renews_certificates_of_its_own_issuer_25_days_before() -> None:
    own = leaf().by(ca("CN=cPanel\\, Inc. Certification Authority,O=cPanel\\, Inc."))
    assert finding(checks.test_not_expiring, **dates(own.ending(NOW + 24 * DAY), CPANEL))
    assert passes(checks.test_not_expiring, **dates(own.ending(NOW + 26 * DAY), CPANEL))


def test_stricter_of_two_policies_applies_and_is_named() -> None:
    both = Policy((load_profile("cpanel"), load_profile("webpki")), is_named=True)
    found = finding(checks.test_not_expiring, **dates(GOOD.starting(NOW - 85 * DAY), both))
    assert found.policy == "webpki"
    assert "the policy webpki" in found.reason


def test_validity_that_has_begun_passes() -> None:
    assert passes(checks.test_already_valid, **dates(GOOD))


def test_validity_may_begin_later_by_the_clock_tolerance() -> None:
    assert passes(checks.test_already_valid, **dates(GOOD.starting(NOW + timedelta(minutes=5))))
    found = finding(checks.test_already_valid, **dates(GOOD.starting(NOW + timedelta(minutes=6))))
    assert found.remedy == "reissue"


def test_wrong_clock_of_host_is_fixed_before_its_certificate() -> None:
    seen = observed(served(), server=replace(host(), clock_offset_s=-7200.0))
    facts = dates(GOOD.starting(NOW + DAY)) | {"observation": seen}
    found = finding(checks.test_already_valid, **facts)
    assert found.remedy == "host"
    assert found.reason.endswith("the host's clock is off: fix that first (ops.clock-skew)")


def test_allowed_signature_digest_is_strong() -> None:
    assert passes(checks.test_signed_strongly, chain=chain(GOOD), policy=WEBPKI)


def test_ed25519_signature_is_weak_for_public_clients_only() -> None:
    issuer = replace(ROOT, key=ed25519.Ed25519PrivateKey.generate(), subject="CN=Ed")
    seen = chain(leaf().by(issuer), issuer, anchors=private(issuer))
    assert "Ed25519" in finding(checks.test_signed_strongly, chain=seen, policy=WEBPKI).reason
    assert passes(checks.test_signed_strongly, chain=seen, policy=PRIVATE)


def test_certificate_with_a_san_passes() -> None:
    assert passes(checks.test_names_in_san, **leaf_facts(GOOD))
    assert passes(checks.test_names_in_san, **leaf_facts(GOOD.named("192.0.2.7")))


def test_common_name_without_a_san_is_found() -> None:
    assert "CN=www.example.com" in str(finding(checks.test_names_in_san, **leaf_facts(GOOD.named())).observed)


def test_server_authentication_usage_passes() -> None:
    assert passes(checks.test_issued_for_servers, **leaf_facts(GOOD))


def test_client_certificate_is_found() -> None:
    found = finding(checks.test_issued_for_servers, **leaf_facts(GOOD.used_for(ExtendedKeyUsageOID.CLIENT_AUTH)))
    assert found.reason == "the extended key usage is clientAuth; serverAuth is required"


def test_missing_usage_is_found_by_the_public_policy_only() -> None:
    assert finding(checks.test_issued_for_servers, **leaf_facts(GOOD.used_for())).policy == "webpki"
    assert passes(checks.test_issued_for_servers, **leaf_facts(GOOD.used_for(), PRIVATE))


def test_any_extended_key_usage_passes_the_private_policy_only() -> None:
    draft = GOOD.used_for(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    assert finding(checks.test_issued_for_servers, **leaf_facts(draft))
    assert passes(checks.test_issued_for_servers, **leaf_facts(draft, PRIVATE))


def test_certificate_signed_by_a_ca_is_not_self_signed() -> None:
    assert passes(checks.test_not_self_signed, chain=chain(GOOD), **leaf_facts(GOOD))


def test_certificate_signed_with_its_own_key_is_self_signed() -> None:
    assert finding(checks.test_not_self_signed, chain=chain(leaf()), **leaf_facts(leaf())).remedy is None


def test_certificate_with_issuer_as_subject_alone_is_not_self_signed() -> None:
    draft = leaf().by(replace(ca("CN=www.example.com"), key=rsa_key(2048)))
    assert passes(checks.test_not_self_signed, chain=chain(draft), **leaf_facts(draft))


def test_self_signed_check_does_not_apply_to_a_trust_anchor() -> None:
    seen = chain(leaf(), anchors=private(leaf()))
    assert "corp.pem" in not_applicable(checks.test_not_self_signed, chain=seen, **leaf_facts(leaf())).reason


@pytest.mark.parametrize("check", [checks.test_names_in_san, checks.test_issued_for_servers])
def test_placeholder_is_one_finding(check: object) -> None:
    facts = leaf_facts(leaf()) | {"observation": SNAKEOIL}
    assert inconclusive(check, **facts).because == "svc.certificate-missing"  # type: ignore[arg-type] # a check


@pytest.mark.parametrize(
    ("start", "days"),
    [
        (datetime(2016, 7, 2, tzinfo=UTC), 1188),
        (datetime(2018, 3, 2, tzinfo=UTC), 825),
        (datetime(2020, 9, 1, tzinfo=UTC), 398),
        (datetime(2026, 3, 14, 23, 59, 59, tzinfo=UTC), 398),
        (datetime(2026, 3, 15, tzinfo=UTC), 200),
        (datetime(2027, 3, 15, tzinfo=UTC), 100),
        (datetime(2029, 3, 15, tzinfo=UTC), 47),
    ],
)
def test_validity_limit_is_that_of_the_day_of_issue_to_the_second(start: datetime, days: int) -> None:
    longest = GOOD.starting(start).lasting(days * DAY)
    over = longest.lasting(days * DAY + timedelta(seconds=1))
    assert passes(checks.test_validity_within_limit, chain=chain(longest), **leaf_facts(longest))
    found = finding(checks.test_validity_within_limit, chain=chain(over), **leaf_facts(over))
    assert "1 s too long" in found.reason
    assert f"the limit is {days} days" in found.reason


def test_public_validity_limit_does_not_apply_to_a_private_issuer() -> None:
    draft = GOOD.lasting(398 * DAY)
    facts = leaf_facts(draft) | {"chain": chain(draft, anchors=private())}
    assert not_applicable(checks.test_validity_within_limit, **facts)


def test_named_policy_applies_to_a_private_issuer() -> None:
    draft = GOOD.lasting(398 * DAY)
    facts = leaf_facts(draft, NAMED_WEBPKI) | {"chain": chain(draft, anchors=private())}
    assert finding(checks.test_validity_within_limit, **facts).policy == "webpki"


def test_private_policy_has_its_own_validity_limit() -> None:
    draft = GOOD.lasting(826 * DAY)
    facts = leaf_facts(draft, PRIVATE) | {"chain": chain(draft, anchors=private())}
    assert "825 days" in finding(checks.test_validity_within_limit, **facts).reason


def test_public_validity_limit_is_inconclusive_for_an_incomplete_chain() -> None:
    draft = GOOD.lasting(398 * DAY)
    facts = leaf_facts(draft) | {"chain": chain(draft, leaf("else.example.com"))}
    assert inconclusive(checks.test_validity_within_limit, **facts).because == "chain.incomplete"


def test_readable_chain_is_not_malformed() -> None:
    assert passes(checks.test_readable, chain=chain(GOOD))


def test_finding_about_an_unreadable_leaf_has_place_and_reason() -> None:
    found = finding(checks.test_readable, chain=read_chain((b"\x30\x00", INTERMEDIATE.der), public(), NOW))
    assert found.reason.startswith("the leaf's Certificate: ")
    assert found.remedy == "reissue"


def test_remedy_for_an_unreadable_intermediate_is_rechain() -> None:
    seen = read_chain((GOOD.der, b"\x30\x00", INTERMEDIATE.der), public(), NOW)
    assert finding(checks.test_readable, chain=seen).remedy == "rechain"
    assert seen.is_anchored
