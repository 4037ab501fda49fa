"""Tests of the checks of the run itself: unusable lines and waivers."""

from __future__ import annotations

from dataclasses import dataclass

from audit.checks import test_run as checks
from tests.support.verdicts import finding, passes


@dataclass(frozen=True)
class Line:
    """A line without an endpoint."""

    source: str
    number: int
    why: str


@dataclass(frozen=True)
class Run:
    """The facts of a run."""

    unusable_lines: tuple[Line, ...] = ()
    expired_waivers: tuple[str, ...] = ()
    stale_waivers: tuple[str, ...] = ()


def test_run_without_unusable_lines_and_waivers_passes() -> None:
    for check in (checks.test_every_line_is_usable, checks.test_no_waiver_expired, checks.test_no_waiver_stale):
        assert passes(check, audit_run=Run())


def test_unusable_line_is_named_with_file_and_number() -> None:
    run = Run(unusable_lines=(Line("endpoints.txt", 3, "'gopher://x': the scheme 'gopher' is not known"),))
    found = finding(checks.test_every_line_is_usable, audit_run=run)
    assert found.reason == "endpoints.txt:3: 'gopher://x': the scheme 'gopher' is not known"


def test_expired_waiver_is_named() -> None:
    assert "legacy" in finding(checks.test_no_waiver_expired, audit_run=Run(expired_waivers=("legacy",))).reason


def test_unused_waiver_is_named() -> None:
    assert "typo" in finding(checks.test_no_waiver_stale, audit_run=Run(stale_waivers=("typo",))).reason
