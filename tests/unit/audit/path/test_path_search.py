"""Tests of the search for a path: which of several is found, and how much work a hostile pool causes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from audit.x509.certificate import Certificate, read_certificate
from audit.x509.path.builder import MAX_INTERMEDIATES, Search
from audit.x509.path.validator import MAX_CHASED, validate_path
from tests.support.x509.certificates import DAY, NOW, key_named
from tests.support.x509.paths import Made, clauses, constraints, new_ca, new_leaf, new_root, rekeyed, usage, validated

ROOT, OTHER = new_root(), new_root("CN=Other Root")
CA = new_ca(ROOT)
LEAF = new_leaf(CA)
EXPIRED = NOW - DAY


def line(length: int) -> list[Made]:
    """Return a number of intermediates, each issued by the next."""
    cas = [new_ca(ROOT, "CN=Line 0")]
    while len(cas) < length:
        cas.append(new_ca(cas[-1], f"CN=Line {len(cas)}"))
    return cas[::-1]


def rolled(number: int) -> list[Made]:
    """Return a number of self-issued intermediates, each issued by the next."""
    cas = [ROOT]
    while len(cas) <= number:
        cas.append(rekeyed(new_ca(cas[-1], ROOT.subject), key_named(f"rolled {len(cas)}")))
    return cas[:0:-1]


def bit_flipped(made: Made) -> bytes:
    return made.der[:-1] + bytes([made.der[-1] ^ 1])


ALONE = replace(new_leaf(ROOT), issuer=None)
CROSSED = replace(ROOT, issuer=OTHER).by(OTHER)
FORGED = replace(LEAF, issuer=replace(CA, key=key_named("another")))
FORGED_BY_ROOT = replace(new_leaf(ROOT), issuer=replace(ROOT, key=key_named("another")))
ONE = new_ca(ROOT, "CN=One")
TWO = new_ca(ONE, "CN=Two")
ONE_BY_TWO = replace(ONE, issuer=TWO).by(TWO)
TOP = new_ca(ROOT, "CN=Top", path_length=0)
BELOW = new_ca(TOP, "CN=Below")
ROLLED_TOP = rekeyed(new_ca(TOP, "CN=Top", path_length=0), key_named("rolled"))
ROLLED_CA = rekeyed(new_ca(CA, CA.subject), key_named("rolled"))
SHORT_ROOT = ROOT.having(x509.BasicConstraints(ca=True, path_length=0), critical=True)
SPACED = new_ca(ROOT, "CN=Path  ca")
LINE, ROLLED = line(MAX_INTERMEDIATES + 1), rolled(MAX_INTERMEDIATES + 1)


@pytest.mark.parametrize(
    ("leaf", "pool", "roots", "path"),
    [
        (new_leaf(ROOT), (), (ROOT,), (ROOT,)),
        (LEAF, (ROOT, CA, ROOT), (ROOT,), (CA, ROOT)),
        (LEAF, (), (CA,), (CA,)),
        (ALONE, (), (ALONE,), ()),
        (LEAF, (CA, CROSSED), (OTHER,), (CA, CROSSED, OTHER)),
        (LEAF, (CA, CROSSED), (replace(ROOT, end=EXPIRED), OTHER), (CA, CROSSED, OTHER)),
        (new_leaf(TOP), (TOP,), (ROOT,), (TOP, ROOT)),
        (new_leaf(ROLLED_TOP), (ROLLED_TOP, TOP), (ROOT,), (ROLLED_TOP, TOP, ROOT)),
        (new_leaf(replace(SPACED, subject="CN=PATH CA", key=SPACED.private_key)), (SPACED,), (ROOT,), (SPACED, ROOT)),
        (new_leaf(LINE[1]), LINE[1:], (ROOT,), (*LINE[1:], ROOT)),
    ],
    ids=["of the anchor", "anchor in the pool", "intermediate as anchor", "leaf as anchor", "cross certificate",
         "cross certificate beside an expired root", "path length", "path length and a self-issued CA",
         "name with another case and more spaces", "longest by default"],
)  # fmt: skip
def test_valid_path_is_found(leaf: Made, pool: Sequence[Made], roots: Sequence[Made], path: Sequence[Made]) -> None:
    assert validated(leaf, *pool, roots=roots).path == tuple(made.der for made in (leaf, *path))


@pytest.mark.parametrize(
    ("leaf", "pool", "root", "clause"),
    [
        (ALONE, (), ROOT, None),
        (replace(ALONE, serial=7), (), replace(ALONE, serial=8), None),
        (b"garbage", (CA,), ROOT, "RFC 5280 4.1"),
        (FORGED, (CA,), ROOT, None),
        (FORGED_BY_ROOT, (), ROOT, None),
        (bit_flipped(LEAF), (CA,), ROOT, None),
        (new_leaf(ONE), (ONE_BY_TWO, TWO), ROOT, None),
        (new_leaf(BELOW), (BELOW, TOP), ROOT, "RFC 5280 4.2.1.9"),
        (new_leaf(new_ca(SHORT_ROOT)), (new_ca(SHORT_ROOT),), SHORT_ROOT, "RFC 5280 4.2.1.9"),
        (new_leaf(LINE[0]), LINE, ROOT, None),
    ],
    ids=["self-signed", "anchor that is not identical", "unreadable", "forged", "forged for the anchor", "broken",
         "issuers that certify each other", "path length", "path length of the anchor", "longer than the default"],
)  # fmt: skip
def test_invalid_path_is_refused(leaf: Made | bytes, pool: Sequence[Made], root: Made, clause: str | None) -> None:
    found = validated(leaf, *pool, roots=[root])
    assert not found.ok
    if clause:
        assert clauses(found) == {clause}


def test_forged_signature_is_reported_without_a_path() -> None:
    for leaf, pool in ((FORGED, (CA,)), (FORGED_BY_ROOT, ())):
        found = validated(leaf, *pool, roots=[ROOT])
        assert found.path == ()
        assert "did not make the leaf's signature" in found.violations[0].reason
    assert validated(b"garbage", CA, roots=[ROOT]).path == ()
    assert clauses(validated(ALONE, roots=[ALONE], reference="www.example.org")) == {"RFC 9525 6.3"}


@pytest.mark.parametrize(
    ("pool", "depth", "is_valid"),
    [
        (line(3), 3, True),
        (line(3), 2, False),
        ([ROOT], 0, True),
        ([ROLLED_CA, CA], 1, True),
        ([ROLLED_CA, CA], 0, False),
        ([CA], 0, False),
        (LINE, 255, True),
        (ROLLED[1:], 0, True),
        (ROLLED, 0, False),
        (ROLLED, 1, True),
    ],
)
def test_depth_is_the_number_of_intermediates(pool: Sequence[Made], depth: int, *, is_valid: bool) -> None:
    assert validated(new_leaf(pool[0]), *pool, roots=[ROOT], max_depth=depth).ok is is_valid


@pytest.mark.parametrize(
    "bad",
    [
        replace(CA, end=EXPIRED),
        CA.having(constraints(["example.org"]), critical=True),
        CA.having(usage("crl_sign"), critical=True),
        CA.having(x509.BasicConstraints(ca=False, path_length=None), critical=True),
        CA.without(x509.SubjectKeyIdentifier),
        CA.having(x509.PolicyConstraints(0, None), critical=True),
        CA.by(OTHER),
        replace(CA, key=key_named("another")),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_valid_intermediate_of_two_is_found(bad: Made, first: bool) -> None:  # noqa: FBT001 - a parameter
    pool = (bad, CA) if first else (CA, bad)
    assert validated(LEAF, *pool).path == (LEAF.der, CA.der, ROOT.der)


def test_longest_valid_path_is_taken() -> None:
    short, long = replace(CA, end=NOW + 2 * DAY), replace(CA, end=NOW + 500 * DAY)
    for pool in ((short, long), (long, short)):
        found = validated(LEAF, *pool)
        assert found.path[1] == long.der
        assert found.holds_until == LEAF.end
        assert found.earliest_expiry == short.end


def test_path_with_the_fewest_violations_is_reported() -> None:
    worse = replace(CA, end=EXPIRED).without(x509.SubjectKeyIdentifier)
    found = validated(LEAF, worse, replace(CA, end=EXPIRED))
    assert [str(violation) for violation in found.violations] == [
        "intermediate 1 (CN=Path CA): it expired 2026-11-22 10:00:00 UTC (RFC 5280 4.1.2.5)"
    ]


def test_all_violations_are_reported_at_once() -> None:
    leaf = replace(LEAF, end=EXPIRED).without(x509.ExtendedKeyUsage)
    found = validated(leaf, replace(CA, end=EXPIRED), reference="www.example.org")
    assert clauses(found) == {"RFC 5280 4.1.2.5", "BR 7.1.2.7.6", "RFC 9525 6.3"}
    assert [violation.place for violation in found.violations].count("intermediate 1 (CN=Path CA)") == 1
    assert found.path == (leaf.der, found.path[1], ROOT.der)


def test_unreadable_certificate_of_the_pool_is_skipped_and_reported() -> None:
    found = validated(LEAF, b"", b"garbage", CA, CA.der[:-9])
    assert found.ok
    assert len(found.skipped) == 3
    assert found.skipped[0].startswith("certificate 1 of the pool: ")


def test_path_is_refused_without_anchors() -> None:
    assert clauses(validate_path(LEAF.der, [CA.der, ROOT.der], [], reference=None, at=NOW)) == {"RFC 5280 6.1"}


def members(*made: Made) -> tuple[Certificate, ...]:
    return tuple(read_certificate(certificate.der) for certificate in made)


LOWER = new_ca(CA, "CN=Below")


@pytest.mark.parametrize(
    ("leaf", "pool", "roots", "reached"),
    [
        (new_leaf(LOWER), (new_ca(OTHER, "CN=Unrelated"), CA, LOWER, ROOT), (ROOT,), (LOWER, CA, ROOT)),
        (LEAF, (CA,), (ROOT,), (CA,)),
        (LEAF, (), (ROOT,), ()),
        (new_leaf(ONE), (ONE_BY_TWO, TWO), (), (ONE_BY_TWO, TWO)),
    ],
    ids=["upward", "anchor that was not sent", "no issuer", "CAs that certify each other"],
)
def test_sent_certificates_above_the_leaf_are_reached_once(
    leaf: Made, pool: tuple[Made, ...], roots: tuple[Made, ...], reached: tuple[Made, ...]
) -> None:
    (first,) = members(leaf)
    assert Search(members(*pool), members(*roots)).reached_from(first) == members(leaf, *reached)


def test_issuer_of_two_with_one_name_is_the_one_whose_key_signed() -> None:
    leaf, good, bad = members(LEAF, CA, replace(CA, key=key_named("another")).without(x509.SubjectKeyIdentifier))
    search = Search((bad, good), ())
    assert search.candidates(leaf) == (good, bad)
    assert search.issuers(leaf) == (good,)
    assert search.refused_issuers(leaf) == [bad]


def pointing_to(made: Made, *urls: str) -> Made:
    """Return a certificate with the URLs of its issuer's certificate."""
    issuers = [
        x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(url))
        for url in urls
    ]
    return made.having(x509.AuthorityInformationAccess(issuers))


