"""Tests of the strength of keys, by profile."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.analysis.chains import weak_ca_keys
from audit.checks.test_key import test_key_is_strong as is_strong
from audit.policy import Policy, load_profile
from audit.x509.der import elements, encoded
from audit.x509.public_keys import (
    KeyFacts,
    key_of_spki,
    leaf_weaknesses,
    public_key_of,
    read_key,
    rsa_facts,
    small_factors,
    weaknesses,
)
from tests.support.endpoint_facts import INTERMEDIATE, PRIVATE, WEBPKI, certificate
from tests.support.verdicts import PASS, Row, fail, require_verdict, verdicts
from tests.support.x509.certificates import PrivateKey, leaf, rsa_key
from tests.support.x509.compromised_keys import with_factor

PUBLIC = load_profile("webpki").thresholds
OWN = load_profile("private-pki").thresholds
MERSENNE_PRIME = (1 << 127) - 1


def of(bits: int = 2048, exponent: int = 65537) -> KeyFacts:
    return KeyFacts("RSA", bits, exponent=exponent)


def judged(key: PrivateKey, policy: Policy) -> dict[str, object]:
    return {"certificate": certificate(leaf().with_key(key).by(INTERMEDIATE)), "policy": policy}


WEAK_RSA = "RSA with 1024 bits; at least 2048 are required"
BOTH = Policy((load_profile("private-pki"), load_profile("webpki")), is_named=True)
EDWARDS = ed25519.Ed25519PrivateKey.generate()


@verdicts({
    **{f"{curve.name} by {policy.name}": (is_strong, judged(ec.generate_private_key(curve), policy), expected)
       for policy in (WEBPKI, PRIVATE)
       for curve, expected in (
           (ec.SECP256R1(), PASS), (ec.SECP384R1(), PASS), (ec.SECP521R1(), PASS),
           (ec.SECP224R1(), fail("the curve")), (ec.SECP256K1(), fail("the curve")),
       )},
    "RSA of 1024 bits, public": (is_strong, judged(rsa_key(1024), WEBPKI), fail(reason=WEAK_RSA)),
    "RSA of 1024 bits, private": (is_strong, judged(rsa_key(1024), PRIVATE), fail(reason=WEAK_RSA)),
    "Ed25519, public": (is_strong, judged(EDWARDS, WEBPKI), fail(
        reason="the curve Ed25519 is not one of P-256, P-384, P-521",
    )),
    "Ed25519, private": (is_strong, judged(EDWARDS, PRIVATE), PASS),
    "the stricter of two": (is_strong, judged(rsa_key(2048, 3), BOTH), fail(policy="webpki")),
})  # fmt: skip
def test_key_is_strong_by_curve_size_and_profile(row: Row) -> None:
    require_verdict(row)


def test_ed448_is_allowed_by_the_private_profile_only() -> None:
    assert weaknesses(KeyFacts("Ed448", 456, curve="Ed448"), PUBLIC)
    assert not weaknesses(KeyFacts("Ed448", 456, curve="Ed448"), OWN)


@pytest.mark.parametrize(
    ("bits", "public", "own"), [(2047, 2, 1), (2048, 0, 0), (2052, 1, 0), (2056, 0, 0), (4096, 0, 0)]
)
def test_modulus_size_is_a_multiple_of_8_bits_in_public_profiles(bits: int, public: int, own: int) -> None:
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
def test_rsa_exponent_is_odd_and_in_range(exponent: int, public: bool, own: bool) -> None:  # noqa: FBT001 - expected
    assert (bool(weaknesses(of(exponent=exponent), PUBLIC)), bool(weaknesses(of(exponent=exponent), OWN))) == (
        public,
        own,
    )


def test_unsupported_kind_of_key_is_weak() -> None:
    for key in (KeyFacts("DSA", 2048), KeyFacts("1.2.3", unsupported="no such algorithm")):
        assert len(weaknesses(key, PUBLIC)) == 1


def test_small_factor_makes_the_key_of_a_ca_weak() -> None:
    chain: Any = SimpleNamespace(intermediates=(SimpleNamespace(key=rsa_facts(with_factor(3), 65537)),))
    assert any("a prime factor below 752" in fault for fault in weak_ca_keys(chain, OWN))


def test_small_factor_of_a_leaf_key_is_not_a_weakness() -> None:
    key = rsa_facts(with_factor(751), 65537)
    assert small_factors(key)
    assert weaknesses(of(key.bits or 0), PUBLIC) == weaknesses(key, PUBLIC)
    assert not small_factors(rsa_facts(with_factor(757), 65537))


@pytest.mark.parametrize(
    ("key", "printed"),
    [
        (of(3072), "RSA 3072"),
        (KeyFacts("DSA", 1024), "DSA 1024"),
        (KeyFacts("EC", 256, curve="P-256"), "EC P-256"),
        (KeyFacts("Ed25519", 256, curve="Ed25519"), "Ed25519"),
        (KeyFacts("X25519", 255), "X25519"),
        (KeyFacts("1.2.3"), "1.2.3"),
    ],
)
def test_key_is_printed_with_kind_and_size_or_curve(key: KeyFacts, printed: str) -> None:
    assert str(key) == printed


def test_rsa_key_has_modulus_and_exponent() -> None:
    key = rsa_key(1024, 3).public_key()
    modulus = key.public_numbers().n
    expected = KeyFacts("RSA", 1024, exponent=3, number=modulus)
    assert read_key(key) == expected
    assert key_of_spki(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)) == expected


def test_other_key_has_size_curve_and_number() -> None:
    numbers = dsa.DSAPublicNumbers(3, dsa.DSAParameterNumbers((1 << 2047) + 1, (1 << 255) + 1, 2))
    point = ec.derive_private_key(1, ec.SECP384R1()).public_key()
    assert read_key(point) == KeyFacts("EC", 384, curve="P-384", number=point.public_numbers().x)
    edwards = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    number = int.from_bytes(edwards.public_bytes_raw())
    assert read_key(edwards) == KeyFacts("Ed25519", 256, curve="Ed25519", number=number)
    goldilocks = ed448.Ed448PrivateKey.from_private_bytes(bytes(57)).public_key()
    number = int.from_bytes(goldilocks.public_bytes_raw())
    assert read_key(goldilocks) == KeyFacts("Ed448", 456, curve="Ed448", number=number)
    assert read_key(numbers.public_key()) == KeyFacts("DSA", 2048)
    assert read_key(x25519.X25519PrivateKey.generate().public_key()) == KeyFacts("X25519")


@pytest.mark.parametrize(
    ("curve", "name"),
    [
        (ec.SECP192R1(), "P-192"),
        (ec.SECP224R1(), "P-224"),
        (ec.SECP256R1(), "P-256"),
        (ec.SECP521R1(), "P-521"),
        (ec.SECP256K1(), "secp256k1"),
    ],
)
def test_curve_has_its_nist_name_if_defined(curve: ec.EllipticCurve, name: str) -> None:
    assert read_key(ec.derive_private_key(1, curve).public_key()).curve == name


def test_curve_is_explicit_if_its_parameters_follow_the_algorithm() -> None:
    key = ec.derive_private_key(1, ec.SECP256R1()).public_key()
    named = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    algorithm, point = elements(elements(named)[0].content)
    name, _curve = elements(algorithm.content)
    explicit = encoded(0x30, encoded(0x30, name.encoding, encoded(0x30, bytes(200))), point.encoding)
    assert read_key(key, explicit).is_explicit
    assert not read_key(key, named).is_explicit
    assert not read_key(
        key, encoded(0x30, algorithm.encoding, encoded(0x03, b"\0", algorithm.encoding, explicit))
    ).is_explicit
    assert "given by its parameters" in weaknesses(read_key(key, explicit), OWN)[0]


def of_numbers(modulus: bytes, exponent: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of an RSA key of these contents of two INTEGERs."""
    key = encoded(0x30, encoded(0x02, modulus), encoded(0x02, exponent))
    name = bytes.fromhex("06092a864886f70d010101")
    return encoded(0x30, encoded(0x30, name, b"\x05\x00"), encoded(0x03, b"\0", key))


