"""Tests of the validation profiles: clients require less of a certificate than the rules for public CAs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from audit.x509.der import elements
from audit.x509.path.validator import Validation
from tests.support.x509.certificates import rsa_key
from tests.support.x509.crls import crl
from tests.support.x509.paths import (
    Made,
    clauses,
    constraints,
    extension_added,
    field_replaced,
    new_ca,
    new_leaf,
    new_root,
    rekeyed,
    san,
    tlv,
    validated,
)
from tests.unit.audit.path.test_rules import ANCHORS, LEAVES, changed

ROOT = new_root()
CA = new_ca(ROOT)
GOOD = new_leaf(CA)
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
TLS_FEATURE = "1.3.6.1.5.5.7.1.24"

OF_BOOK_ALONE = {
    "unique identifier",
    "generalized times before 2050",
    "critical extKeyUsage",
    "critical certificatePolicies",
    "no authorityKeyIdentifier",
    "authorityKeyIdentifier with issuer and serial number",
    "CA",
    "path length",
    "usage that signs certificates",
    "usage that signs CRLs",
    "usage without signature for an EC key",
    "no extended key usage",
    "any extended key usage",
    "code signing beside it",
    "empty subject and uncritical names",
    "subject and critical names",
    "RSA of 2056 bits less one",
    "Ed25519",
    "SHA-512 by a key on P-256",
    "SHA-224",
    "uncritical basicConstraints",
    "no keyUsage",
    "no subjectKeyIdentifier",
    "inhibitAnyPolicy that is not critical",
    "policyConstraints that are not critical",
    "extKeyUsage",
    "authorityKeyIdentifier of another key",
}
"""The faults that only a rule book forbids, by the names of the cases of `test_path_rules`."""


def by_clients(leaf: Made | bytes, *pool: Made | bytes, **options: object) -> Validation:
    return validated(leaf, *pool, **{"profile": "rfc5280", **options})  # type: ignore[arg-type] # options by name


def refused_by_clients_alone(name: str, clause: str, found: Validation) -> None:
    """Require that clients refuse a path exactly if the fault is not one of a rule book alone."""
    assert found.ok is (name in OF_BOOK_ALONE), list(map(str, found.violations))
    kept = found.profile_violations if found.ok else found.violations
    assert clause in {violation.clause for violation in kept}
    assert {violation.kind for violation in found.violations} <= {"client"}
    assert {violation.kind for violation in found.profile_violations} <= {"profile"}


@pytest.mark.parametrize("name", LEAVES)
def test_kind_of_each_fault_of_leaf(name: str) -> None:
    leaf, clause = LEAVES[name]
    refused_by_clients_alone(name, clause, by_clients(leaf, CA, roots=[ROOT]))


@pytest.mark.parametrize("name", changed(CA))
def test_kind_of_each_fault_of_intermediate(name: str) -> None:
    ca, clause = changed(CA)[name]
    refused_by_clients_alone(name, clause, by_clients(GOOD, ca, roots=[ROOT]))


@pytest.mark.parametrize("name", changed(ROOT))
def test_kind_of_each_fault_of_anchor(name: str) -> None:
    root, clause = changed(ROOT)[name]
    refused_by_clients_alone(name, clause, by_clients(GOOD, CA, roots=[root]))


@pytest.mark.parametrize("name", ANCHORS)
def test_kind_of_each_fault_of_root(name: str) -> None:
    root, clause = ANCHORS[name]
    refused_by_clients_alone(name, clause, by_clients(GOOD, CA, roots=[root]))


def test_every_fault_of_book_alone_is_a_case() -> None:
    assert {*LEAVES, *changed(CA), *changed(ROOT), *ANCHORS} >= OF_BOOK_ALONE


def test_path_without_fault_has_no_violation_of_either_kind() -> None:
    found = by_clients(GOOD, CA)
    assert found.ok
    assert not found.profile_violations


def test_profile_violation_refuses_with_profile_webpki() -> None:
    leaf = GOOD.without(x509.ExtendedKeyUsage)
    found = validated(leaf, CA, profile="webpki")
    assert clauses(found) == {"BR 7.1.2.7.6"}
    assert not found.profile_violations


def test_common_name_beside_matching_san_is_accepted_by_clients() -> None:
    leaf = replace(GOOD, subject="CN=192.0.2.7")
    assert by_clients(leaf, CA).ok
    assert clauses(validated(leaf, CA)) == {"BR 7.1.4.3"}


def test_fault_of_leaf_does_not_hide_valid_path_above() -> None:
    """For a leaf with a fault of its own the violations are the leaf's alone if a better CA certificate is there."""
    found = by_clients(GOOD, new_ca(ROOT).without(x509.BasicConstraints), CA, reference="other.example.net")
    assert {violation.place for violation in found.violations} == {"leaf"}
    assert found.path[1] == CA.der


