"""Tests of hostile evidence: reading any bytes ends in judgements; `make fuzz` tries 100,000 mutants."""

from __future__ import annotations

import random
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Final

import pytest

from audit.analysis.chains import MALFORMED
from audit.verdict import Finding, Inconclusive, Judgement, NotApplicable
from audit.x509.certificate import read_certificate
from audit.x509.der import elements
from audit.x509.lint import lint
from audit.x509.lint.profile import PROFILE_RULES
from audit.x509.raw import RawCertificate
from tests.support.cpu_time import at_most_cpu_s
from tests.support.x509.evidence_fuzzing import KINDS, Judgements, read_all
from tests.support.x509.mutated_evidence import attempt, good_evidence, signed_again
from tests.support.x509.paths import tlv
from tests.unit.audit.path.test_mutants import CA

SEED: Final = 20261123
MUTANTS: Final = 1200
SLOWEST_S: Final = 1.0
GOOD: Final = good_evidence()[0]
UTF8_STRING: Final = b"\x0c"  # the tag of no field and of no extension

FIELDS: Final[dict[str, Callable[[RawCertificate], bytes]]] = {
    "serial": lambda raw: tlv(2, raw.serial),
    "signature_alg": lambda raw: elements(raw.outer_algorithm)[0].content,
    "issuer": lambda raw: raw.issuer.content,
    "validity": lambda raw: raw.validity,
    "subject": lambda raw: raw.subject.content,
    "spki": lambda raw: raw.spki,
}
ISSUER: Final = {"cert.untrusted", "cert.self-signed", "cert.revoked", "cert.staple-stale", "cert.profile-br",
                 "cert.internal-name", "cert.no-revocation-info", "cert.sct-insufficient", "cert.eku-clientauth",
                 "chain.incomplete", "chain.order", "chain.intermediate-expiring", "chain.root-included",
                 "chain.weak-ca-key"}  # fmt: skip
"""The checks that need the issuer of the leaf, which is unknown if the library refuses the whole leaf."""
NEEDED_BY: Final = {
    "2.5.29.15": set(),
    "2.5.29.17": {"cert.san-missing", "cert.name-mismatch", "cert.wildcard-scope", "cert.internal-name"},
    "2.5.29.31": {"cert.no-revocation-info"},
    "2.5.29.32": set(),
    "2.5.29.35": set(),
    "2.5.29.37": {"cert.eku-missing-serverauth"},
    "1.3.6.1.5.5.7.1.1": {"cert.must-staple-no-staple"},
    "1.3.6.1.5.5.7.1.24": {"cert.must-staple-no-staple"},
    "1.3.6.1.4.1.11129.2.4.2": {"cert.sct-insufficient"},
    "serial": {*ISSUER, "key.weak", "cert.expired", "cert.name-mismatch", "cert.weak-signature"},
    "signature_alg": ISSUER,
    "issuer": ISSUER,
    "validity": ISSUER,
    "subject": ISSUER,
    "spki": {*ISSUER, "key.weak", "key.compromised"},
}  # fmt: skip
"""The checks that are inconclusive without an extension or field, by its name. The leaf breaks rules of the profile."""
OF_PROFILE: Final = ("2.5.29.15", "2.5.29.17", "2.5.29.31", "2.5.29.32", "2.5.29.35", "2.5.29.37", "1.3.6.1.5.5.7.1.1")
"""The extensions that rules of the profile read."""


def judged(leaf: bytes) -> Judgements:
    return read_all(GOOD.but("leaf", leaf), "leaf", in_full=True)


def unreadable(place: str) -> bytes:
    """Return the good leaf, signed, with another tag on an extension's value or on a field."""
    reading = read_certificate(GOOD.leaf).raw
    whole = FIELDS[place](reading) if place in FIELDS else reading.extensions[place].value
    return signed_again(GOOD.leaf, lambda body: body.replace(whole, UTF8_STRING + whole[1:]), CA)


def is_open(judgement: Judgement | None) -> bool:
    return isinstance(judgement, Inconclusive) and judgement.because == MALFORMED


def test_no_mutant_escapes_or_takes_long() -> None:
    chance, seen = random.Random(SEED), Counter[str]()  # noqa: S311 - the same edits each time
    judged(GOOD.leaf)  # loads what a process loads once, outside the time of a mutant
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(MUTANTS):
            tried = attempt(chance)
            with at_most_cpu_s(SLOWEST_S):
                read_all(tried.evidence, tried.kind)
            seen[tried.kind] += 1
    assert set(seen) == set(KINDS)


def test_good_evidence_can_be_read() -> None:
    for evidence in good_evidence():
        judgements = read_all(evidence, "leaf")
        assert judgements[MALFORMED] is None
        assert judgements["cert.untrusted"] is None
        assert not [name for name, ended in judgements.items() if isinstance(ended, Inconclusive)]


@pytest.mark.parametrize("place", NEEDED_BY)
def test_unreadable_part_is_found_and_dependent_checks_are_inconclusive(place: str) -> None:
    judgements = judged(unreadable(place))
    found = judgements[MALFORMED]
    assert isinstance(found, Finding)
    where, _, why = found.reason.partition(": ")
    assert where == ("the leaf's Certificate" if place in FIELDS else "the leaf's extensions")
    assert why.endswith(" is not valid DER")
    if place in FIELDS:
        assert place in why
    assert [check for check in NEEDED_BY[place] if not is_open(judgements[check])] == []


@pytest.mark.parametrize("place", OF_PROFILE)
def test_rule_of_the_profile_names_the_extension_that_it_cannot_read(place: str) -> None:
    assert lint(GOOD.leaf, PROFILE_RULES).unread == ()
    assert any(place in why for why in lint(unreadable(place), PROFILE_RULES).unread)


def test_each_extension_of_the_good_leaf_is_tested() -> None:
    assert set(NEEDED_BY) == {*read_certificate(GOOD.leaf).raw.extensions, *FIELDS}


@pytest.mark.parametrize("leaf", [b"", b"\0", b"\x30\x00", b"<html>", GOOD.leaf[:200]])
def test_no_check_of_an_unreadable_leaf_passes(leaf: bytes) -> None:
    judgements = judged(leaf)
    of_leaf = {check: ended for check, ended in judgements.items() if check.startswith(("cert.", "chain."))}
    assert isinstance(of_leaf.pop(MALFORMED), Finding)
    assert [check for check, ended in of_leaf.items() if not is_open(ended)] == []


def test_unsupported_key_is_weak_and_not_malformed() -> None:
    odd = tlv(0x30, tlv(0x30, b"\x06\x01\x2a"), b"\x03\x01\x00")
    spki = read_certificate(GOOD.leaf).raw.spki
    judgements = judged(signed_again(GOOD.leaf, lambda body: _spki_replaced(body, spki, odd), CA))
    assert judgements[MALFORMED] is None
    assert isinstance(judgements["key.weak"], Finding)
    assert isinstance(judgements["key.compromised"], NotApplicable)


def test_unknown_tls_feature_is_not_malformed_and_hides_nothing() -> None:
    known, unknown = (tlv(0x30, tlv(2, bytes((number,)))) for number in (5, 9))
    judgements = judged(signed_again(GOOD.leaf, lambda body: body.replace(tlv(4, known), tlv(4, unknown)), CA))
    assert judgements[MALFORMED] is None
    assert judgements["cert.name-mismatch"] is None
    assert isinstance(judgements["cert.must-staple-no-staple"], NotApplicable)


def _spki_replaced(body: bytes, spki: bytes, other: bytes) -> bytes:
    (whole,) = elements(body)
    return tlv(0x30, whole.content.replace(spki, other))
