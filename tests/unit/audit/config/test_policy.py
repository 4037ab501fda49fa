"""Tests of a policy of several profiles: the strictest threshold and the highest severity apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import product
from typing import Any

import pytest

from audit.analysis.host_facts import clock_is_off
from audit.analysis.key_reuse import Sharing
from audit.analysis.revocation.responses import rules_of
from audit.checks import (
    check_of,
    test_certificate,
    test_chain,
    test_installed,
    test_key,
    test_protocol,
    test_revocation,
)
from audit.observation import HostView
from audit.policy import Policy, builtin_profiles, load_profile
from audit.policy.profile_file import THRESHOLDS
from audit.policy.thresholds import DatedLimit, Profile
from audit.verdict import Finding, Judgement, NotApplicable, Severity
from audit.x509.path.trust_store import TrustAnchors
from tests.support.endpoint_facts import (
    GOOD,
    INTERMEDIATE,
    certificate,
    chain,
    host,
    key_file,
    observed,
    private,
    served,
)
from tests.support.verdicts import finding, judged, passes
from tests.support.x509.certificates import DAY, NOW, Draft, leaf, rsa_key

LIMITS = load_profile("webpki").thresholds
ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)
RSA = leaf().with_key(rsa_key(2048)).by(INTERMEDIATE)
BRIEF = GOOD.lasting(8 * DAY)
PAIRS = list(product(builtin_profiles(), repeat=2))


@dataclass(frozen=True, slots=True)
class Seen:
    """A leaf and the other facts that a check is called with."""

    draft: Draft = GOOD
    anchors: TrustAnchors | None = None
    old: tuple[str, ...] = ()
    server: HostView | None = None

    def judge(self, check: Callable[..., None], policy: Policy) -> Judgement | None:
        """Return the judgement of a check."""
        handshake = served(self.draft, INTERMEDIATE, old=self.old)
        facts = {
            "certificate": certificate(self.draft),
            "chain": chain(self.draft, anchors=self.anchors),
            "observation": observed(handshake, server=self.server),
            "server": self.server,
            "policy": policy,
            "now": NOW,
        }
        named = check.__code__.co_varnames[: check.__code__.co_argcount]
        return judged(check, **{name: facts[name] for name in named})


@dataclass(frozen=True, slots=True)
class Case:
    """A value that admits what is seen, a stricter one that does not, and the check that distinguishes them."""

    check: Callable[..., None]
    lax: object
    strict: object
    seen: Seen = Seen()
    both: Mapping[str, Any] | None = None

    def profile(self, name: str, threshold: str, value: object) -> Profile:
        """Return a profile with that value of the threshold."""
        return of_thresholds(name, **{**(self.both or {}), threshold: value})


def left(days: int, draft: Draft = GOOD) -> Seen:
    """Return a certificate with this number of days left."""
    return Seen(draft.starting(NOW + days * DAY - draft.life))


def limit(days: int) -> tuple[DatedLimit, ...]:
    return (DatedLimit(ALWAYS, days),)


CASES = {
    "signature_digests": Case(test_certificate.test_signed_strongly, ("sha256",), ("sha384",)),
    "curves": Case(test_key.test_key_is_strong, ("P-256",), ("P-384",)),
    "key_kinds": Case(test_key.test_key_is_strong, (), ("EC",), Seen(RSA)),
    "rsa_bits_min": Case(test_key.test_key_is_strong, 2048, 3072, Seen(RSA)),
    "rsa_bits_multiple": Case(test_key.test_key_is_strong, 8, 4096, Seen(RSA)),
    "rsa_exponent_min": Case(test_key.test_key_is_strong, 3, 65539, Seen(RSA)),
    "rsa_exponent_bits_max": Case(test_key.test_key_is_strong, 256, 16, Seen(RSA)),
    "eku_required": Case(test_certificate.test_issued_for_servers, False, True, Seen(GOOD.used_for())),
    "validity_max": Case(test_certificate.test_validity_within_limit, limit(90), limit(89)),
    "validity_of_public_only": Case(
        test_certificate.test_validity_within_limit, True, False, Seen(anchors=private()), {"validity_max": limit(89)}
    ),
    "not_before_tolerance_s": Case(
        test_certificate.test_already_valid, 600, 60, Seen(GOOD.starting(NOW + timedelta(minutes=5)))
    ),
    "short_lived_days": Case(test_certificate.test_not_due_for_renewal, 10, 91, left(40)),
    "renewal_fraction": Case(
        test_certificate.test_not_due_for_renewal, Fraction(1, 3), Fraction(1, 2), left(40)
    ),
    "renewal_fraction_short_lived": Case(
        test_certificate.test_not_due_for_renewal, Fraction(1, 2), Fraction(3, 4), left(5, BRIEF)
    ),
    "expiring_fraction": Case(
        test_certificate.test_not_expiring, Fraction(15, 100), Fraction(30, 100), left(20)
    ),
    "expiring_days": Case(test_certificate.test_not_expiring, 3, 25, left(20)),
    "expiring_days_short_lived": Case(test_certificate.test_not_expiring, 1, 4, left(3, BRIEF)),
    "expiring_days_own": Case(
        test_certificate.test_not_expiring, 3, 25, left(20), {"own_issuers": ("Intermediate",)}
    ),
    "own_issuers": Case(
        test_certificate.test_not_expiring, (), ("Intermediate",), left(20), {"expiring_days_own": 25}
    ),
    "protocols_forbidden": Case(test_protocol.test_no_old_protocol, (), ("TLSv1",), Seen(old=("TLSv1",))),
    "key_owners": Case(test_key.test_key_is_private, ("root",), ("tls",), Seen(server=host(key_file()))),
    "key_groups": Case(
        test_key.test_key_is_private, ("root",), (), Seen(server=host(key_file(mode=0o640)))
    ),
    "placeholders": Case(test_installed.test_has_certificate_of_its_own, (), ("CN=www.example.com",)),
}  # fmt: skip
ELSEWHERE = {"clock_offset_max_s", "revocation_digests", "revocation_order", "revocation_exempt", "ocsp_ageless_s"}
OF_ALL_ENDPOINTS = {
    "key_hosts_max": Sharing(("a", "b", "c"), ("example.com",)),
    "key_subscribers_max": Sharing(("a",), ("example.com", "example.net", "example.org")),
}


def test_each_threshold_has_a_case() -> None:
    assert {*CASES, *ELSEWHERE, *OF_ALL_ENDPOINTS} == set(THRESHOLDS)


@pytest.mark.parametrize("threshold", CASES)
def test_strictest_threshold_applies_in_either_order_and_is_named(threshold: str) -> None:
    case = CASES[threshold]
    lax, strict = case.profile("lax", threshold, case.lax), case.profile("strict", threshold, case.strict)
    assert not isinstance(case.seen.judge(case.check, Policy((lax,))), Finding)
    for profiles in ((strict,), (lax, strict), (strict, lax), (lax, strict, lax)):
        found = case.seen.judge(case.check, Policy(profiles))
        assert isinstance(found, Finding), (profiles, found)
        assert found.policy == "strict"


@pytest.mark.parametrize(("threshold", "sharing"), OF_ALL_ENDPOINTS.items())
def test_strictest_limit_of_key_sharing_applies(threshold: str, sharing: Sharing) -> None:
    lax, strict = (of_thresholds(name, **{threshold: most}) for name, most in (("lax", 3), ("strict", 2)))
    assert passes(test_key.test_key_is_of_one_service, key_sharing=sharing, policy=Policy((lax,)))
    for profiles in ((strict,), (lax, strict), (strict, lax)):
        found = finding(test_key.test_key_is_of_one_service, key_sharing=sharing, policy=Policy(profiles))
        assert found.policy == "strict"


def of_thresholds(name: str, **values: object) -> Profile:
    return Profile(name, name, replace(LIMITS, **values))  # type: ignore[arg-type]  # any threshold


def test_smallest_limit_of_clock_offset_applies() -> None:
    late = replace(host(), clock_offset_s=90.0)
    lax, strict = of_thresholds("lax", clock_offset_max_s=120), of_thresholds("strict", clock_offset_max_s=60)
    assert not clock_is_off(late, Policy((lax,)))
    assert clock_is_off(late, Policy((lax, strict)))
    assert clock_is_off(late, Policy((strict, lax)))


def test_smallest_age_limit_of_ocsp_responses_applies() -> None:
    lax, strict = of_thresholds("lax", ocsp_ageless_s=86400), of_thresholds("strict", ocsp_ageless_s=60)
    policies = (Policy(profiles) for profiles in ((lax, strict), (strict, lax), (strict,)))
    tolerances = [rules_of(policy, chain()).tolerance for policy in policies]
    assert tolerances[0] == tolerances[1] == tolerances[2]


def test_revocation_order_is_that_of_the_first_profile() -> None:
    crl_first, ocsp_first = (of_thresholds(word, revocation_order=(word,)) for word in ("crl", "ocsp"))
    assert rules_of(Policy((crl_first, ocsp_first)), chain()).order == ("crl", "ocsp")
    assert rules_of(Policy((ocsp_first, crl_first)), chain()).order == ("ocsp", "crl")


def test_certificate_that_one_profile_does_not_exempt_is_checked() -> None:
    seen = Seen(GOOD)
    lax, strict = of_thresholds("lax", revocation_exempt=limit(90)), of_thresholds("strict", revocation_exempt=())
    for profiles, is_exempt in (((lax,), True), ((lax, strict), False), ((strict, lax), False)):
        end = seen.judge(test_revocation.test_not_revoked, Policy(profiles))
        assert (isinstance(end, NotApplicable) and "short-lived" in end.reason) is is_exempt


SEEN = {
    "good": Seen(),
    "long": Seen(GOOD.lasting(366 * DAY)),
    "longer": Seen(GOOD.lasting(900 * DAY)),
    "rsa": Seen(RSA),
    "small": Seen(leaf().with_key(rsa_key(1024)).by(INTERMEDIATE)),
    "usage": Seen(GOOD.used_for()),
    "late": left(2),
    "due": left(20),
    "old": Seen(old=("TLSv1.1",)),
    "group": Seen(server=host(key_file(mode=0o640))),
}
JUDGES = (*tuple({case.check for case in CASES.values()}), test_chain.test_intermediates_keys_are_strong)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_two_profiles_together_find_what_each_finds_alone(first: str, second: str) -> None:
    profiles = load_profile(first), load_profile(second)
    for name, seen in SEEN.items():
        for check in JUDGES:
            if "server" in check.__code__.co_varnames and seen.server is None:
                continue
            mark = check_of(check)
            assert mark
            own = [Policy((profile,), is_named=True) for profile in profiles if mark.id not in profile.disabled]
            alone = {policy.name for policy in own if isinstance(seen.judge(check, policy), Finding)}
            together = seen.judge(check, Policy(profiles, is_named=True).having(mark.id)) if own else None
            assert isinstance(together, Finding) == bool(alone), (name, mark.id, together)
            if isinstance(together, Finding):
                assert together.policy
                assert set(together.policy.split("+")) <= alone, (name, mark.id)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_highest_severity_of_built_in_profiles_applies_and_is_named(first: str, second: str) -> None:
    profiles = [load_profile(first), load_profile(second)]
    for check in {*profiles[0].severities, *profiles[1].severities}:
        enabled = [profile for profile in profiles if check not in profile.disabled]
        severity, source = Policy(tuple(profiles)).severity_of(check, Severity.MEDIUM)
        assert severity is max(
            (profile.severities.get(check, Severity.MEDIUM) for profile in enabled), key=lambda severity: severity.rank
        )
        assert not source or load_profile(source).severities[check] is severity


@pytest.mark.parametrize("level", Severity)
@pytest.mark.parametrize("other", Severity)
@pytest.mark.parametrize("default", Severity)
def test_highest_severity_of_two_profiles_or_the_default_applies(
    level: Severity, other: Severity, default: Severity
) -> None:
    first, second = (replace(of_thresholds(name), severities={"cert.expired": severity})
                     for name, severity in (("one", level), ("two", other)))  # fmt: skip
    silent = of_thresholds("silent")
    highest = max(level, other, key=lambda severity: severity.rank)
    for profiles in ((first, second), (second, first)):
        severity, source = Policy(profiles).severity_of("cert.expired", default)
        assert (severity, {"one": level, "two": other}[source]) == (highest, highest)
    for profiles in ((first, silent), (silent, first)):  # a profile without a severity leaves the default
        severity, source = Policy(profiles).severity_of("cert.expired", default)
        assert severity is max(level, default, key=lambda severity: severity.rank)
        assert source == ("one" if level.rank >= default.rank else "")


def test_profile_that_disables_a_check_is_left_out_of_its_policy() -> None:
    strict = replace(of_thresholds("strict", rsa_bits_min=4096), disabled={"key.weak": "so"})
    strict = replace(strict, severities={"key.weak": Severity.CRITICAL})
    lax = of_thresholds("lax")
    both = Policy((strict, lax), is_named=True)
    assert both.applies("key.weak")
    assert both.having("key.weak") == Policy((lax,), is_named=True)
    assert both.severity_of("key.weak", Severity.HIGH) == (Severity.HIGH, "")
    assert both.having("key.mismatch") is both


def test_check_that_all_profiles_disable_does_not_apply_and_has_reasons() -> None:
    first, second = (replace(of_thresholds(name), disabled={"key.weak": f"{name} says so"}) for name in ("one", "two"))
    assert not Policy((first, second)).applies("key.weak")
    assert Policy((first, second)).why_not("key.weak") == "one says so; two says so"
    assert Policy((first,)).severity_of("key.weak", Severity.HIGH) == (Severity.HIGH, "")
