"""Tests of certificate policies (RFC 5280 6.1): an explicit policy is required only if a CA requires it."""

from __future__ import annotations

import pytest
from cryptography import x509

from tests.support.x509.certificates import key_named
from tests.support.x509.paths import Made, clauses, extension_added, new_ca, new_leaf, new_root, rekeyed, tlv, validated

A, B, C = "1.3.6.1.4.1.1", "1.3.6.1.4.1.2", "1.3.6.1.4.1.3"
ANY = "2.5.29.32.0"
ROOT = new_root()
EXPLICIT = "RFC 5280 6.1.5 g"


def policies(*oids: str) -> x509.CertificatePolicies:
    return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in oids])


def requiring(ca: Made, skip: int = 0, *, mapping: int | None = None) -> Made:
    return ca.having(x509.PolicyConstraints(skip, mapping), critical=True)


def path(*cas_policies: tuple[str, ...], leaf: tuple[str, ...] = (), skip: int = 0) -> set[str]:
    """Return why a path is refused in which the first CA requires a policy and each certificate has these."""
    above = ROOT
    pool: list[Made] = []
    for number, oids in enumerate(cas_policies):
        ca = new_ca(above, f"CN=Level {number}")
        ca = requiring(ca, skip) if number == 0 else ca
        above = ca.having(policies(*oids)) if oids else ca
        pool.append(above)
    end = new_leaf(above)
    return clauses(validated(end.having(policies(*leaf)) if leaf else end, *pool))


@pytest.mark.parametrize(
    ("cas", "leaf"),
    [
        (((A,),), (A,)),
        (((A, B),), (B, C)),
        (((ANY,),), (A,)),
        (((A,), (ANY,)), (A,)),
        (((ANY,), (ANY,)), (ANY,)),
        (((A,),), (ANY,)),
    ],
)
def test_policy_of_every_certificate_satisfies_the_requirement(
    cas: tuple[tuple[str, ...], ...], leaf: tuple[str, ...]
) -> None:
    assert path(*cas, leaf=leaf) == set()


@pytest.mark.parametrize(
    ("cas", "leaf"),
    [(((A,),), (B,)), (((A,),), ()), (((),), (A,)), (((A,), ()), (A,)), (((A,), (B,)), (A,)), (((A,), (B,)), (ANY,))],
)
def test_path_without_a_common_policy_is_refused(cas: tuple[tuple[str, ...], ...], leaf: tuple[str, ...]) -> None:
    assert path(*cas, leaf=leaf) == {EXPLICIT}


def test_policies_may_differ_if_no_ca_requires_one() -> None:
    ca = new_ca(ROOT).having(policies(A))
    assert validated(new_leaf(ca).having(policies(B)), ca).ok


def test_requirement_applies_after_the_skipped_certificates() -> None:
    assert path((A,), leaf=(B,), skip=1) == {EXPLICIT}
    assert path((A,), leaf=(B,), skip=2) == set()
    assert path((A,), (A,), leaf=(B,), skip=2) == {EXPLICIT}


def test_immediate_requirement_in_the_leaf_applies() -> None:
    ca = new_ca(ROOT).having(policies(A))
    leaf = new_leaf(ca).having(policies(B))
    assert clauses(validated(requiring(leaf, 0), ca)) == {EXPLICIT}


def test_inhibited_any_policy_does_not_satisfy_the_requirement() -> None:
    ca = requiring(new_ca(ROOT)).having(policies(A)).having(x509.InhibitAnyPolicy(0), critical=True)
    assert clauses(validated(new_leaf(ca).having(policies(ANY)), ca)) == {EXPLICIT}
    assert validated(new_leaf(ca).having(policies(A)), ca).ok


def test_self_issued_ca_may_have_any_policy_if_inhibited() -> None:
    ca = requiring(new_ca(ROOT)).having(policies(A)).having(x509.InhibitAnyPolicy(0), critical=True)
    rolled = rekeyed(new_ca(ca, ca.subject), key_named("rolled")).having(policies(ANY))
    assert validated(new_leaf(rolled).having(policies(A)), rolled, ca).ok


@pytest.mark.parametrize(("skip", "expected"), [(0, {EXPLICIT}), (1, {EXPLICIT}), (2, set()), (3, set())])
def test_any_policy_is_inhibited_after_the_skipped_certificates(skip: int, expected: set[str]) -> None:
    top = requiring(new_ca(ROOT)).having(policies(A)).having(x509.InhibitAnyPolicy(skip), critical=True)
    ca = new_ca(top, "CN=Below").having(policies(A))
    assert clauses(validated(new_leaf(ca).having(policies(ANY)), ca, top)) == expected


def test_lower_ca_cannot_allow_an_inhibited_any_policy() -> None:
    top = requiring(new_ca(ROOT)).having(policies(A)).having(x509.InhibitAnyPolicy(0), critical=True)
    ca = new_ca(top, "CN=Below").having(policies(A)).having(x509.InhibitAnyPolicy(5), critical=True)
    assert clauses(validated(new_leaf(ca).having(policies(ANY)), ca, top)) == {EXPLICIT}


