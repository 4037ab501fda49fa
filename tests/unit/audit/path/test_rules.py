"""Tests of the rules for leaf, intermediate and anchor: one change of a valid path breaks one rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from tests.support.x509.certificates import DAY, NOW, key_named, rsa_key
from tests.support.x509.paths import (
    SERVER,
    Digest,
    Made,
    clauses,
    constraints,
    directory,
    extension_added,
    field_replaced,
    new_ca,
    new_leaf,
    new_root,
    rekeyed,
    san,
    tlv,
    usage,
    validated,
)

ROOT = new_root()
CA = new_ca(ROOT)
LEAF = new_leaf(CA)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
KEY_IDS = x509.AuthorityKeyIdentifier.from_issuer_public_key(ROOT.private_key.public_key())
WITH_SERIAL = x509.AuthorityKeyIdentifier(KEY_IDS.key_identifier, [directory("CN=Path Root")], 5)
ACCESS = x509.AuthorityInformationAccess(
    [
        x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://ca.example/1.crt")
        )
    ]
)
EMPTY = b"\x30\x00"
TLS_POLICY = x509.PolicyInformation(x509.ObjectIdentifier("2.23.140.1.2.1"), None)
NO_CA, A_CA = (x509.BasicConstraints(ca=is_ca, path_length=None) for is_ca in (False, True))
OF_CA = x509.AuthorityKeyIdentifier.from_issuer_public_key(CA.private_key.public_key())
LEAF_WITH_SERIAL = x509.AuthorityKeyIdentifier(OF_CA.key_identifier, [directory("CN=Path Root")], 5)
DIGITAL = b"\x03\x02\x07\x80"
GENERALIZED = tlv(0x30, tlv(0x18, b"20261101000000Z"), tlv(0x18, b"20270101000000Z"))


def usages(*oids: x509.ObjectIdentifier) -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage(oids)


def test_good_path_is_valid_until_the_leaf_expires() -> None:
    found = validated(LEAF, CA)
    assert found.violations == ()
    assert found.ok
    assert found.path == (LEAF.der, CA.der, ROOT.der)
    assert found.holds_until == found.earliest_expiry == LEAF.end


LEAVES = {
    "serial number of zero": (LEAF.edited(field_replaced(1, b"\x02\x01\x00")), "RFC 5280 4.1.2.2"),
    "negative serial number": (LEAF.edited(field_replaced(1, b"\x02\x01\x80")), "RFC 5280 4.1.2.2"),
    "serial number of 21 octets": (LEAF.edited(field_replaced(1, tlv(2, b"\x7f" * 21))), "RFC 5280 4.1.2.2"),
    "empty subjectAltName": (
        LEAF.without(x509.SubjectAlternativeName).edited(extension_added("2.5.29.17", tlv(0x30))),
        "RFC 5280 4.2.1.6",
    ),
    "unique identifier": (
        LEAF.edited(lambda fields: [*fields[:7], b"\x81\x02\x00\x01", *fields[7:]]),
        "RFC 5280 4.1.2.8",
    ),
    "generalized times before 2050": (LEAF.edited(field_replaced(4, GENERALIZED)), "RFC 5280 4.1.2.5"),
    "another inner algorithm": (
        LEAF.edited(field_replaced(2, bytes.fromhex("300a06082a8648ce3d040303"))),
        "RFC 5280 4.1.1.2",
    ),
    "empty issuer": (LEAF.edited(field_replaced(3, b"\x30\x00")), "RFC 5280 4.1.2.4"),
    "repeated extension": (LEAF.edited(extension_added("2.5.29.15", DIGITAL)), "RFC 5280 4.2"),
    "extension that cannot be read": (LEAF.edited(extension_added("2.5.29.32", b"\x05\x00")), "RFC 5280 4.2"),
    "unknown critical extension": (LEAF.having(UNKNOWN, critical=True), "RFC 5280 4.2"),
    "precertificate": (LEAF.having(x509.PrecertPoison(), critical=True), "RFC 5280 4.2"),
    "critical authorityKeyIdentifier": (LEAF.having(OF_CA, critical=True), "RFC 5280 4.2.1.1"),
    "critical subjectKeyIdentifier": (LEAF.having(x509.SubjectKeyIdentifier(b"1"), critical=True), "RFC 5280 4.2.1.2"),
    "critical authorityInfoAccess": (LEAF.having(ACCESS, critical=True), "RFC 5280 4.2.2.1"),
    "critical extKeyUsage": (LEAF.having(usages(SERVER), critical=True), "BR 7.1.2.7.6"),
    "critical certificatePolicies": (
        LEAF.having(x509.CertificatePolicies([TLS_POLICY]), critical=True),
        "BR 7.1.2.7.6",
    ),
    "no authorityKeyIdentifier": (LEAF.without(x509.AuthorityKeyIdentifier), "RFC 5280 4.2.1.1"),
    "another authorityKeyIdentifier": (
        LEAF.having(x509.AuthorityKeyIdentifier(b"2" * 20, None, None)),
        "RFC 5280 4.2.1.2",
    ),
    "authorityKeyIdentifier with issuer and serial number": (LEAF.having(LEAF_WITH_SERIAL), "BR 7.1.2.11.1"),
    "CA": (LEAF.having(A_CA, critical=True), "BR 7.1.2.7.8"),
    "path length": (LEAF.edited(extension_added("2.5.29.19", b"\x30\x03\x02\x01\x00")), "RFC 5280 4.2.1.9"),
    "usage that signs certificates": (LEAF.having(usage("digital_signature", "key_cert_sign")), "BR 7.1.2.7.11"),
    "usage that signs CRLs": (LEAF.having(usage("digital_signature", "crl_sign")), "BR 7.1.2.7.11"),
    "usage without signature for an EC key": (LEAF.having(usage("key_encipherment")), "BR 7.1.2.7.11"),
    "usage that no server needs": (
        replace(LEAF, key=rsa_key(2048)).having(usage("content_commitment")),
        "RFC 5280 4.2.1.12",
    ),
    "usage without a bit": (
        LEAF.without(x509.KeyUsage).edited(extension_added("2.5.29.15", b"\x03\x01\x00")),
        "RFC 5280 4.2.1.3",
    ),
    "no extended key usage": (LEAF.without(x509.ExtendedKeyUsage), "BR 7.1.2.7.6"),
    "another extended key usage": (LEAF.having(usages(ExtendedKeyUsageOID.CLIENT_AUTH)), "RFC 5280 4.2.1.12"),
    "any extended key usage": (
        LEAF.having(usages(SERVER, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)),
        "BR 7.1.2.7.10",
    ),
    "code signing beside it": (LEAF.having(usages(SERVER, ExtendedKeyUsageOID.CODE_SIGNING)), "BR 7.1.2.7.10"),
    "name constraints": (LEAF.having(constraints(["example.com"]), critical=True), "RFC 5280 4.2.1.10"),
    "empty subject and uncritical names": (replace(LEAF, subject="", key=key_named("e")), "RFC 5280 4.2.1.6"),
    "subject and critical names": (LEAF.having(san("www.example.com"), critical=True), "BR 7.1.2.7.12"),
    "RSA of 1024 bits": (replace(LEAF, key=rsa_key(1024)), "BR 6.1.5"),
    "RSA of 2056 bits less one": (replace(LEAF, key=rsa_key(2055)), "BR 6.1.5"),
    "curve of 192 bits": (replace(LEAF, key=ec.generate_private_key(ec.SECP192R1())), "BR 6.1.5"),
    "Ed25519": (replace(LEAF, key=ed25519.Ed25519PrivateKey.generate()), "BR 6.1.5"),
    "DSA": (replace(LEAF, key=dsa.generate_private_key(2048)), "BR 6.1.5"),
    "SHA-512 by a key on P-256": (replace(LEAF, digest=hashes.SHA512()), "BR 7.1.3.2.2"),
    "SHA-224": (replace(LEAF, digest=hashes.SHA224()), "BR 7.1.3.2"),
    "expired": (replace(LEAF, end=NOW - timedelta(seconds=1)), "RFC 5280 4.1.2.5"),
    "not yet valid": (replace(LEAF, start=NOW + timedelta(seconds=1)), "RFC 5280 4.1.2.5"),
}  # fmt: skip


@pytest.mark.parametrize(("leaf", "clause"), LEAVES.values(), ids=LEAVES.keys())
def test_leaf_with_one_fault_is_refused(leaf: Made, clause: str) -> None:
    found = validated(leaf, CA, roots=[ROOT])
    assert clause in clauses(found)
    assert any(violation.clause == clause and violation.reason for violation in found.violations)
    assert str(found.violations[0]).endswith(")")


def test_serial_number_of_up_to_20_octets_is_accepted() -> None:
    assert validated(replace(LEAF, serial=(1 << 159) - 1), CA).ok
    assert validated(replace(LEAF, serial=1), CA).ok
    longer = LEAF.edited(field_replaced(1, tlv(2, b"\0\x80", bytes(19))))
    found = validated(longer, CA, roots=[ROOT])
    assert clauses(found) == {"RFC 5280 4.1.2.2"}
    assert found.violations[0].reason == "the serial number is longer than 20 octets"


def changed(ca: Made) -> dict[str, tuple[Made, str]]:
    """Return a CA or a root with one thing changed, and the clause that this breaks."""
    return {
        "no basicConstraints": (ca.without(x509.BasicConstraints), "RFC 5280 4.2.1.9"),
        "not a CA": (ca.having(NO_CA, critical=True), "RFC 5280 4.2.1.9"),
        "uncritical basicConstraints": (ca.having(A_CA), "RFC 5280 4.2.1.9"),
        "no keyUsage": (ca.without(x509.KeyUsage), "RFC 5280 4.2.1.3"),
        "usage that signs no certificates": (ca.having(usage("crl_sign"), critical=True), "RFC 5280 4.2.1.3"),
        "no subjectKeyIdentifier": (ca.without(x509.SubjectKeyIdentifier), "RFC 5280 4.2.1.2"),
        "unknown critical extension": (ca.having(UNKNOWN, critical=True), "RFC 5280 4.2"),
        "critical authorityKeyIdentifier": (ca.having(KEY_IDS, critical=True), "RFC 5280 4.2.1.1"),
        "empty name constraints": (ca.edited(extension_added("2.5.29.30", EMPTY, critical=True)), "RFC 5280 4.2"),
        "inhibitAnyPolicy that is not critical": (ca.having(x509.InhibitAnyPolicy(0)), "RFC 5280 4.2.1.14"),
        "policyConstraints that are not critical": (ca.having(x509.PolicyConstraints(3, None)), "RFC 5280 4.2.1.11"),
        "expired": (replace(ca, end=NOW - DAY), "RFC 5280 4.1.2.5"),
    }  # fmt: skip


@pytest.mark.parametrize(("ca", "clause"), changed(CA).values(), ids=changed(CA).keys())
def test_intermediate_with_one_fault_is_refused(ca: Made, clause: str) -> None:
    found = validated(LEAF, ca, roots=[ROOT])
    assert clause in clauses(found)
    assert {violation.place for violation in found.violations if violation.clause == clause} == {
        "intermediate 1 (CN=Path CA)"
    }


@pytest.mark.parametrize(("root", "clause"), changed(ROOT).values(), ids=changed(ROOT).keys())
def test_anchor_with_one_fault_is_refused(root: Made, clause: str) -> None:
    found = validated(LEAF, CA, roots=[root])
    assert clause in clauses(found)
    assert {violation.place for violation in found.violations if violation.clause == clause} == {
        "anchor (CN=Path Root)"
    }


ANCHORS = {
    "extKeyUsage": (ROOT.having(usages(SERVER)), "BR 7.1.2.1.2"),
    "authorityKeyIdentifier with issuer and serial number": (ROOT.having(WITH_SERIAL), "BR 7.1.2.1.3"),
    "authorityKeyIdentifier of another key": (
        ROOT.having(x509.AuthorityKeyIdentifier(b"3" * 20, None, None)),
        "BR 7.1.2.1.3",
    ),
}


@pytest.mark.parametrize(("root", "clause"), ANCHORS.values(), ids=ANCHORS.keys())
def test_root_with_one_fault_is_refused(root: Made, clause: str) -> None:
    assert clauses(validated(LEAF, CA, roots=[root])) == {clause}


def test_rsa_key_with_a_huge_exponent_is_refused() -> None:
    numbers = rsa.RSAPublicNumbers((1 << 300) + 1, rsa_key(2048).public_key().public_numbers().n)
    assert numbers.e not in range(1 << 256)
    leaf = LEAF.edited(field_replaced(6, _spki(numbers)))
    assert "BR 6.1.6" in clauses(validated(leaf, CA, roots=[ROOT]))


def _spki(numbers: rsa.RSAPublicNumbers) -> bytes:
    def integer(value: int) -> bytes:
        return tlv(2, value.to_bytes(value.bit_length() // 8 + 1))

    key = tlv(0x30, integer(numbers.n), integer(numbers.e))
    return tlv(0x30, bytes.fromhex("300d06092a864886f70d0101010500"), tlv(3, b"\0", key))


def signed_by(root: Made, digest: Digest, pss: padding.PSS | None = None) -> tuple[Made, Made]:
    """Return a leaf that a root signed with this digest, and the root."""
    return replace(new_leaf(root), digest=digest, pss=pss), root


def with_salt(digest: Digest, octets: int) -> padding.PSS:
    return padding.PSS(padding.MGF1(digest), octets)


CLIENT = usages(ExtendedKeyUsageOID.CLIENT_AUTH)
CLIENT_LEAF, CLIENT_CA = LEAF.having(CLIENT), CA.having(CLIENT)
RSA_ROOT = rekeyed(ROOT, rsa_key(2048))
ROLLED = rekeyed(new_ca(ROOT, ROOT.subject), key_named("rolled"))
BARE = ROLLED.without(x509.AuthorityKeyIdentifier)
NAMELESS = replace(LEAF, subject="", key=key_named("e")).having(san("www.example.com"), critical=True)
BRIEF = replace(LEAF, start=NOW, end=NOW + timedelta(seconds=9))
AT_END = NOW + timedelta(seconds=9, milliseconds=5)
SMALL_ROOT = rekeyed(ROOT, ec.generate_private_key(ec.SECP192R1()))
NOT_SERVER, LATE = {"RFC 5280 4.2.1.12"}, {"RFC 5280 4.1.2.5"}
LONG_LEAF, LONG_CA = (replace(made, end=NOW + 9000 * DAY) for made in (LEAF, CA))
PATHS: dict[str, tuple[tuple[Made, ...], dict[str, object], set[str]]] = {
    "intermediate as anchor with a usage": ((LEAF,), {"roots": [CA.having(usages(SERVER))]}, set()),
    "intermediate as anchor for clients": ((LEAF,), {"roots": [CLIENT_CA]}, NOT_SERVER),
    "intermediate for clients": ((LEAF, CLIENT_CA), {}, NOT_SERVER),
    "intermediate for any": ((LEAF, CA.having(usages(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE))), {}, set()),
    "intermediate for servers": ((LEAF, CA.having(usages(SERVER))), {}, set()),
    "anchor signed with another digest": ((LEAF, CA), {"roots": [replace(ROOT, digest=hashes.SHA512())]}, set()),
    "anchor on a small curve": ((new_leaf(SMALL_ROOT),), {}, {"BR 6.1.5", "RFC 5280 6.1.3 a 1"}),
    "self-issued": ((new_leaf(ROLLED), ROLLED), {}, set()),
    "self-issued without authorityKeyIdentifier": ((new_leaf(BARE), BARE), {}, {"RFC 5280 4.2.1.1"}),
    "purpose by name": ((CLIENT_LEAF, CA), {"purpose": "clientAuth", "reference": None}, set()),
    "purpose by OID": ((CLIENT_LEAF, CA), {"purpose": "1.3.6.1.5.5.7.3.2", "reference": None}, set()),
    "unknown purpose": ((CLIENT_LEAF, CA), {"purpose": "something else", "reference": None}, NOT_SERVER),
    "no key usage": ((LEAF.without(x509.KeyUsage), CA), {}, set()),
    "basic constraints in a leaf": ((LEAF.having(NO_CA), CA), {}, set()),
    "no subject and critical names": ((NAMELESS, CA), {}, set()),
    **{f"RSA with {digest.name}": ((signed_by(RSA_ROOT, digest)[0],), {"roots": [RSA_ROOT]}, set())
       for digest in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512())},
    **{f"PSS with {digest.name}": (
        (signed_by(RSA_ROOT, digest, with_salt(digest, octets))[0],), {"roots": [RSA_ROOT]}, set(),
    ) for digest, octets in ((hashes.SHA256(), 32), (hashes.SHA384(), 48), (hashes.SHA512(), 64))},
    "PSS with a short salt": (
        (signed_by(RSA_ROOT, hashes.SHA256(), with_salt(hashes.SHA256(), 20))[0],), {}, {"BR 7.1.3.2"},
    ),
    **{f"{curve.name} with {digest.name}": ((leaf,), {"roots": [root]}, set())
       for curve, digest in ((ec.SECP384R1(), hashes.SHA384()), (ec.SECP521R1(), hashes.SHA512()))
       for leaf, root in [signed_by(replace(rekeyed(ROOT, ec.generate_private_key(curve)), digest=digest), digest)]},
    "first instant": ((BRIEF, CA), {"at": NOW}, set()),
    "last instant": ((BRIEF, CA), {"at": AT_END}, set()),
    "a second early": ((BRIEF, CA), {"at": NOW - timedelta(seconds=1)}, LATE),
    "a second late": ((BRIEF, CA), {"at": NOW + timedelta(seconds=10)}, LATE),
    "time without a zone": ((LEAF, CA), {"at": NOW.replace(tzinfo=None)}, set()),
    "ends after 2050": ((LONG_LEAF, LONG_CA), {}, set()),
}  # fmt: skip


@pytest.mark.parametrize(("path", "options", "expected"), PATHS.values(), ids=PATHS.keys())
def test_path_is_valid_but_for_one_rule(path: tuple[Made, ...], options: dict[str, object], expected: set[str]) -> None:
    assert clauses(validated(*path, **options)) == expected  # type: ignore[arg-type] # options by name


def test_serial_number_of_an_anchor_is_not_checked() -> None:
    root = replace(ROOT, digest=hashes.SHA224()).edited(field_replaced(1, b"\x02\x01\x00"))
    assert "RFC 5280 4.1.2.2" not in clauses(validated(LEAF, CA, roots=[root]))
