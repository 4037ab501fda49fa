"""Turns a verdict into pytest's outcome: a test passes, fails or is skipped, and pytest prints a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
from _pytest._code.code import ExceptionChainRepr, ReprFileLocation, ReprTracebackNative

from audit.checks import Check
from audit.endpoint import Endpoint
from audit.evaluation.evaluate import (
    assess,
    assess_error,
    is_consequence,
    make_result,
    make_result_of_error,
)
from audit.evaluation.facts import Facts
from audit.evaluation.outcome import FAILING_VERDICTS, TRACE, CheckOutcome, bounded, outcome_of
from audit.evaluation.result import Result
from audit.verdict import Judgement, NotApplicable, Severity, Verdict
from pytest_sslaudit.run_state import Run

Outcome = Literal["passed", "failed", "skipped", "xfailed", "error"]


@dataclass(frozen=True, slots=True)
class Decision:
    """The end of a test: pytest's outcome, the line to print, and the result (None if the test is not a check)."""

    outcome: Outcome
    line: str
    result: Result | None
    trace: str = ""  # of an exception for which pytest has no trace


def decide_error(run: Run, endpoint: Endpoint, check: Check | None, error: Exception) -> Decision:
    """Return the decision on a check that has no result, because making one raised an exception."""
    assessment = assess_error(error, check)
    outcome = assessment.outcome
    result = make_result_of_error(assessment, check, endpoint, run.evaluation) if check else None
    return Decision("error", f"error: {outcome.message}", result, str((outcome.detail or {})[TRACE]))


def decide(run: Run, facts: Facts, check: Check | None, outcome: CheckOutcome) -> Decision:
    """Return the decision on a test with this outcome; `check` is None if it is not a check."""
    if check is None:
        return _decide_other(run, facts, bounded(outcome, facts))
    assessment = assess(outcome, check, facts, run.evaluation)
    result = make_result(assessment, check, facts, run.evaluation)
    return _decide_result(run, facts.endpoint, result, assessment.outcome.trace)


def decide_given(run: Run, endpoint: Endpoint, result: Result) -> Decision:
    """Return the decision on a result of another process."""
    return _decide_result(run, endpoint, result, str(result.detail.get(TRACE, "")))


def _decide_result(run: Run, endpoint: Endpoint, result: Result, trace: str) -> Decision:
    because = _cause_of(result)
    fails = result.severity.rank >= run.settings.fail_on.rank
    outcome = _pytest_outcome(run, endpoint, _Ending(result.verdict, because, fails=fails))
    return Decision(outcome, _line(result, because), result, trace)


def _cause_of(result: Result) -> str | None:
    """Return the id of the finding that an inconclusive result follows from."""
    because = result.detail.get("because") if result.verdict is Verdict.INCONCLUSIVE else None
    return str(because) if because else None


@dataclass(frozen=True, slots=True)
class _Ending:
    """What pytest's outcome depends on; `fails` says that the severity reaches the level that fails the run."""

    verdict: Verdict
    because: str | None
    fails: bool


def _decide_other(run: Run, facts: Facts, outcome: CheckOutcome) -> Decision:
    """Return the decision on a test that is not a check, and had to be skipped or could not be judged."""
    ending = _Ending(outcome.verdict, outcome.because, fails=Severity.MEDIUM.rank >= run.settings.fail_on.rank)
    line = f"{outcome.verdict}: {outcome.message}{_follows(outcome.because)}"
    return Decision(_pytest_outcome(run, facts.endpoint, ending), line, None)


def _pytest_outcome(run: Run, endpoint: Endpoint, ending: _Ending) -> Outcome:
    """Return pytest's outcome of a verdict, as the table in the documentation lists it."""
    match ending.verdict:
        case Verdict.PASS:
            return "passed"
        case Verdict.FAIL:
            return "failed" if ending.fails else "xfailed"
        case Verdict.INCONCLUSIVE:
            return "failed" if ending.fails and not _is_report_only(run, endpoint, ending.because) else "skipped"
        case Verdict.WAIVED:
            return "xfailed"
        case Verdict.NOT_APPLICABLE:
            return "skipped"
    return "error"


def _is_report_only(run: Run, endpoint: Endpoint, because: str | None) -> bool:
    """Return whether an inconclusive check fails nothing: on request, or if it follows from another finding."""
    return is_consequence(because, endpoint, run.evaluation) or run.settings.inconclusive == "report"


def _line(result: Result, because: str | None) -> str:
    waiver = result.waiver
    if waiver:
        return f"waived by {waiver.owner} until {waiver.expires}: {waiver.reason}; {result.message}"
    source = f" [{result.source}]" if result.source and result.verdict in FAILING_VERDICTS else ""
    kind = f"{result.severity}: " if result.verdict is Verdict.FAIL else f"{result.verdict}: "
    return f"{kind}{result.message}{_follows(because)}{source}"


def _follows(because: str | None) -> str:
    return f" (follows from {because})" if because else ""


def apply(decision: Decision, location: tuple[str, int | None, str], report: pytest.TestReport) -> None:
    """Give the report the outcome of the decision; an error keeps its trace."""
    path, line_number, _ = location
    match decision.outcome:
        case "passed":
            return
        case "error":
            report.outcome = "failed"
            if decision.trace:
                report.longrepr = decision.trace
        case "failed":
            report.outcome = "failed"
            place = ReprFileLocation(path, (line_number or 0) + 1, decision.line)
            report.longrepr = ExceptionChainRepr([(ReprTracebackNative([decision.line + "\n"]), place, None)])
        case "xfailed":
            report.outcome = "skipped"
            report.wasxfail = decision.line
            report.longrepr = decision.line
        case "skipped":
            report.outcome = "skipped"
            file = report.nodeid.partition("::")[0].removeprefix("checks/")  # short: the JUnit report has it each time
            report.longrepr = (file, (line_number or 0) + 1, decision.line)


def outcome_of_test(function: object, error: BaseException | None) -> CheckOutcome:
    """Return the outcome of a test function that raised this. Exceptions of pytest are translated first."""
    match error:
        case Judgement():
            return outcome_of(error)
        case pytest.skip.Exception():
            return outcome_of(NotApplicable(str(error.msg)))
        case AssertionError() | pytest.fail.Exception():
            explanation = pytest.ExceptionInfo.from_exception(error).exconly()
            return outcome_of(AssertionError(), _without_type(explanation, function))
    return outcome_of(error)


def _without_type(explanation: str, function: object) -> str:
    """Return the explanation of a plain assertion, after the requirement that it belongs to."""
    text = explanation.removeprefix("AssertionError: ").removeprefix("Failed: ")
    doc = (getattr(function, "__doc__", None) or "").strip().partition("\n")[0]
    return f"{doc.rstrip('.')}: {text}" if text.startswith("assert ") and doc else text
