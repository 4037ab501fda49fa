"""Tests of the optional check with pkilint, which covers the Baseline Requirements in full."""

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
    """The severities of the library, by name."""

    FATAL, ERROR, WARNING = range(3)


class Described(NamedTuple):
    """The kind of a finding."""

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


def test_warnings_are_ignored_and_each_error_is_reported_once() -> None:
    assert _errors([WARNED, BROKEN, BROKEN, LOST]) == ("an.error: why",)
    assert _errors([WARNED]) == ()


def test_fatal_finding_alone_is_an_exception() -> None:
    with pytest.raises(ValueError, match=r"a\.fatal"):
        _errors([WARNED, LOST])


def test_missing_extra_is_not_applicable_and_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkilint", None)
    monkeypatch.setattr(pkilint, "_loaded", pkilint._loaded.__wrapped__)  # without what it remembers
    ended = not_applicable(checks.test_baseline_requirements_in_full, policy=NAMED_WEBPKI, **FACTS)
    assert ended.reason == INSTALL_PKILINT
    with pytest.raises(LookupError, match="pip install"):
        full_lint(SOUND.der)


def test_pkilint_errors_are_a_finding() -> None:
    found = finding(checks.test_baseline_requirements_in_full, policy=NAMED_WEBPKI, **FACTS)
    assert found.observed


def test_pkilint_raises_value_error_for_garbage() -> None:
    with pytest.raises(ValueError, match=r"."):
        full_lint(b"garbage")


def test_certificate_that_pkilint_cannot_read_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lint_scope, "full_lint", lambda _: full_lint(b"garbage"))
    ended = inconclusive(checks.test_baseline_requirements_in_full, policy=NAMED_WEBPKI, **FACTS)
    assert ended.reason.startswith("pkilint cannot read the certificate: ")


def test_pkilint_does_not_apply_to_a_private_pki() -> None:
    assert not PRIVATE.applies("cert.lint-br")
