"""The Baseline Requirements in full: an extra, which most machines do not have."""

from __future__ import annotations

import sys
from enum import Enum
from typing import NamedTuple

import pytest

from audit.analysis import lint_scope
from audit.checks import test_certificate as checks
from audit.x509.lint import pkilint
from audit.x509.lint.pkilint import INSTALL_PKILINT, _errors, full_lint
from tests.support.endpoint_facts import GOOD, NAMED_WEBPKI, PRIVATE, certificate, chain, observed, served
from tests.support.verdicts import finding, inconclusive, not_applicable
from tests.unit.audit.x509.test_lint_rules import SOUND


class Severity(Enum):
    """As the library has them, by name."""

    FATAL, ERROR, WARNING = range(3)


class Described(NamedTuple):
    """What a finding is."""

    code: str
    severity: Severity


class Description(NamedTuple):
    """A finding, with a message."""

    finding: Described
    message: str | None = None


WARNED = Description(Described("a.warning", Severity.WARNING))
BROKEN = Description(Described("an.error", Severity.ERROR), "why")
LOST = Description(Described("a.fatal", Severity.FATAL))
FACTS = {"certificate": certificate(GOOD), "chain": chain(GOOD), "observation": observed(served())}


def test_only_errors_count_and_each_once() -> None:
    assert _errors([WARNED, BROKEN, BROKEN, LOST]) == ("an.error: why",)
    assert _errors([WARNED]) == ()


def test_what_could_not_be_judged_is_no_pass() -> None:
    with pytest.raises(ValueError, match=r"a\.fatal"):
        _errors([WARNED, LOST])


def test_without_the_extra_it_is_not_applicable_and_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkilint", None)
    monkeypatch.setattr(pkilint, "_loaded", pkilint._loaded.__wrapped__)  # without what it remembers
    ended = not_applicable(checks.test_baseline_requirements_in_full, policy=NAMED_WEBPKI, **FACTS)
    assert ended.reason == INSTALL_PKILINT
    with pytest.raises(LookupError, match="pip install"):
        full_lint(SOUND.der)


def test_with_it_every_error_is_named() -> None:
    found = finding(checks.test_baseline_requirements_in_full, policy=NAMED_WEBPKI, **FACTS)
    assert found.observed


def test_bytes_that_it_cannot_read_are_an_error_of_the_value() -> None:
    with pytest.raises(ValueError, match=r"."):
        full_lint(b"garbage")


def test_certificate_that_it_cannot_read_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lint_scope, "full_lint", lambda _: full_lint(b"garbage"))
    ended = inconclusive(checks.test_baseline_requirements_in_full, policy=NAMED_WEBPKI, **FACTS)
    assert ended.reason.startswith("pkilint cannot read the certificate: ")


def test_a_private_pki_is_not_held_to_them() -> None:
    assert not PRIVATE.applies("cert.lint-br")