def test_lower_ca_cannot_delay_the_requirement() -> None:
    top = requiring(new_ca(ROOT)).having(policies(A))
    ca = requiring(new_ca(top, "CN=Below"), 5).having(policies(A))
    assert clauses(validated(new_leaf(ca).having(policies(B)), ca, top)) == {EXPLICIT}


def mapped(ca: Made, *pairs: tuple[bytes, bytes]) -> Made:
    content = tlv(
        0x30, *(tlv(0x30, tlv(6, issuer_policy), tlv(6, subject_policy)) for issuer_policy, subject_policy in pairs)
    )
    return ca.edited(extension_added("2.5.29.33", content, critical=True))


def encoded(oid: str) -> bytes:
    first, second, *rest = map(int, oid.split("."))
    return bytes((40 * first + second, *rest))


def test_mapped_policy_satisfies_the_requirement() -> None:
    ca = mapped(requiring(new_ca(ROOT)).having(policies(A)), (encoded(A), encoded(B)))
    assert validated(new_leaf(ca).having(policies(B)), ca).ok
    assert clauses(validated(new_leaf(ca).having(policies(A)), ca)) == {EXPLICIT}


def test_any_policy_satisfies_the_requirement_of_a_mapped_policy() -> None:
    ca = mapped(requiring(new_ca(ROOT)).having(policies(ANY)), (encoded(A), encoded(B)))
    assert validated(new_leaf(ca).having(policies(B)), ca).ok


def test_inhibited_mapping_does_not_satisfy_the_requirement() -> None:
    top = requiring(new_ca(ROOT), mapping=0).having(policies(A))
    ca = mapped(new_ca(top, "CN=Below").having(policies(A)), (encoded(A), encoded(B)))
    assert clauses(validated(new_leaf(ca).having(policies(B)), ca, top)) == {EXPLICIT}


@pytest.mark.parametrize(("skip", "expected"), [(1, {EXPLICIT}), (2, set()), (3, set())])
def test_mapping_is_inhibited_after_the_skipped_certificates(skip: int, expected: set[str]) -> None:
    top = requiring(new_ca(ROOT), mapping=skip).having(policies(A))
    middle = new_ca(top, "CN=Middle").having(policies(A))
    ca = mapped(new_ca(middle, "CN=Below").having(policies(A)), (encoded(A), encoded(B)))
    assert clauses(validated(new_leaf(ca).having(policies(B)), ca, middle, top)) == expected


def test_lower_ca_cannot_allow_an_inhibited_mapping() -> None:
    top = requiring(new_ca(ROOT), mapping=0).having(policies(A))
    middle = requiring(new_ca(top, "CN=Middle"), mapping=5).having(policies(A))
    ca = mapped(new_ca(middle, "CN=Below").having(policies(A)), (encoded(A), encoded(B)))
    assert clauses(validated(new_leaf(ca).having(policies(B)), ca, middle, top)) == {EXPLICIT}


def test_any_policy_is_valid_beside_1001_mappings() -> None:
    ca = requiring(new_ca(ROOT)).having(policies(ANY))
    ca = mapped(ca, *((encoded(A), encoded(f"{B}.{number // 100}.{number % 100}")) for number in range(1001)))
    assert validated(new_leaf(ca).having(policies(C)), ca).ok


@pytest.mark.parametrize(("number", "expected"), [(1000, set()), (1001, {EXPLICIT})])
def test_policy_is_mapped_to_at_most_1000_others(number: int, expected: set[str]) -> None:
    ca = requiring(new_ca(ROOT)).having(policies(A))
    ca = mapped(ca, *((encoded(A), encoded(f"{B}.{index // 100}.{index % 100}")) for index in range(number)))
    assert clauses(validated(new_leaf(ca).having(policies(f"{B}.0.0")), ca)) == expected


def test_mapping_of_any_policy_is_refused() -> None:
    for pair in ((encoded(ANY), encoded(B)), (encoded(B), encoded(ANY))):
        ca = mapped(new_ca(ROOT), pair)
        assert clauses(validated(new_leaf(ca), ca)) == {"RFC 5280 4.2.1.5"}


@pytest.mark.parametrize("content", [b"", b"\x05\x00", tlv(0x30, tlv(0x30)), tlv(0x30, tlv(0x30, tlv(6), tlv(6)))])
def test_unreadable_policy_mappings_are_refused(content: bytes) -> None:
    ca = new_ca(ROOT).edited(extension_added("2.5.29.33", content))
    assert clauses(validated(new_leaf(ca), ca)) == {"RFC 5280 4.2.1.5"}


def test_repeated_policy_is_refused() -> None:
    inner = tlv(0x30, tlv(6, encoded(A)))
    ca = new_ca(ROOT).edited(extension_added("2.5.29.32", tlv(0x30, inner, inner)))
    assert clauses(validated(new_leaf(ca), ca)) == {"RFC 5280 4.2.1.4"}
