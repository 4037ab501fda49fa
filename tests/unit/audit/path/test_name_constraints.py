"""Tests of name constraints: what a CA permits and excludes, for each kind of name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from audit.x509.path.name_constraints import comparisons
from tests.support.x509.certificates import key_named
from tests.support.x509.paths import (
    Made,
    clauses,
    constraints,
    directory,
    extension_added,
    member,
    new_ca,
    new_leaf,
    new_root,
    rekeyed,
    san,
    tlv,
    validated,
)

CLAUSE = "RFC 5280 4.2.1.10"
ROOT = new_root()
MAIL, URI = x509.RFC822Name, x509.UniformResourceIdentifier
BAD_MAIL = MAIL._init_without_validation("a@b@example.com")
NO_LOCAL = MAIL._init_without_validation("@example.com")
Name = str | x509.GeneralName
Names = list[Name]


def limited(permitted: Names = [], excluded: Names = []) -> Made:  # noqa: B006 - never changed
    return new_ca(ROOT).having(constraints(permitted, excluded), critical=True)


def refused(ca: Made, *names: str | x509.GeneralName, subject: str = "O=Leaf") -> set[str]:
    leaf = new_leaf(ca, *names, subject=subject)
    return clauses(validated(leaf, ca, reference=None))


REGISTERED = x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))


@pytest.mark.parametrize(
    ("permitted", "name", "is_permitted"),
    [
        (["example.com"], "example.com", True),
        (["example.com"], "a.b.EXAMPLE.com", True),
        (["Example.com"], "*.example.com", True),
        (["example.org", "example.com"], "www.example.com", True),
        (["192.0.2.0/24"], "192.0.2.1", True),
        (["2001:db8::/32"], "2001:db8::1", True),
        ([directory("O=Leaf")], "www.example.com", True),
        ([MAIL("me@Example.com")], MAIL("me@example.COM"), True),
        ([MAIL("example.com")], MAIL("me@example.com"), True),
        ([MAIL(".example.com")], MAIL("me@a.example.com"), True),
        ([MAIL("*@example.com")], MAIL("*@example.com"), True),
        ([URI("www.example.com")], URI("https://www.example.com/x"), True),
        ([URI(".example.com")], URI("https://a.example.com:8443/x"), True),
        (["example.com"], "192.0.2.1", True),
        (["example.com"], "notexample.com", False),
        (["www.example.com"], "example.com", False),
        (["www.example.com"], "*.example.com", False),
        (["192.0.2.0/24"], "198.51.100.1", False),
        (["192.0.2.0/24"], "2001:db8::1", False),
        ([directory("O=Other")], "www.example.com", False),
        ([directory("O=Leaf")], directory("CN=Other"), False),
        ([MAIL("me@example.com")], MAIL("Me@example.com"), False),
        ([MAIL("*@example.com")], MAIL("me@example.com"), False),
        ([MAIL("example.com")], MAIL("me@a.example.com"), False),
        ([MAIL(".example.com")], MAIL("me@example.com"), False),
        ([URI(".example.com")], URI("https://example.com/"), False),
        ([URI("example.com")], URI("https://192.0.2.1/"), False),
        ([URI("example.com")], URI("urn:oid:1.2.3"), False),
        ([REGISTERED], REGISTERED, False),
    ],
)
def test_only_permitted_name_is_accepted(permitted: Names, name: Name, *, is_permitted: bool) -> None:
    assert refused(limited(permitted), name) == (set() if is_permitted else {CLAUSE})


@pytest.mark.parametrize(
    ("excluded", "name", "is_excluded"),
    [
        (["example.com"], "www.example.com", True),
        (["www.example.com"], "*.example.com", True),
        ([""], "www.example.com", True),
        (["0.0.0.0/0"], "192.0.2.1", True),
        ([directory("O=Leaf")], "www.example.com", True),
        ([MAIL("example.com")], MAIL("me@example.com"), True),
        ([URI("www.example.com")], URI("https://www.example.com/"), True),
        (["example.org"], x509.DNSName("a..example.com"), True),
        ([MAIL("example.org")], BAD_MAIL, True),
        (["example.com"], "www.example.org", False),
        (["a.b.example.com"], "*.example.com", False),
        ([""], "192.0.2.1", False),
        (["::/0"], "192.0.2.1", False),
        ([URI("example.org")], "www.example.com", False),
        ([REGISTERED], "www.example.com", False),
        ([MAIL("example.org")], x509.DNSName("a..example.com"), False),
    ],
)
def test_excluded_or_malformed_name_of_that_kind_is_refused(excluded: Names, name: Name, *, is_excluded: bool) -> None:
    assert refused(limited(excluded=excluded), name) == ({CLAUSE} if is_excluded else set())


def test_excluded_name_is_refused_even_if_permitted() -> None:
    assert refused(limited(["example.com"], ["example.com"]), "www.example.com") == {CLAUSE}


def test_every_name_of_the_leaf_is_constrained() -> None:
    ca = limited(["example.com"])
    leaf = new_leaf(ca, "www.example.com", "www.example.org")
    assert clauses(validated(leaf, ca)) == {CLAUSE}


@pytest.mark.parametrize("base", [".example.com", BAD_MAIL, NO_LOCAL, URI("http://example.com")])
def test_malformed_constraint_refuses_every_leaf(base: str | x509.GeneralName) -> None:
    kind = x509.DNSName(base) if isinstance(base, str) else base
    assert CLAUSE in refused(limited(excluded=[kind]), "www.example.net")


@pytest.mark.parametrize(
    ("name", "is_excluded"),
    [
        ("www.example.com", True),
        ("a.b.example.com", True),
        ("*.example.com", True),
        ("example.com", False),
        ("www.notexample.com", False),
    ],
)
def test_constraint_that_begins_with_a_dot_excludes_the_subdomains(name: str, *, is_excluded: bool) -> None:
    ca = limited(excluded=[".example.com"])
    reasons = [violation.reason for violation in validated(new_leaf(ca, name), ca, reference=None).violations]
    assert (f"the name {name} is excluded by CN=Path CA" in reasons) is is_excluded


@pytest.mark.parametrize("bound", [b"\x80\x01\x01", b"\x81\x01\x05"])
def test_subtree_with_a_minimum_or_maximum_is_refused(bound: bytes) -> None:
    subtree = tlv(0x30, tlv(0x82, b"example.com"), bound)
    ca = new_ca(ROOT).edited(extension_added("2.5.29.30", tlv(0x30, tlv(0xA0, subtree)), critical=True))
    assert CLAUSE in refused(ca, "www.example.com")


def test_constraint_of_the_anchor_applies() -> None:
    root = ROOT.having(constraints(["example.org"]), critical=True)
    assert clauses(validated(new_leaf(new_ca(root)), new_ca(root))) == {CLAUSE}


def test_constraint_applies_to_lower_cas_except_self_issued_ones() -> None:
    root = ROOT.having(constraints(["example.com"]), critical=True)
    other = new_ca(root).having(san("www.example.org"))
    assert clauses(validated(new_leaf(other), other)) == {CLAUSE}
    rolled = rekeyed(new_ca(root, root.subject), key_named("new")).having(san("www.example.org"))
    assert validated(new_leaf(rolled), rolled).ok


def test_address_in_subject_is_constrained_with_and_without_other_names() -> None:
    ca = limited([MAIL("example.com")])
    leaf = new_leaf(ca, subject="1.2.840.113549.1.9.1=me@example.org").having(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    )
    bare = leaf.without(x509.SubjectAlternativeName)
    assert clauses(validated(bare, ca, reference=None, purpose="clientAuth")) == {CLAUSE}
    assert clauses(validated(leaf, ca, reference=None, purpose="clientAuth")) == {CLAUSE}
    permitted = replace(bare, subject="1.2.840.113549.1.9.1=me@example.com")
    assert validated(permitted, ca, reference=None, purpose="clientAuth").ok


def test_too_many_names_and_constraints_are_refused() -> None:
    many = [f"a{index}.example.com" for index in range(1100)]
    ca = limited(excluded=[f"x{index}.example.com" for index in range(1100)])
    found = validated(new_leaf(ca, "www.example.com", *many), ca)
    assert clauses(found) == {CLAUSE}
    assert "too many" in found.violations[0].reason


def test_comparison_of_a_name_other_than_dns_counts_as_four() -> None:
    ca = member(limited(["example.com", "192.0.2.0/24"], [MAIL("example.com")]))
    below = member(new_leaf(new_ca(ROOT), "www.example.com"))  # with its subject two names
    assert comparisons(ca, below) == 2 * (1 + 4 + 4)


@pytest.mark.parametrize(
    ("common_name", "expected"),
    [("www.example.org", {CLAUSE}), ("www.example.com", set()), ("server", set()), ("Example Ltd.", set())],
)
def test_common_name_like_a_dns_name_is_constrained_without_dns_names(common_name: str, expected: set[str]) -> None:
    ca = limited(["example.com"])
    address = new_leaf(ca, "192.0.2.1", subject=f"CN={common_name}")
    bare = address.without(x509.SubjectAlternativeName)
    for leaf in (address, bare):
        assert clauses(validated(leaf, ca, reference=None)) == expected
        assert validated(leaf, ca, reference=None, common_names=False).ok


def test_common_name_beside_a_dns_name_is_not_constrained() -> None:
    assert refused(limited(["example.com"]), "www.example.com", subject="CN=www.example.org") == set()
