"""Policy profiles as data, and the policy that several of them make."""

from __future__ import annotations

from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import pytest

from audit.checks import Severity
from audit.policy import BadProfile, Policy, builtin_profiles, choose_policy, load_profile
from audit.thresholds import Thresholds
from tests.audit.certificates import leaf
from tests.audit.facts import GOOD, chain, private


def written(folder: Path, text: str, name: str = "corp.toml") -> str:
    """Write a profile and return its path."""
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


@pytest.mark.parametrize("name", builtin_profiles())
def test_every_threshold_of_every_profile_that_comes_along_has_a_source(name: str) -> None:
    profile = load_profile(name)
    given = {known.name for known in fields(Thresholds) if getattr(profile.thresholds, known.name)}
    assert given <= set(profile.sources)
    assert all(profile.sources.values())
    assert profile.title


def test_a_profile_says_only_what_differs_from_the_one_it_extends() -> None:
    cpanel = load_profile("cpanel")
    assert (cpanel.thresholds.expiring_days_own, cpanel.thresholds.expiring_days) == (25, 3)
    assert cpanel.thresholds.rsa_bits_min == load_profile("webpki").thresholds.rsa_bits_min


def test_a_profile_of_the_users_own_extends_one_by_name(tmp_path: Path) -> None:
    text = """
        extends = "webpki"
        source = "Corp PKI policy 3"
        [thresholds]
        rsa_bits_min = 3072
        renewal_fraction = "2/5"
        [severities]
        "chain.order" = "high"
        [disabled]
        "cert.renewal-due" = "our agent renews at its own time"
    """
    corp = load_profile(written(tmp_path, text))
    assert (corp.name, corp.thresholds.rsa_bits_min, corp.thresholds.renewal_fraction) == ("corp", 3072, Fraction(2, 5))
    assert corp.sources["rsa_bits_min"] == "Corp PKI policy 3"
    both = Policy((corp, load_profile("webpki")))
    assert both.severity_of("chain.order", Severity.LOW) is Severity.HIGH
    assert both.applies("cert.renewal-due")
    assert not Policy((corp,)).applies("cert.renewal-due")


def test_a_profile_extends_another_file_beside_it(tmp_path: Path) -> None:
    written(tmp_path, 'extends = "webpki"\n[thresholds]\nrsa_bits_min = 4096\n', "base.toml")
    assert load_profile(written(tmp_path, 'extends = "base.toml"\n')).thresholds.rsa_bits_min == 4096


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[threshold]\n", "unknown key 'threshold'; did you mean 'thresholds'?"),
        ("[thresholds]\nrsa_bit_min = 1\n", "unknown key 'rsa_bit_min'; did you mean 'rsa_bits_min'?"),
        ('[thresholds]\nrsa_bits_min = "many"\n', "'many' is not a int"),
        ("[thresholds]\nrsa_bits_min = -1\n", "-1 is negative"),
        ("[thresholds]\nrsa_bits_min = true\n", "True is not a int"),
        ("[thresholds]\nrenewal_fraction = 3\n", "not between 0 and 1"),
        ('[thresholds]\nrenewal_fraction = "1/0"\n', "is not a fraction"),
        ("[thresholds]\nvalidity_max = [{ days = 3 }]\n", "write { issued_from = 2026-03-15, days = 200 }"),
        ('[severities]\n"chain.order" = "bad"\n', "'bad' is not one of info, low, medium, high, critical"),
        ('extends = "webpky"\n', "no profile 'webpky'; did you mean 'webpki'?"),
        ('extends = "corp.toml"\n', "extends itself"),
        ("not toml", "not TOML"),
    ],
)
def test_a_profile_that_cannot_be_used_says_what_is_wrong_and_where(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BadProfile) as raised:
        load_profile(written(tmp_path, text))
    assert says in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadProfile, match=r"none\.toml: No such file"):
        load_profile(str(tmp_path / "none.toml"))


def test_an_unnamed_policy_follows_from_the_host_and_the_anchor() -> None:
    assert choose_policy((), is_cpanel=True, chain=None).name == "cpanel"
    assert choose_policy((), is_cpanel=False, chain=None).name == "webpki"
    assert choose_policy((), is_cpanel=False, chain=chain(GOOD)).name == "webpki"
    assert choose_policy((), is_cpanel=False, chain=chain(leaf(), leaf("x"))).name == "webpki"
    assert choose_policy((), is_cpanel=False, chain=chain(GOOD, anchors=private())).name == "private-pki"


def test_named_policies_apply_to_every_endpoint() -> None:
    policy = choose_policy((load_profile("webpki"), load_profile("cpanel")), is_cpanel=True, chain=None)
    assert (policy.name, policy.is_named) == ("webpki+cpanel", True)
