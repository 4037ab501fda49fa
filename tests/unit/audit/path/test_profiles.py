"""Tests of the validation profiles: clients require less of a certificate than the rules for public CAs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from audit.x509.path.validator import Validation, profile_violations_of_server
from tests.support.x509.crls import crl
from tests.support.x509.paths import (
    Made,
    clauses,
    constraints,
    extension_added,
    new_ca,
    new_leaf,
    new_root,
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


CASES = {
    **{f"leaf: {name}": (name, leaf, CA, ROOT, clause) for name, (leaf, clause) in LEAVES.items()},
    **{f"intermediate: {name}": (name, GOOD, ca, ROOT, clause) for name, (ca, clause) in changed(CA).items()},
    **{f"anchor: {name}": (name, GOOD, CA, root, clause) for name, (root, clause) in (changed(ROOT) | ANCHORS).items()},
}


@pytest.mark.parametrize(("name", "leaf", "ca", "root", "clause"), CASES.values(), ids=CASES.keys())
def test_clients_refuse_each_fault_but_those_of_a_rule_book(
    name: str, leaf: Made, ca: Made, root: Made, clause: str
) -> None:
    found = by_clients(leaf, ca, roots=[root])
    assert found.ok is (name in OF_BOOK_ALONE), list(map(str, found.violations))
    kept = found.profile_violations if found.ok else found.violations
    assert clause in {violation.clause for violation in kept}
    assert {violation.kind for violation in found.violations} <= {"client"}
    assert {violation.kind for violation in found.profile_violations} <= {"profile"}


def test_every_fault_of_book_alone_is_a_case() -> None:
    assert {case[0] for case in CASES.values()} >= OF_BOOK_ALONE


def test_path_without_fault_has_no_violation_of_either_kind() -> None:
    found = by_clients(GOOD, CA)
    assert found.ok
    assert not found.profile_violations


def test_rule_book_is_applied_to_a_leaf_without_its_path() -> None:
    leaf = GOOD.without(x509.ExtendedKeyUsage)
    (violation,) = profile_violations_of_server(leaf.der)
    assert (violation.clause, violation.place, violation.position) == ("BR 7.1.2.7.6", "leaf", 0)
    assert profile_violations_of_server(LEAVES["negative serial number"][0].der) == ()  # clients refuse it
    assert profile_violations_of_server(b"garbage") == ()


def test_unreadable_leaf_is_the_place_of_its_violation() -> None:
    (violation,) = validated(b"garbage", CA, roots=[ROOT]).violations
    assert (violation.clause, violation.place, violation.position) == ("RFC 5280 4.1", "leaf", 0)


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