def test_missing_issuers_are_fetched_if_the_caller_can_fetch() -> None:
    middle = pointing_to(CA, "http://ca.example/root.crt")
    below = pointing_to(new_ca(middle, "CN=Below"), "http://ca.example/ca.crt")
    leaf = pointing_to(new_leaf(below), "ldap://ca.example/", "http://ca.example/below.crt")
    published = {"http://ca.example/below.crt": [b"garbage", below.der], "http://ca.example/ca.crt": [middle.der]}
    requested: list[str] = []

    def chase(url: str) -> list[bytes]:
        requested.append(url)
        return published.get(url, [])

    assert not validated(leaf).ok
    found = validated(leaf, chase=chase)
    assert found.path == (leaf.der, below.der, middle.der, ROOT.der)
    assert found.earliest_expiry == leaf.end
    assert requested == ["http://ca.example/below.crt", "http://ca.example/ca.crt", "http://ca.example/root.crt"]


def test_nothing_is_fetched_for_a_path_that_is_valid() -> None:
    leaf = pointing_to(LEAF, "http://ca.example/ca.crt")
    assert validated(leaf, CA, chase=pytest.fail).ok


def test_number_of_fetched_issuers_is_limited() -> None:
    requested: list[str] = []

    def chase(url: str) -> list[bytes]:
        requested.append(url)
        return [pointing_to(CA, f"http://ca.example/{len(requested)}.crt").by(OTHER).der]

    assert not validated(pointing_to(LEAF, "http://ca.example/0.crt"), roots=[ROOT], chase=chase).ok
    assert len(requested) == MAX_CHASED
