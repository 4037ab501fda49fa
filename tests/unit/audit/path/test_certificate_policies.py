"""Certificate policies along a path: an explicit policy is required only where a CA says so (RFC 5280 6.1)."""

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
def test_a_policy_that_is_valid_all_the_way_satisfies_a_requirement(
    cas: tuple[tuple[str, ...], ...], leaf: tuple[str, ...]
) -> None:
    assert path(*cas, leaf=leaf) == set()


@pytest.mark.parametrize(
    ("cas", "leaf"),
    [(((A,),), (B,)), (((A,),), ()), (((),), (A,)), (((A,), ()), (A,)), (((A,), (B,)), (A,)), (((A,), (B,)), (ANY,))],
)
def test_without_such_a_policy_the_path_is_refused(cas: tuple[tuple[str, ...], ...], leaf: tuple[str, ...]) -> None:
    assert path(*cas, leaf=leaf) == {EXPLICIT}


def test_nothing_is_required_where_no_ca_requires_it() -> None:
    ca = new_ca(ROOT).having(policies(A))
    assert validated(new_leaf(ca).having(policies(B)), ca).ok


def test_a_requirement_may_begin_further_down() -> None:
    assert path((A,), leaf=(B,), skip=1) == {EXPLICIT}
    assert path((A,), leaf=(B,), skip=2) == set()
    assert path((A,), (A,), leaf=(B,), skip=2) == {EXPLICIT}


def test_a_requirement_in_the_leaf_counts_if_it_is_immediate() -> None:
    ca = new_ca(ROOT).having(policies(A))
    leaf = new_leaf(ca).having(policies(B))
    assert clauses(validated(requiring(leaf, 0), ca)) == {EXPLICIT}


def test_any_policy_may_be_inhibited() -> None:
    ca = requiring(new_ca(ROOT)).having(policies(A)).having(x509.InhibitAnyPolicy(0), critical=True)
    assert clauses(validated(new_leaf(ca).having(policies(ANY)), ca)) == {EXPLICIT}
    assert validated(new_leaf(ca).having(policies(A)), ca).ok


def test_a_self_issued_ca_may_have_any_policy_even_so() -> None:
    ca = requiring(new_ca(ROOT)).having(policies(A)).having(x509.InhibitAnyPolicy(0), critical=True)
    rolled = rekeyed(new_ca(ca, ca.subject), key_named("rolled")).having(policies(ANY))
    assert validated(new_leaf(rolled).having(policies(A)), rolled, ca).ok


@pytest.mark.parametrize(("skip", "expected"), [(0, {EXPLICIT}), (1, {EXPLICIT}), (2, set()), (3, set())])
def test_any_policy_may_be_inhibited_further_down(skip: int, expected: set[str]) -> None:
    top = requiring(new_ca(ROOT)).having(policies(A)).having(x509.InhibitAnyPolicy(skip), critical=True)
    ca = new_ca(top, "CN=Below").having(policies(A))
    assert clauses(validated(new_leaf(ca).having(policies(ANY)), ca, top)) == expected


def test_what_was_inhibited_stays_so_whatever_a_ca_below_says() -> None:
    top = requiring(new_ca(ROOT)).having(policies(A)).having(x509.InhibitAnyPolicy(0), critical=True)
    ca = new_ca(top, "CN=Below").having(policies(A)).having(x509.InhibitAnyPolicy(5), critical=True)
    assert clauses(validated(new_leaf(ca).having(policies(ANY)), ca, top)) == {EXPLICIT}


def test_a_requirement_stays_whatever_a_ca_below_says() -> None:
    top = requiring(new_ca(ROOT)).having(policies(A))
    ca = requiring(new_ca(top, "CN=Below"), 5).having(policies(A))
    assert clauses(validated(new_leaf(ca).having(policies(B)), ca, top)) == {EXPLICIT}


def mapped(ca: Made, *pairs: tuple[bytes, bytes]) -> Made:
    content = tlv(0x30, *(tlv(0x30, tlv(6, one), tlv(6, other)) for one, other in pairs))
    return ca.edited(extension_added("2.5.29.33", content, critical=True))


