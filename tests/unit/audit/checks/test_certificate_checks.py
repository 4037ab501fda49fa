"""Tests of the checks of the leaf: pass, finding, not applicable and inconclusive."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from audit.analysis.chains import chain_faults
from audit.checks import test_certificate as checks
from audit.policy import Policy, load_profile
from audit.x509.path.served_chain import Chain, read_chain
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
from tests.support.verdicts import PASS, Row, exempt, fail, require_verdict, unsure, verdicts
from tests.support.x509.certificates import DAY, NOW, Draft, ca, leaf, rsa_key

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
SNAKEOIL = observed(served(), server=replace(host(), snakeoil=True))
OLD = GOOD.ending(NOW - DAY)
LATE = GOOD.starting(NOW - 85 * DAY)
SHORT = GOOD.lasting(6 * DAY)
OWN = leaf().by(ca("CN=cPanel\\, Inc. Certification Authority,O=cPanel\\, Inc."))
BOTH = Policy((load_profile("cpanel"), load_profile("webpki")), is_named=True)
REISSUED = replace(leaf(), serial=7)  # with the same name and key
EDWARDS = replace(ROOT, key=ed25519.Ed25519PrivateKey.generate(), subject="CN=Ed")
LONG = GOOD.lasting(398 * DAY)


def of(draft: Draft, policy: Policy = WEBPKI, **other: object) -> dict[str, object]:
    """Return all facts of a certificate that is served alone with the good intermediate."""
    known = {"certificate": certificate(draft), "chain": chain(draft), "policy": policy}
    return {**known, "observation": observed(served()), "now": NOW, **other}


def under() -> Chain:
    """Return the chain of a long certificate under an anchor of the user."""
    return chain(LONG, anchors=private())


@verdicts({
    "within its validity": (checks.test_not_expired, of(GOOD), PASS),
    "in its last second": (checks.test_not_expired, of(GOOD.ending(NOW)), PASS),
    "a second later": (checks.test_not_expired, of(GOOD.ending(NOW - SECOND)), fail()),
    "date and remedy": (
        checks.test_not_expired, of(GOOD.ending(NOW - 3 * DAY - 2 * HOUR)),
        fail(reason="expired 3 days 2 h ago (2026-11-20 08:00 UTC)", remedy="reissue"),
    ),
    "the successor is on the host": (
        checks.test_not_expired, of(OLD, observation=observed(served(), server=host(certificate_file(GOOD)))),
        fail(remedy="reload"),
    ),
    "expired and not also expiring": (checks.test_not_expiring, of(OLD), exempt("cert.expired")),
    "expired and not also due": (checks.test_not_due_for_renewal, of(OLD), exempt("cert.expired")),
    "expiring": (checks.test_not_expiring, of(LATE), fail()),
    "expiring and not also due": (checks.test_not_due_for_renewal, of(LATE), exempt("cert.expiring")),
    "less than a third is left": (
        checks.test_not_due_for_renewal, of(GOOD.starting(NOW - 61 * DAY)),
        fail("; the policy webpki renews certificates 30 days before their end (1/3 of their life)"),
    ),
    "due and not yet expiring": (checks.test_not_expiring, of(GOOD.starting(NOW - 61 * DAY)), PASS),
    "more than a third is left": (checks.test_not_due_for_renewal, of(GOOD.starting(NOW - 59 * DAY)), PASS),
    "six days, more than half is left": (checks.test_not_due_for_renewal, of(SHORT.starting(NOW - 2 * DAY)), PASS),
    "six days, less than half is left": (checks.test_not_due_for_renewal, of(SHORT.starting(NOW - 4 * DAY)), fail()),
    "six days, two days are left": (checks.test_not_expiring, of(SHORT.starting(NOW - 4 * DAY)), PASS),
    "six days, the last day": (
        checks.test_not_expiring, of(SHORT.starting(NOW - 5 * DAY - 3 * HOUR)),
        fail("renews certificates 1 day before"),
    ),
    "the stricter of two policies": (
        checks.test_not_expiring, of(LATE, BOTH), fail("the policy webpki", policy="webpki"),
    ),
})  # fmt: skip
def test_expiry_is_judged_by_the_margins_of_the_policy(row: Row) -> None:
    require_verdict(row)


@verdicts({
    "another issuer on a panel": (
        checks.test_not_expiring, of(GOOD.ending(datetime(2026, 11, 25, 13, tzinfo=UTC)), CPANEL),
        fail(reason="expires in 2 days 3 h (2026-11-25 13:00 UTC); the policy cpanel renews third-party certificates"
                    " 3 days before", policy="cpanel"),
    ),
    "another issuer, four days are left": (checks.test_not_expiring, of(GOOD.ending(NOW + 4 * DAY), CPANEL), PASS),
    "the panel's own issuer, 24 days": (checks.test_not_expiring, of(OWN.ending(NOW + 24 * DAY), CPANEL), fail()),
    "the panel's own issuer, 26 days": (checks.test_not_expiring, of(OWN.ending(NOW + 26 * DAY), CPANEL), PASS),
})  # fmt: skip
def test_panel_renews_3_or_25_days_before_by_the_issuer(row: Row) -> None:
    require_verdict(row)


@verdicts({
    "has begun": (checks.test_already_valid, of(GOOD), PASS),
    "begins within the tolerance": (checks.test_already_valid, of(GOOD.starting(NOW + timedelta(minutes=5))), PASS),
    "begins later": (
        checks.test_already_valid, of(GOOD.starting(NOW + timedelta(minutes=6))),
        fail("not valid until 2026-11-23 10:06 UTC, in 6 min", remedy="reissue"),
    ),
    "the clock of the host is wrong": (
        checks.test_already_valid,
        of(GOOD.starting(NOW + DAY), observation=observed(served(), server=replace(host(), clock_offset_s=-7200.0))),
        fail("; the host's clock is off: fix that first (ops.clock-skew)", remedy="host"),
    ),
})  # fmt: skip
def test_validity_may_begin_within_the_clock_tolerance(row: Row) -> None:
    require_verdict(row)


@verdicts({
    "SHA-256": (checks.test_signed_strongly, of(GOOD), PASS),
    "Ed25519, public clients": (
        checks.test_signed_strongly,
        of(GOOD, chain=chain(leaf().by(EDWARDS), EDWARDS, anchors=private(EDWARDS))), fail("Ed25519"),
    ),
    "Ed25519, private clients": (
        checks.test_signed_strongly,
        of(GOOD, PRIVATE, chain=chain(leaf().by(EDWARDS), EDWARDS, anchors=private(EDWARDS))), PASS,
    ),
    "a SAN": (checks.test_names_in_san, of(GOOD), PASS),
    "a SAN with an address": (checks.test_names_in_san, of(GOOD.named("192.0.2.7")), PASS),
    "a common name alone": (checks.test_names_in_san, of(GOOD.named()), fail(observed="subject CN=www.example.com")),
    "names of a placeholder": (
        checks.test_names_in_san, of(leaf(), observation=SNAKEOIL), unsure(because="svc.certificate-missing"),
    ),
    "serverAuth": (checks.test_issued_for_servers, of(GOOD), PASS),
    "clientAuth": (
        checks.test_issued_for_servers, of(GOOD.used_for(ExtendedKeyUsageOID.CLIENT_AUTH)),
        fail(reason="the extended key usage is clientAuth; serverAuth is required"),
    ),
    "no usage, public": (checks.test_issued_for_servers, of(GOOD.used_for()), fail(policy="webpki")),
    "no usage, private": (checks.test_issued_for_servers, of(GOOD.used_for(), PRIVATE), PASS),
    "any usage, public": (
        checks.test_issued_for_servers, of(GOOD.used_for(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)), fail(),
    ),
    "any usage, private": (
        checks.test_issued_for_servers, of(GOOD.used_for(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE), PRIVATE), PASS,
    ),
    "usage of a placeholder": (
        checks.test_issued_for_servers, of(leaf(), observation=SNAKEOIL), unsure(because="svc.certificate-missing"),
    ),
    "signed by a CA": (checks.test_not_self_signed, of(GOOD), PASS),
    "signed with its own key": (checks.test_not_self_signed, of(leaf()), fail(remedy=None)),
    "issuer of the same name": (
        checks.test_not_self_signed, of(leaf().by(replace(ca("CN=www.example.com"), key=rsa_key(2048)))), PASS,
    ),
    "with the name and key of a trust anchor": (
        checks.test_not_self_signed, of(leaf(), chain=chain(leaf(), anchors=private(REISSUED))), fail(),
    ),
    "a trust anchor": (
        checks.test_not_self_signed, of(leaf(), chain=chain(leaf(), anchors=private(leaf()))), exempt("corp.pem"),
    ),
})  # fmt: skip
def test_signature_names_and_usage_are_those_of_a_server(row: Row) -> None:
    require_verdict(row)


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
    too_long = fail("1 s too long", f"the limit is {days} days for certificates issued from ")
    require_verdict((checks.test_validity_within_limit, of(longest), PASS))
    require_verdict((checks.test_validity_within_limit, of(longest.lasting(days * DAY + SECOND)), too_long))


@verdicts({
    "a private issuer": (checks.test_validity_within_limit, of(LONG, chain=under()), exempt()),
    "a private issuer, named policy": (
        checks.test_validity_within_limit, of(LONG, NAMED_WEBPKI, chain=under()), fail(policy="webpki"),
    ),
    "limit of the private policy": (
        checks.test_validity_within_limit, of(GOOD.lasting(826 * DAY), PRIVATE, chain=under()), fail("825 days"),
    ),
    "issued before any limit": (
        checks.test_validity_within_limit, of(GOOD.starting(NOW - 9999 * DAY).lasting(9000 * DAY)), PASS,
    ),
    "a placeholder": (
        checks.test_validity_within_limit, of(LONG, observation=SNAKEOIL), unsure(because="svc.certificate-missing"),
    ),
    "an incomplete chain": (
        checks.test_validity_within_limit, of(LONG, chain=chain(LONG, leaf("else.example.com"))),
        unsure(because="chain.incomplete"),
    ),
})  # fmt: skip
def test_validity_limit_binds_public_issuers_and_named_policies(row: Row) -> None:
    require_verdict(row)


def unread(*ders: bytes) -> dict[str, object]:
    """Return the fact of a chain of these certificates."""
    return {"chain": read_chain(ders, public(), NOW)}


@verdicts({
    "readable": (checks.test_readable, of(GOOD), PASS),
    "unreadable leaf": (
        checks.test_readable, unread(b"\x30\x00", INTERMEDIATE.der),
        fail("the leaf's Certificate: ", remedy="reissue"),
    ),
    "unreadable intermediate": (
        checks.test_readable, unread(GOOD.der, b"\x30\x00", INTERMEDIATE.der), fail(remedy="rechain"),
    ),
})  # fmt: skip
def test_unreadable_certificate_is_found_with_its_place(row: Row) -> None:
    require_verdict(row)


def test_unreadable_leaf_with_name_and_key_of_an_anchor_is_found() -> None:
    duplicate = replace(
        leaf(), extra=(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.32"), b"\x02\x01\x01"),)
    )
    assert chain_faults(chain(duplicate, anchors=private(leaf())))
    assert not chain_faults(chain(duplicate, anchors=private(duplicate)))


def test_chain_with_an_unreadable_intermediate_is_anchored() -> None:
    assert read_chain((GOOD.der, b"\x30\x00", INTERMEDIATE.der), public(), NOW).is_anchored
