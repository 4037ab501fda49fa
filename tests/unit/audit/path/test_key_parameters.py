"""Tests of the parameters of keys and signatures: RSASSA-PSS, Edwards and explicit curves, RSA by another name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.policy import load_profile
from audit.x509.certificate import read_certificate
from audit.x509.der import elements
from audit.x509.public_keys import weaknesses
from tests.support.x509.certificates import rsa_key
from tests.support.x509.paths import clauses, field_replaced, new_leaf, rekeyed, tlv
from tests.unit.audit.path.test_profiles import CA, GOOD, ROOT, by_clients

_PSS_ROOT = rekeyed(ROOT, rsa_key(2048))


def test_pss_is_accepted_with_any_length_of_salt() -> None:
    root = rekeyed(ROOT, rsa_key(2048))
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 20)
    found = by_clients(replace(new_leaf(root), pss=scheme), roots=[root])
    assert found.ok
    assert {violation.clause for violation in found.profile_violations} == {"BR 7.1.3.2"}


def test_pss_that_masks_by_another_digest_is_refused() -> None:
    root = rekeyed(ROOT, rsa_key(2048))
    scheme = padding.PSS(padding.MGF1(hashes.SHA384()), 32)
    assert "RFC 4055 3.1" in clauses(by_clients(replace(new_leaf(root), pss=scheme), roots=[root]))


@pytest.mark.parametrize("null", [b"", b"\x05\x00"], ids=["absent", "NULL"])
def test_pss_parameters_are_read_in_both_forms(null: bytes) -> None:
    """RFC 4055 2.1: the parameters of a digest are NULL or absent."""
    found = by_clients(_signed_with_pss(_pss_identifier(null)), roots=[_PSS_ROOT])
    assert found.ok, list(map(str, found.violations))


def test_pss_with_default_digest_is_sha1_and_refused() -> None:
    """RFC 4055 3.1: a digest that is left out is SHA-1, which can be forged."""
    identifier = tlv(0x30, bytes.fromhex("06092a864886f70d01010a"), tlv(0x30))
    found = by_clients(_signed_with_pss(identifier, hashes.SHA1(), 20), roots=[_PSS_ROOT])  # noqa: S303 - what is tested
    assert any("(sha1) can be forged" in violation.reason for violation in found.violations)


def test_key_for_pss_makes_no_other_signature() -> None:
    """RFC 4055 1.2: such a key is used with RSASSA-PSS alone."""
    spki = rsa_key(2048).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    _, octets = elements(elements(spki)[0].content)
    for_pss = tlv(0x30, tlv(0x30, bytes.fromhex("06092a864886f70d01010a")), octets.encoding)
    root = ROOT.without(x509.SubjectKeyIdentifier).edited(field_replaced(6, for_pss))
    assert by_clients(_signed_with_pss(_pss_identifier(b"")), roots=[root]).ok
    assert not by_clients(new_leaf(_PSS_ROOT), roots=[root]).ok
    assert by_clients(new_leaf(_PSS_ROOT), roots=[_PSS_ROOT]).ok


def _pss_identifier(null: bytes) -> bytes:
    digest = tlv(0x30, bytes.fromhex("0609608648016503040201"), null)
    mask = tlv(0x30, bytes.fromhex("06092a864886f70d010108"), digest)
    parameters = tlv(0x30, tlv(0xA0, digest), tlv(0xA1, mask), tlv(0xA2, b"\x02\x01\x20"))
    return tlv(0x30, bytes.fromhex("06092a864886f70d01010a"), parameters)


def _signed_with_pss(
    identifier: bytes,
    digest: hashes.SHA256 | hashes.SHA1 = hashes.SHA256(),  # noqa: B008 - it has no state
    salt: int = 32,
) -> bytes:
    """Return a good leaf, signed by the key of 2048 bits with this algorithm identifier."""
    good = new_leaf(_PSS_ROOT).without(x509.AuthorityKeyIdentifier).der
    fields = [one.encoding for one in elements(elements(elements(good)[0].content)[0].content)]
    body = tlv(0x30, *fields[:2], identifier, *fields[3:])
    scheme = padding.PSS(padding.MGF1(digest), salt)
    return tlv(0x30, body, identifier, tlv(0x03, b"\0", rsa_key(2048).sign(body, scheme, digest)))


@pytest.mark.parametrize("make", [ed25519.Ed25519PrivateKey.generate, ed448.Ed448PrivateKey.generate])
def test_edwards_keys_are_accepted_by_clients(make: Callable[[], ed25519.Ed25519PrivateKey]) -> None:
    key = make()
    root = rekeyed(ROOT, key)
    leaf = new_leaf(root)
    found = by_clients(replace(leaf, key=rsa_key(2048)), roots=[root])
    assert found.ok, list(map(str, found.violations))
    assert {violation.clause for violation in found.profile_violations} == {"BR 6.1.5", "BR 7.1.3.2"}


def _explicit(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the SubjectPublicKeyInfo of a key on P-256 with the parameters of the curve (SEC 1 C.2)."""
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    a, b = p - 3, 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    base = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    base += "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    field = tlv(0x30, bytes.fromhex("06072a8648ce3d0101"), tlv(2, b"\0" + p.to_bytes(32)))
    seed = tlv(3, b"\0", bytes.fromhex("c49d360886e704936a6678e1139d26b7819f7e90"))
    curve = tlv(0x30, tlv(4, a.to_bytes(32)), tlv(4, b.to_bytes(32)), seed)
    generator, number, one = tlv(4, bytes.fromhex(base)), tlv(2, b"\0" + order.to_bytes(32)), b"\x02\x01\x01"
    parameters = tlv(0x30, one, field, curve, generator, number, one)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return tlv(0x30, tlv(0x30, bytes.fromhex("06072a8648ce3d0201"), parameters), tlv(3, b"\0", point))


