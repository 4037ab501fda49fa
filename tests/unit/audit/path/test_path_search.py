"""Tests of the search for a path: which of several is found, and how much work a hostile pool causes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID

from audit.x509.certificate import Certificate, read_certificate
from audit.x509.path.builder import MAX_INTERMEDIATES, Search, Work
from audit.x509.path.validator import MAX_CHASED, MAX_POOL, MAX_POOL_OCTETS, validate_path
from tests.support.cpu_time import least_cpu_s
from tests.support.x509.certificates import DAY, NOW, key_named
from tests.support.x509.paths import (
    Made,
    clauses,
    constraints,
    new_ca,
    new_leaf,
    new_root,
    rekeyed,
    san,
    usage,
    validated,
)

ROOT, OTHER = new_root(), new_root("CN=Other Root")
CA = new_ca(ROOT)
LEAF = new_leaf(CA)
EXPIRED = NOW - DAY


def test_leaf_issued_by_the_anchor_needs_no_pool() -> None:
    leaf = new_leaf(ROOT)
    assert validated(leaf).path == (leaf.der, ROOT.der)


def test_anchor_may_also_be_in_the_pool() -> None:
    assert validated(LEAF, ROOT, CA, ROOT).path == (LEAF.der, CA.der, ROOT.der)


def test_intermediate_may_be_an_anchor() -> None:
    assert validated(LEAF, roots=[CA]).path == (LEAF.der, CA.der)


def test_leaf_may_be_an_anchor() -> None:
    own = new_leaf(ROOT)
    alone = replace(own, issuer=None)
    assert validated(alone, roots=[alone]).path == (alone.der,)
    assert validated(alone, roots=[ROOT]).violations
    assert clauses(validated(alone, roots=[alone], reference="www.example.org")) == {"RFC 9525 6.3"}


def test_only_the_identical_leaf_is_trusted_as_an_anchor() -> None:
    alone = replace(new_leaf(ROOT), issuer=None)
    assert not validated(replace(alone, serial=7), roots=[replace(alone, serial=8)]).ok


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


def test_path_by_a_cross_certificate_is_found() -> None:
    crossed = replace(ROOT, issuer=OTHER).by(OTHER)
    assert validated(LEAF, CA, crossed, roots=[OTHER]).path == (LEAF.der, CA.der, crossed.der, OTHER.der)
    expired = replace(ROOT, end=EXPIRED)
    assert len(validated(LEAF, CA, crossed, roots=[expired, OTHER]).path) == 4


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


def test_unreadable_leaf_is_refused() -> None:
    found = validated(b"garbage", CA, roots=[ROOT])
    assert clauses(found) == {"RFC 5280 4.1"}
    assert found.path == ()


def test_path_is_refused_without_anchors() -> None:
    assert clauses(validate_path(LEAF.der, [CA.der, ROOT.der], [], reference=None, at=NOW)) == {"RFC 5280 6.1"}


def test_leaf_with_a_forged_signature_has_no_path() -> None:
    forged = replace(LEAF, issuer=replace(CA, key=key_named("another")))
    found = validated(forged, CA, roots=[ROOT])
    assert found.path == ()
    assert "did not make the leaf's signature" in found.violations[0].reason
    broken = bytearray(LEAF.der)
    broken[-1] ^= 1
    assert not validated(bytes(broken), CA, roots=[ROOT]).ok


def test_leaf_with_a_forged_signature_of_an_anchor_has_no_path() -> None:
    forged = replace(new_leaf(ROOT), issuer=replace(ROOT, key=key_named("another")))
    found = validated(forged, roots=[ROOT])
    assert found.path == ()
    assert "did not make the leaf's signature" in found.violations[0].reason


def test_search_ends_if_issuers_certify_each_other() -> None:
    first_ca = new_ca(ROOT, "CN=One")
    second_ca = new_ca(first_ca, "CN=Two")
    assert not validated(
        new_leaf(first_ca), replace(first_ca, issuer=second_ca).by(second_ca), second_ca, roots=[ROOT]
    ).ok


def test_path_length_counts_intermediates_that_are_not_self_issued() -> None:
    top = new_ca(ROOT, "CN=Top", path_length=0)
    below = new_ca(top, "CN=Below")
    assert clauses(validated(new_leaf(below), below, top)) == {"RFC 5280 4.2.1.9"}
    assert validated(new_leaf(top), top).ok
    rolled = rekeyed(new_ca(top, "CN=Top", path_length=0), key_named("rolled"))
    assert validated(new_leaf(rolled), rolled, top).ok


def test_path_length_of_the_anchor_applies() -> None:
    root = ROOT.having(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    assert clauses(validated(new_leaf(new_ca(root)), new_ca(root))) == {"RFC 5280 4.2.1.9"}


def line(length: int) -> list[Made]:
    """Return a number of intermediates, each issued by the next."""
    cas = [new_ca(ROOT, "CN=Line 0")]
    while len(cas) < length:
        cas.append(new_ca(cas[-1], f"CN=Line {len(cas)}"))
    return cas[::-1]


def test_depth_is_the_number_of_intermediates() -> None:
    three = line(3)
    assert validated(new_leaf(three[0]), *three, max_depth=3).ok
    assert not validated(new_leaf(three[0]), *three, max_depth=2).ok
    assert validated(new_leaf(ROOT), max_depth=0).ok
    rolled = rekeyed(new_ca(CA, CA.subject), key_named("rolled"))
    assert validated(new_leaf(rolled), rolled, CA, max_depth=1).ok
    assert not validated(new_leaf(rolled), rolled, CA, max_depth=0).ok
    assert not validated(LEAF, CA, max_depth=0).ok


def test_depth_has_a_default_limit() -> None:
    many = line(MAX_INTERMEDIATES + 1)
    assert validated(new_leaf(many[1]), *many[1:]).ok
    assert not validated(new_leaf(many[0]), *many).ok
    assert validated(new_leaf(many[0]), *many, max_depth=255).ok


def test_number_of_self_issued_intermediates_is_limited() -> None:
    cas = [ROOT]
    while len(cas) <= MAX_INTERMEDIATES + 1:
        cas.append(rekeyed(new_ca(cas[-1], ROOT.subject), key_named(f"rolled {len(cas)}")))
    *most, last = cas[1:]
    assert validated(new_leaf(most[-1]), *most, max_depth=0).ok
    assert not validated(new_leaf(last), *most, last, max_depth=0).ok
    assert validated(new_leaf(last), *most, last, max_depth=1).ok


def members(*made: Made) -> tuple[Certificate, ...]:
    return tuple(read_certificate(certificate.der) for certificate in made)


def test_certificates_that_lead_upward_from_the_leaf_are_reached() -> None:
    below, unrelated = new_ca(CA, "CN=Below"), new_ca(OTHER, "CN=Unrelated")
    leaf, *pool = members(new_leaf(below), unrelated, CA, below, ROOT)
    search = Search(tuple(pool), members(ROOT))
    assert list(map(str, search.reached_from(leaf))) == [str(leaf), "CN=Below", "CN=Path CA", "CN=Path Root"]


def test_anchor_that_was_not_sent_is_not_reached() -> None:
    leaf, ca = members(LEAF, CA)
    assert Search((ca,), members(ROOT)).reached_from(leaf) == (leaf, ca)
    assert Search((), members(ROOT)).reached_from(leaf) == (leaf,)


def test_cas_that_certify_each_other_are_reached_once() -> None:
    first_ca = new_ca(ROOT, "CN=One")
    second_ca = new_ca(first_ca, "CN=Two")
    leaf, first, second = members(new_leaf(first_ca), replace(first_ca, issuer=second_ca).by(second_ca), second_ca)
    assert Search((first, second), ()).reached_from(leaf) == (leaf, first, second)


def test_issuer_of_two_with_one_name_is_the_one_whose_key_signed() -> None:
    leaf, good, bad = members(LEAF, CA, replace(CA, key=key_named("another")).without(x509.SubjectKeyIdentifier))
    search = Search((bad, good), ())
    assert search.candidates(leaf) == (good, bad)
    assert search.issuers(leaf) == (good,)
    assert search.refused_issuers(leaf) == [bad]


def test_issuer_name_is_compared_without_case_and_repeated_spaces() -> None:
    ca = new_ca(ROOT, "CN=Path  ca")
    leaf = new_leaf(replace(ca, subject="CN=PATH CA", key=ca.private_key))
    assert validated(leaf, ca, roots=[ROOT]).ok


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


def timed(leaf: Made, *pool: Made, reference: str = "www.example.com") -> float:
    """Return the CPU seconds that it takes to refuse a path."""
    ders = [certificate.der for certificate in pool]

    def refuse() -> None:
        assert not validated(leaf, *ders, roots=[ROOT], reference=reference).ok

    return least_cpu_s(refuse, bound_s=1)


def test_120_issuers_of_one_name_take_less_than_a_second() -> None:
    curve = ec.SECP521R1()
    keys = [ec.generate_private_key(curve) for _ in range(120)]
    nameless = [replace(CA, key=key).without(x509.SubjectKeyIdentifier) for key in keys]
    leaf = new_leaf(replace(CA, key=ec.generate_private_key(ec.SECP256R1())))
    assert timed(leaf.without(x509.AuthorityKeyIdentifier), *nameless) < 1


def test_100_certificates_of_one_key_take_less_than_a_second() -> None:
    loops = [replace(new_ca(CA, CA.subject), serial=number + 1) for number in range(100)]
    assert timed(new_leaf(CA), *loops) < 1
    assert validated(new_leaf(CA), *loops, CA).ok


def test_exponential_number_of_paths_takes_less_than_a_second() -> None:
    keys = [key_named(f"layer {layer}") for layer in range(9)]
    tops = [replace(new_ca(ROOT, "CN=Layer 8"), key=keys[8], end=EXPIRED, serial=n + 1) for n in range(20)]
    pool = list(tops)
    for layer in range(7, -1, -1):
        above = replace(new_ca(ROOT, f"CN=Layer {layer + 1}"), key=keys[layer + 1])
        pool += [replace(new_ca(above, f"CN=Layer {layer}"), key=keys[layer], serial=n + 1) for n in range(20)]
    assert timed(new_leaf(pool[-1]), *pool) < 1


def test_many_names_and_constraints_take_less_than_a_second() -> None:
    excluded = constraints(excluded=[f"x{index}.example.org" for index in range(100)])
    cas = [replace(CA, serial=n + 1).having(excluded, critical=True) for n in range(60)]
    leaf = new_leaf(CA).having(san("www.example.com", *(f"y{index}.example.com" for index in range(900))))
    assert timed(leaf, *cas, reference="www.example.org") < 1


def test_exhausted_work_limit_is_recorded() -> None:
    work = Work(signatures=1)
    assert work.spend("signatures")
    assert not work.gave_up
    assert not work.spend("signatures")
    assert work.gave_up


def test_pool_beyond_the_limits_is_not_read() -> None:
    assert not validated(LEAF, *[b"%d" % number for number in range(MAX_POOL)], CA).ok
    assert not validated(LEAF, b"\0" * MAX_POOL_OCTETS, CA).ok
    assert clauses(validated(b"\x30" + b"\0" * 300_000, CA, roots=[ROOT])) == {"RFC 5280 4.1"}
