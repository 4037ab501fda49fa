"""Tests of certificates that the library refuses or reads in part: their other facts are read."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from cryptography import x509

from audit.x509.certificate import read_certificate
from audit.x509.lint import lint
from tests.support.endpoint_facts import GOOD, INTERMEDIATE
from tests.support.x509.certificates import DAY, ca, leaf
from tests.unit.audit.x509.test_lint_rules import ALL, SOUND

MUTANTS = 1500


def test_garbage_is_unreadable_and_breaks_no_rule() -> None:
    for content in (b"", b"garbage", b"\x30\x00", b"\x30\x04\x30\x00\x30\x00"):
        seen = lint(content, ALL)
        assert not seen.violations
        assert seen.unread
        assert read_certificate(content).readable_fields() == {}


def test_certificate_that_the_library_refuses_has_dates_and_key() -> None:
    whole = GOOD.der
    version = whole.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03", 1)
    facts = read_certificate(version)
    assert [fault.place for fault in facts.faults] == ["Certificate"]
    assert facts.not_after == read_certificate(whole).not_after
    assert (facts.key, facts.lifetime) == (read_certificate(whole).key, 90 * DAY)
    assert facts.signature_digest == "sha256"
    assert not facts.has_readable("issuer")


def test_extension_that_the_library_refuses_hides_no_other_fact() -> None:
    bad_policies = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.32"), b"\x02\x01\x01")
    facts = read_certificate(replace(GOOD.named("www.example.com", "192.0.2.7"), extra=(bad_policies,)).der)
    assert [fault.place for fault in facts.faults] == ["extensions"]
    assert (facts.dns_names, facts.ip_addresses, facts.has_san) == (("www.example.com",), ("192.0.2.7",), True)
    assert (facts.extended_key_usages, facts.is_ca) == (("serverAuth",), False)
    assert not facts.has_readable("authority_key_id")


@pytest.mark.parametrize(
    "names",
    [b"\x30\x07\x82\x01a\x87\x02\x7f\x00", b"\x30\x03\x82\x01\xe4", b"\x02\x01\x01"],
    ids=["an address of two octets", "a character beyond ASCII", "not a list"],
)
def test_one_unreadable_name_makes_all_names_unreadable(names: bytes) -> None:
    san = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), names)
    facts = read_certificate(replace(GOOD.named(), extra=(san,)).der)
    assert not facts.has_readable("dns_names")
    assert facts.extended_key_usages == ("serverAuth",)


def test_mutated_certificate_is_linted_without_an_exception() -> None:
    chosen = random.Random(7)  # noqa: S311 - the same mutants each time
    for _ in range(MUTANTS):
        mutant = bytearray(chosen.choice((SOUND, INTERMEDIATE, leaf("a.b"), ca("CN=Of itself"))).der)
        for _ in range(chosen.randint(1, 4)):
            place = chosen.randrange(len(mutant))
            mutant[place : place + chosen.choice((0, 1, 1, 3))] = chosen.randbytes(chosen.choice((0, 1, 1, 2)))
        lint(bytes(mutant), ALL)
        read_certificate(bytes(mutant)).readable_fields()
