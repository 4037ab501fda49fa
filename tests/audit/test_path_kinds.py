"""What refuses a path in each profile: clients ask less of a certificate than the rules for public CAs."""

from __future__ import annotations

from cryptography import x509

from tests.audit.paths import clauses, new_ca, new_leaf, new_root, validated

ROOT = new_root()
CA = new_ca(ROOT)
GOOD = new_leaf(CA)


def test_path_without_fault_has_no_refusal_of_either_kind() -> None:
    """Neither profile finds anything in a certificate that follows all rules."""
    found = validated(GOOD, CA, profile="rfc5280")
    assert found.ok
    assert not found.profile_refusals


def test_profile_refusal_is_carried_by_accepted_path() -> None:
    """A leaf without extKeyUsage is accepted by clients, and the Baseline Requirements forbid it."""
    leaf = GOOD.without(x509.ExtendedKeyUsage)
    found = validated(leaf, CA, profile="rfc5280")
    assert found.ok
    assert [(refusal.clause, refusal.kind) for refusal in found.profile_refusals] == [("BR 7.1.2.7.6", "profile")]
    by_all_rules = validated(leaf, CA, profile="webpki")
    assert not by_all_rules.ok
    assert clauses(by_all_rules) == {"BR 7.1.2.7.6"}
    assert not by_all_rules.profile_refusals


def test_fault_of_leaf_does_not_hide_valid_path_above() -> None:
    """For a leaf with a fault of its own the refusals are the leaf's alone where a better CA certificate is there."""
    expired_ca = new_ca(ROOT).without(x509.BasicConstraints)
    found = validated(GOOD, expired_ca, CA, reference="other.example.net", profile="rfc5280")
    assert {refusal.place for refusal in found.refusals} == {"leaf"}
    assert found.path[1] == CA.der