def test_rsa_key_that_the_library_refuses_is_read() -> None:
    assert key_of_spki(of_numbers(b"\x23", b"\x02")) == KeyFacts("RSA", 6, exponent=2, has_small_factor=True, number=35)
    assert key_of_spki(of_numbers(b"\x01", b"\xfd")).exponent == -3


def test_only_rsa_has_a_second_name_by_which_it_is_read() -> None:
    key = rsa_key(2048)
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    named = leaf().with_key(key).by(INTERMEDIATE).der
    old_name, unknown = (
        x509.load_der_x509_certificate(named.replace(spki, with_algorithm(spki, algorithm)))
        for algorithm in (b"\x06\x04\x55\x08\x01\x01", b"\x06\x04\x55\x08\x01\x02")
    )
    assert public_key_of(old_name) == key.public_key()
    with pytest.raises(UnsupportedAlgorithm):
        public_key_of(unknown)


def with_algorithm(spki: bytes, name: bytes) -> bytes:
    """Return a SubjectPublicKeyInfo of the same length with an algorithm of a shorter name."""
    algorithm, key = elements(elements(spki)[0].content)
    padding = encoded(0x04, bytes(len(algorithm.content) - len(name) - 2))
    return encoded(0x30, encoded(0x30, name, padding), key.encoding)


