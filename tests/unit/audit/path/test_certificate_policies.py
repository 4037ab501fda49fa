"""Tests of certificate policies (RFC 5280 6.1): an explicit policy is required only if a CA requires it."""

from __future__ import annotations

import pytest
from cryptography import x509

from tests.support.x509.certificates import key_named
from tests.support.x509.paths import Made, clauses, extension_added, new_ca, new_leaf, new_root, rekeyed, tlv, validated

A, B, C = "1.3.6.1.4.1.1", "1.3.6.1.4.1.2", "1.3.6.1.4.1.3"
ANY = "2.5.29.32.0"
ROOT = new_root()
EXPLICIT = {"RFC 5280 6.1.5 g"}
VALID: set[str] = set()


def with_policies(made: Made, *oids: str) -> Made:
    information = [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in oids]
    return made.having(x509.CertificatePolicies(information)) if oids else made


def requiring(ca: Made, skip: int = 0, *, mapping: int | None = None) -> Made:
    return ca.having(x509.PolicyConstraints(skip, mapping), critical=True)


def without_any(ca: Made, skip: int = 0) -> Made:
    return ca.having(x509.InhibitAnyPolicy(skip), critical=True)


def below(issuer: Made, *oids: str) -> Made:
    """Return a CA with these policies."""
    return with_policies(new_ca(issuer, f"CN=Below {issuer.subject.removeprefix('CN=')}"), *oids)


def found(leaf_policies: tuple[str, ...], *pool: Made) -> set[str]:
    """Return why a leaf with these policies is refused that the first CA of the pool issued."""
    return clauses(validated(with_policies(new_leaf(pool[0]), *leaf_policies), *pool))


@pytest.mark.parametrize(
    ("cas", "leaf", "skip", "expected"),
    [
        (((A,),), (A,), 0, VALID),
        (((A, B),), (B, C), 0, VALID),
        (((ANY,),), (A,), 0, VALID),
        (((A,), (ANY,)), (A,), 0, VALID),
        (((ANY,), (ANY,)), (ANY,), 0, VALID),
        (((A,),), (ANY,), 0, VALID),
        (((A,),), (B,), 0, EXPLICIT),
        (((A,),), (), 0, EXPLICIT),
        (((),), (A,), 0, EXPLICIT),
        (((A,), ()), (A,), 0, EXPLICIT),
        (((A,), (B,)), (A,), 0, EXPLICIT),
        (((A,), (B,)), (ANY,), 0, EXPLICIT),
        (((A,),), (B,), 1, EXPLICIT),
        (((A,),), (B,), 2, VALID),
        (((A,), (A,)), (B,), 2, EXPLICIT),
    ],
)
def test_requirement_is_satisfied_by_a_policy_of_every_certificate(
    cas: tuple[tuple[str, ...], ...], leaf: tuple[str, ...], skip: int, expected: set[str]
) -> None:
    pool = [requiring(below(ROOT, *cas[0]), skip)]
    for oids in cas[1:]:
        pool.insert(0, below(pool[0], *oids))
    assert found(leaf, *pool) == expected


def mapped(ca: Made, *pairs: tuple[bytes, bytes]) -> Made:
    listed = (tlv(0x30, tlv(6, issuer_policy), tlv(6, subject_policy)) for issuer_policy, subject_policy in pairs)
    return ca.edited(extension_added("2.5.29.33", tlv(0x30, *listed), critical=True))


def encoded(oid: str) -> bytes:
    first, second, *rest = map(int, oid.split("."))
    return bytes((40 * first + second, *rest))


A_TO_B = (encoded(A), encoded(B))
FREE = below(ROOT, A)
TOP = requiring(FREE)
TOP_ANY = requiring(below(ROOT, ANY))
INHIBITED = without_any(TOP)
ROLLED = with_policies(rekeyed(new_ca(INHIBITED, INHIBITED.subject), key_named("rolled")), ANY)
TO_OTHERS = [(encoded(A), encoded(f"{B}.{index // 100}.{index % 100}")) for index in range(1001)]


def top_without_mapping(skip: int) -> Made:
    return requiring(below(ROOT, A), mapping=skip)


