"""Tests of the search for a path in a hostile pool: how much work it causes, and which limits end it."""

from __future__ import annotations

from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from audit.x509.path.builder import Work
from audit.x509.path.validator import MAX_POOL, MAX_POOL_OCTETS
from tests.support.cpu_time import least_cpu_s
from tests.support.x509.certificates import key_named
from tests.support.x509.paths import Made, clauses, constraints, new_ca, new_leaf, san, validated
from tests.unit.audit.path.test_path_search import CA, EXPIRED, LEAF, ROOT


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
    leaf = new_leaf(pool[-1])
    assert timed(leaf, *pool) < 1
    # the search of the refused path begins with its own limit of work
    assert "RFC 5280 4.1.2.5" in clauses(validated(leaf, *pool, roots=[ROOT]))


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
    garbage = [b"%d" % number for number in range(MAX_POOL)]
    assert validated(LEAF, *garbage[:-1], CA).ok
    assert not validated(LEAF, *garbage, CA).ok
    rest = MAX_POOL_OCTETS - len(CA.der)
    assert validated(LEAF, b"\0" * rest, CA).ok
    assert not validated(LEAF, b"\0" * (rest + 1), CA).ok
    assert clauses(validated(b"\x30" + b"\0" * 300_000, CA, roots=[ROOT])) == {"RFC 5280 4.1"}