def test_other_key_that_the_library_refuses_is_unreadable() -> None:
    broken = encoded(0x30, encoded(0x30, bytes.fromhex("06032b6570")), encoded(0x03, b"\0abc"))
    with pytest.raises(ValueError, match="Invalid key"):
        key_of_spki(broken)


def test_rsa_exponent_of_up_to_8192_bits_is_read() -> None:
    assert rsa_facts(1, (1 << 8192) - 1).exponent == (1 << 8192) - 1
    with pytest.raises(ValueError, match="an RSA exponent of 8193 bits"):
        rsa_facts(1, 1 << 8192)


@pytest.mark.parametrize("factor", [2, 3, 5, 23, 743, 751, 757, 761])
def test_prime_factor_below_752_is_found(factor: int) -> None:
    key = rsa_facts(factor * MERSENNE_PRIME, 65537)
    assert key.has_small_factor is (factor < 752)
    assert small_factors(key) == (("the RSA modulus has a prime factor below 752",) if factor < 752 else ())


def test_rsa_key_with_zeros_has_no_bits_and_an_even_exponent() -> None:
    expected = ("RSA with 0 bits; at least 2048 are required", "the RSA exponent is even; it must be odd")
    assert weaknesses(rsa_facts(0, 0), PUBLIC) == weaknesses(KeyFacts("RSA"), PUBLIC) == expected


def test_weakness_of_an_rsa_key_is_reported_with_its_limit() -> None:
    assert weaknesses(of(2047, 3), PUBLIC) == (
        "RSA with 2047 bits; at least 2048 are required",
        "an RSA modulus of 2047 bits; a multiple of 8 is required",
        "the RSA exponent is 3; at least 65537 is required",
    )
    assert weaknesses(of(exponent=(1 << 256) + 1), PUBLIC) == (
        "the RSA exponent has 257 bits; at most 256 are allowed",
    )
    assert weaknesses(of(exponent=(1 << 256) + 1), replace(PUBLIC, rsa_exponent_bits_max=0)) == ()


def test_other_weakness_is_reported_alone() -> None:
    point = KeyFacts("EC", 256, curve="P-256", is_explicit=True)
    explicit = "the curve is given by its parameters, and clients accept named curves only (RFC 5480 2.1.1)"
    assert weaknesses(point, PUBLIC) == (explicit,)
    assert weaknesses(replace(point, is_explicit=False), PUBLIC) == ()
    assert weaknesses(KeyFacts("DSA", 2048), PUBLIC) == ("no client accepts a key of the kind DSA",)
    assert weaknesses(replace(point, unsupported="unknown"), PUBLIC) == ("the key cannot be used: unknown",)


def test_only_the_kind_is_reported_for_a_leaf_key_of_a_wrong_kind() -> None:
    limits = replace(PUBLIC, key_kinds=("EC", "Ed25519"))
    assert leaf_weaknesses(of(1024), limits) == ("a key of the kind RSA; allowed: EC, Ed25519",)
    assert leaf_weaknesses(KeyFacts("EC", 256, curve="P-256"), limits) == ()
    assert leaf_weaknesses(KeyFacts("EC", 256, curve="P-224"), limits) == weaknesses(
        KeyFacts("EC", 256, curve="P-224"), PUBLIC
    )
    assert leaf_weaknesses(of(1024), replace(PUBLIC, key_kinds=())) == weaknesses(of(1024), PUBLIC)