def test_anchor_of_version_1_is_a_name_and_a_key() -> None:
    """RFC 5280 6.1.1 d: an anchor has no extensions to show."""
    root = Made(ROOT.subject, start=ROOT.start, end=ROOT.end).edited(lambda fields: fields[1:7])
    found = by_clients(GOOD, CA, roots=[root])
    assert found.ok, list(map(str, found.violations))
    assert {violation.clause for violation in found.profile_violations} == {"RFC 5280 4.1.2.1"}


def test_anchor_for_other_purposes_is_refused() -> None:
    root = ROOT.having(x509.ExtendedKeyUsage([CLIENT]))
    assert clauses(by_clients(GOOD, CA, roots=[root])) == {"RFC 5280 4.2.1.12"}


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


_PSS_ROOT = rekeyed(ROOT, rsa_key(2048))


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


def features(*numbers: int) -> Callable[[list[bytes]], list[bytes]]:
    return extension_added(TLS_FEATURE, tlv(0x30, *(tlv(2, bytes((number,))) for number in numbers)))


def test_tls_feature_without_a_name_is_accepted() -> None:
    assert by_clients(GOOD.edited(features(5, 9)), CA, roots=[ROOT]).ok
    assert by_clients(GOOD.edited(features(9)), CA, roots=[ROOT]).ok


def test_leaf_has_tls_features_of_its_issuer() -> None:
    """RFC 7633 4.2.2: a feature that a CA's certificate requires stands in those below it."""
    ca = CA.edited(features(5, 9))
    assert by_clients(GOOD.edited(features(9, 5)), ca, roots=[ROOT]).ok
    for lacking in (GOOD, GOOD.edited(features(5))):
        assert clauses(by_clients(lacking, ca, roots=[ROOT])) == {"RFC 7633 4.2.2"}


def test_critical_ocsp_no_check_is_accepted() -> None:
    assert by_clients(GOOD.having(x509.OCSPNoCheck(), critical=True), CA).ok


def test_common_name_is_constrained_if_no_name_is_looked_for() -> None:
    """A caller that gives no name could match the common name of a leaf without dNSNames."""
    ca = CA.having(constraints(excluded=["example.org"]), critical=True)
    leaf = replace(new_leaf(ca, "192.0.2.1"), subject="CN=www.example.org")
    assert clauses(by_clients(leaf, ca, roots=[ROOT], reference=None)) == {"RFC 5280 4.2.1.10"}
    assert by_clients(leaf, ca, roots=[ROOT], reference="192.0.2.1").ok
    assert by_clients(leaf, ca, roots=[ROOT], reference=None, common_names=False).ok
    with_name = leaf.having(san("www.example.com"))
    assert by_clients(with_name, ca, roots=[ROOT], reference=None).ok


def test_constraint_with_leading_dot_excludes_but_does_not_permit() -> None:
    excluding = CA.having(constraints(excluded=[".example.com"]), critical=True)
    assert "RFC 5280 4.2.1.10" in clauses(by_clients(new_leaf(excluding), excluding, roots=[ROOT]))
    permitting = CA.having(constraints([".example.com"]), critical=True)
    assert "RFC 5280 4.2.1.10" in clauses(by_clients(new_leaf(permitting), permitting, roots=[ROOT]))
    beside = CA.having(constraints([".example.com", "www.example.com"]), critical=True)
    assert by_clients(new_leaf(beside), beside, roots=[ROOT]).ok


def test_crl_without_number_shows_leaf_good_to_clients() -> None:
    unnumbered = crl(CA, omit=(x509.CRLNumber,))
    assert by_clients(GOOD, CA, crls=[unnumbered]).ok
    assert "RFC 5280 5.2.3" in clauses(validated(GOOD, CA, crls=[unnumbered]))