def encoded(oid: str) -> bytes:
    first, second, *rest = map(int, oid.split("."))
    return bytes((40 * first + second, *rest))


def test_a_policy_may_be_mapped_to_another() -> None:
    ca = mapped(requiring(new_ca(ROOT)).having(policies(A)), (encoded(A), encoded(B)))
    assert validated(new_leaf(ca).having(policies(B)), ca).ok
    assert clauses(validated(new_leaf(ca).having(policies(A)), ca)) == {EXPLICIT}


def test_any_policy_covers_what_is_mapped() -> None:
    ca = mapped(requiring(new_ca(ROOT)).having(policies(ANY)), (encoded(A), encoded(B)))
    assert validated(new_leaf(ca).having(policies(B)), ca).ok


def test_mapping_may_be_inhibited() -> None:
    top = requiring(new_ca(ROOT), mapping=0).having(policies(A))
    ca = mapped(new_ca(top, "CN=Below").having(policies(A)), (encoded(A), encoded(B)))
    assert clauses(validated(new_leaf(ca).having(policies(B)), ca, top)) == {EXPLICIT}


@pytest.mark.parametrize(("skip", "expected"), [(1, {EXPLICIT}), (2, set()), (3, set())])
def test_mapping_may_be_inhibited_further_down(skip: int, expected: set[str]) -> None:
    top = requiring(new_ca(ROOT), mapping=skip).having(policies(A))
    middle = new_ca(top, "CN=Middle").having(policies(A))
    ca = mapped(new_ca(middle, "CN=Below").having(policies(A)), (encoded(A), encoded(B)))
    assert clauses(validated(new_leaf(ca).having(policies(B)), ca, middle, top)) == expected


def test_mapping_that_was_inhibited_stays_so_whatever_a_ca_below_says() -> None:
    top = requiring(new_ca(ROOT), mapping=0).having(policies(A))
    middle = requiring(new_ca(top, "CN=Middle"), mapping=5).having(policies(A))
    ca = mapped(new_ca(middle, "CN=Below").having(policies(A)), (encoded(A), encoded(B)))
    assert clauses(validated(new_leaf(ca).having(policies(B)), ca, middle, top)) == {EXPLICIT}


def test_any_policy_stays_valid_beside_a_thousand_mappings() -> None:
    ca = requiring(new_ca(ROOT)).having(policies(ANY))
    ca = mapped(ca, *((encoded(A), encoded(f"{B}.{number // 100}.{number % 100}")) for number in range(1001)))
    assert validated(new_leaf(ca).having(policies(C)), ca).ok


@pytest.mark.parametrize(("number", "expected"), [(1000, set()), (1001, {EXPLICIT})])
def test_a_policy_is_mapped_to_a_thousand_others_at_most(number: int, expected: set[str]) -> None:
    ca = requiring(new_ca(ROOT)).having(policies(A))
    ca = mapped(ca, *((encoded(A), encoded(f"{B}.{one // 100}.{one % 100}")) for one in range(number)))
    assert clauses(validated(new_leaf(ca).having(policies(f"{B}.0.0")), ca)) == expected


def test_any_policy_is_never_mapped() -> None:
    for pair in ((encoded(ANY), encoded(B)), (encoded(B), encoded(ANY))):
        ca = mapped(new_ca(ROOT), pair)
        assert clauses(validated(new_leaf(ca), ca)) == {"RFC 5280 4.2.1.5"}


@pytest.mark.parametrize("content", [b"", b"\x05\x00", tlv(0x30, tlv(0x30)), tlv(0x30, tlv(0x30, tlv(6), tlv(6)))])
def test_mappings_that_cannot_be_read_are_refused(content: bytes) -> None:
    ca = new_ca(ROOT).edited(extension_added("2.5.29.33", content))
    assert clauses(validated(new_leaf(ca), ca)) == {"RFC 5280 4.2.1.5"}


def test_a_policy_stands_there_once() -> None:
    inner = tlv(0x30, tlv(6, encoded(A)))
    ca = new_ca(ROOT).edited(extension_added("2.5.29.32", tlv(0x30, inner, inner)))
    assert clauses(validated(new_leaf(ca), ca)) == {"RFC 5280 4.2.1.4"}
