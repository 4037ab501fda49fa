"""How strong a key is, by profile."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from audit.analysis.chains import weak_ca_keys
from audit.checks.test_key import test_key_is_strong as is_strong
from audit.policy import Policy, load_profile
from audit.x509.public_keys import KeyFacts, rsa_facts, small_factors, weaknesses
from tests.audit.broken_keys import with_factor
from tests.audit.certificates import PrivateKey, leaf, rsa_key
from tests.audit.facts import INTERMEDIATE, PRIVATE, WEBPKI, certificate
from tests.audit.verdicts import finding, passes

PUBLIC = load_profile("webpki").thresholds
OWN = load_profile("private-pki").thresholds


def of(bits: int = 2048, exponent: int = 65537) -> KeyFacts:
    return KeyFacts("RSA", bits, exponent=exponent)


def judged(key: PrivateKey, policy: Policy) -> dict[str, object]:
    return {"certificate": certificate(leaf().with_key(key).by(INTERMEDIATE)), "policy": policy}


@pytest.mark.parametrize("key", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_the_three_curves_of_nist_are_admitted_everywhere(key: ec.EllipticCurve) -> None:
    for policy in (WEBPKI, PRIVATE):
        assert passes(is_strong, **judged(ec.generate_private_key(key), policy))


@pytest.mark.parametrize("curve", [ec.SECP224R1(), ec.SECP256K1()], ids=lambda curve: curve.name)
def test_other_curves_are_admitted_nowhere(curve: ec.EllipticCurve) -> None:
    for policy in (WEBPKI, PRIVATE):
        assert "the curve" in finding(is_strong, **judged(ec.generate_private_key(curve), policy)).reason


def test_edwards_curves_are_for_an_organizations_own_ca() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    assert finding(is_strong, **judged(key, WEBPKI)).reason == "the curve Ed25519 is not one of P-256, P-384, P-521"
    assert passes(is_strong, **judged(key, PRIVATE))
    assert weaknesses(KeyFacts("Ed448", 456, curve="Ed448"), PUBLIC)
    assert not weaknesses(KeyFacts("Ed448", 456, curve="Ed448"), OWN)


def test_rsa_of_1024_bits_is_too_short_everywhere() -> None:
    for policy in (WEBPKI, PRIVATE):
        found = finding(is_strong, **judged(rsa_key(1024), policy))
        assert found.reason == "RSA with 1024 bits, at least 2048 are required"


@pytest.mark.parametrize(
    ("bits", "public", "own"), [(2047, 2, 1), (2048, 0, 0), (2052, 1, 0), (2056, 0, 0), (4096, 0, 0)]
)
def test_a_modulus_is_of_whole_octets_where_the_public_trusts_it(bits: int, public: int, own: int) -> None:
    assert (len(weaknesses(of(bits), PUBLIC)), len(weaknesses(of(bits), OWN))) == (public, own)


@pytest.mark.parametrize(
    ("exponent", "public", "own"),
    [
        (1, True, True),
        (3, True, False),
        (65536, True, True),
        (65537, False, False),
        ((1 << 256) - 1, False, False),
        ((1 << 256) + 1, True, True),
        (-3, True, True),
    ],
)
def test_an_exponent_is_odd_and_in_range(exponent: int, public: bool, own: bool) -> None:  # noqa: FBT001 - expected
    assert (bool(weaknesses(of(exponent=exponent), PUBLIC)), bool(weaknesses(of(exponent=exponent), OWN))) == (
        public,
        own,
    )


def test_of_several_profiles_the_strictest_is_named() -> None:
    both = Policy((load_profile("private-pki"), load_profile("webpki")), is_named=True)
    assert finding(is_strong, **judged(rsa_key(2048, 3), both)).policy == "webpki"


def test_a_kind_of_key_that_no_client_knows_is_weak() -> None:
    for key in (KeyFacts("DSA", 2048), KeyFacts("1.2.3", unsupported="no such algorithm")):
        assert len(weaknesses(key, PUBLIC)) == 1


def test_a_small_factor_makes_a_ca_weak() -> None:
    chain: Any = SimpleNamespace(intermediates=(SimpleNamespace(key=rsa_facts(with_factor(3), 65537)),))
    assert any("a prime factor below 752" in fault for fault in weak_ca_keys(chain, OWN))


def test_a_small_factor_is_no_matter_of_strength() -> None:
    key = rsa_facts(with_factor(751), 65537)
    assert small_factors(key)
    assert weaknesses(of(key.bits or 0), PUBLIC) == weaknesses(key, PUBLIC)
    assert not small_factors(rsa_facts(with_factor(757), 65537))