CASES = {
    "no CA requires one": ((B,), (FREE,), VALID),
    "inhibited any policy": ((ANY,), (INHIBITED,), EXPLICIT),
    "own policy, any inhibited": ((A,), (INHIBITED,), VALID),
    "any policy of a self-issued CA": ((A,), (ROLLED, INHIBITED), VALID),
    **{f"any policy inhibited after {skip}": ((ANY,), (below(top, A), top), expected)
       for skip, expected in ((0, EXPLICIT), (1, EXPLICIT), (2, VALID), (3, VALID))
       for top in [without_any(TOP, skip)]},
    "lower CA allows any policy": ((ANY,), (without_any(below(INHIBITED, A), 5), INHIBITED), EXPLICIT),
    "lower CA delays the requirement": ((B,), (requiring(below(TOP, A), 5), TOP), EXPLICIT),
    "mapped policy": ((B,), (mapped(TOP, A_TO_B),), VALID),
    "policy that was mapped": ((A,), (mapped(TOP, A_TO_B),), EXPLICIT),
    "any policy in place of the mapped one": ((B,), (mapped(TOP_ANY, A_TO_B),), VALID),
    "inhibited mapping": (
        (B,), (mapped(below(top_without_mapping(0), A), A_TO_B), top_without_mapping(0)), EXPLICIT,
    ),
    **{f"mapping inhibited after {skip}": ((B,), (mapped(below(middle, A), A_TO_B), middle, top), expected)
       for skip, expected in ((1, EXPLICIT), (2, VALID), (3, VALID))
       for top in [top_without_mapping(skip)]
       for middle in [below(top, A)]},
    "lower CA allows mapping": (
        (B,), (mapped(below(middle := requiring(below(top := top_without_mapping(0), A), mapping=5), A), A_TO_B),
               middle, top), EXPLICIT,
    ),
    "any policy beside 1001 mappings": ((C,), (mapped(TOP_ANY, *TO_OTHERS),), VALID),
    "mapped to 1000 others": ((f"{B}.0.0",), (mapped(TOP, *TO_OTHERS[:1000]),), VALID),
    "mapped to 1001 others": ((f"{B}.0.0",), (mapped(TOP, *TO_OTHERS),), EXPLICIT),
    "any policy is mapped": ((), (mapped(new_ca(ROOT), (encoded(ANY), encoded(B))),), {"RFC 5280 4.2.1.5"}),
    "mapped to any policy": ((), (mapped(new_ca(ROOT), (encoded(B), encoded(ANY))),), {"RFC 5280 4.2.1.5"}),
    **{f"unreadable mapping {content!r}": (
        (), (new_ca(ROOT).edited(extension_added("2.5.29.33", content)),), {"RFC 5280 4.2.1.5"},
    ) for content in (b"", b"\x05\x00", tlv(0x30, tlv(0x30)), tlv(0x30, tlv(0x30, tlv(6), tlv(6))))},
    "repeated policy": (
        (), (new_ca(ROOT).edited(extension_added("2.5.29.32", tlv(0x30, *[tlv(0x30, tlv(6, encoded(A)))] * 2))),),
        {"RFC 5280 4.2.1.4"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("leaf", "pool", "expected"), CASES.values(), ids=CASES.keys())
def test_policy_is_inhibited_and_mapped_as_the_cas_say(
    leaf: tuple[str, ...], pool: tuple[Made, ...], expected: set[str]
) -> None:
    assert found(leaf, *pool) == expected


@pytest.mark.parametrize(
    ("extension", "clause", "reason"),
    [
        (x509.PolicyConstraints(9, None), "RFC 5280 4.2.1.11", "policyConstraints are not critical"),
        (x509.InhibitAnyPolicy(9), "RFC 5280 4.2.1.14", "inhibitAnyPolicy is not critical"),
    ],
)
def test_constraint_on_policies_has_to_be_critical(extension: x509.ExtensionType, clause: str, reason: str) -> None:
    ca = new_ca(ROOT).having(extension)
    found = validated(new_leaf(ca), ca).violations
    assert [(violation.clause, violation.reason) for violation in found] == [(clause, reason)]
    assert validated(new_leaf(ca), new_ca(ROOT).having(extension, critical=True)).ok


def test_immediate_requirement_in_the_leaf_applies() -> None:
    leaf = with_policies(new_leaf(FREE), B)
    assert clauses(validated(requiring(leaf), FREE)) == EXPLICIT