def test_explicit_curve_parameters_are_refused_in_leaf_and_ca() -> None:
    """RFC 5480 2.1.1: a curve is given by its name."""
    leaf_key, ca_key = GOOD.private_key, CA.private_key
    assert isinstance(leaf_key, ec.EllipticCurvePrivateKey)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    leaf = GOOD.edited(field_replaced(6, _explicit(leaf_key)))
    assert "RFC 5480 2.1.1" in clauses(by_clients(leaf, CA))
    ca = CA.edited(field_replaced(6, _explicit(ca_key)))
    assert "RFC 5480 2.1.1" in clauses(by_clients(GOOD, ca, roots=[ROOT]))
    assert "RFC 5480 2.1.1" in clauses(by_clients(GOOD, roots=[ca]))


def _hybrid(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the SubjectPublicKeyInfo of a key whose point has both coordinates and the sign bit (X9.62 4.3.6)."""
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return spki.replace(point, bytes((6 | point[-1] & 1,)) + point[1:])


def test_point_in_hybrid_form_is_refused_and_weak() -> None:
    """RFC 5480 2.2: a point is compressed or uncompressed, and every other form must be rejected."""
    key = GOOD.private_key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    leaf = GOOD.edited(field_replaced(6, _hybrid(key)))
    assert "RFC 5480 2.2" in clauses(by_clients(leaf, CA))
    (weakness,) = weaknesses(read_certificate(leaf.der).key, load_profile("private-pki").thresholds)
    assert weakness == "the point is in hybrid form, which clients must reject (RFC 5480 2.2)"


def test_modulus_that_is_negative_is_refused_and_weak() -> None:
    numbers = rsa_key(2048).public_key().public_numbers()
    spki = rsa_key(2048).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    modulus = numbers.n.to_bytes(256)
    leaf = replace(GOOD, key=rsa_key(2048)).edited(field_replaced(6, spki.replace(b"\0" + modulus, b"\xff" + modulus)))
    assert "BR 6.1.6" in clauses(by_clients(leaf, CA))
    (weakness,) = weaknesses(read_certificate(leaf.der).key, load_profile("private-pki").thresholds)
    assert weakness == "the RSA modulus is negative"


def test_rsa_under_its_name_of_x509_is_rsa() -> None:
    """2.5.8.1.1 names RSA too, and clients accept an anchor and an intermediate that use it."""
    key = rsa_key(2048)
    numbers = key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    algorithm = tlv(0x30, bytes.fromhex("060455080101"), b"\x02\x02\x08\x00")
    ca = replace(CA, key=key).edited(field_replaced(6, tlv(0x30, algorithm, tlv(3, b"\0", numbers))))
    leaf = replace(GOOD, issuer=ca)
    assert by_clients(leaf, ca, roots=[ROOT]).ok
    assert by_clients(leaf, roots=[ca]).ok
    assert not by_clients(replace(GOOD, issuer=replace(ca, key=rsa_key(3072))), ca, roots=[ROOT]).ok
