"""Turns a verdict into pytest's outcome: a test passes, fails or is skipped, and pytest prints a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
from _pytest._code.code import ExceptionChainRepr, ReprFileLocation, ReprTracebackNative

from audit.checks import Check
from audit.endpoint import Endpoint
from audit.evaluation.evaluate import (
    Assessment,
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
    trace = str((assessment.outcome.detail or {})[TRACE])
    result = make_result_of_error(assessment, check, endpoint, run.evaluation) if check else None
    return Decision("error", _line(assessment, check), result, trace)


def decide(run: Run, facts: Facts, check: Check | None, outcome: CheckOutcome) -> Decision:
    """Return the decision on a check with this outcome."""
    if check is None:
        assessment, result = Assessment(bounded(outcome, facts), Severity.MEDIUM), None
    else:
        assessment = assess(outcome, check, facts, run.evaluation)
        result = make_result(assessment, check, facts, run.evaluation)
    return Decision(
        _pytest_outcome(run, facts.endpoint, assessment), _line(assessment, check), result, assessment.outcome.trace
    )


def _pytest_outcome(run: Run, endpoint: Endpoint, assessment: Assessment) -> Outcome:
    """Return pytest's outcome of a verdict, as the table in the documentation lists it."""
    counts = assessment.severity.rank >= run.settings.fail_on.rank
    match Verdict.WAIVED if assessment.waiver else assessment.outcome.verdict:
        case Verdict.PASS:
            return "passed"
        case Verdict.FAIL:
            return "failed" if counts else "xfailed"
        case Verdict.INCONCLUSIVE:
            return "failed" if counts and not _is_report_only(run, endpoint, assessment) else "skipped"
        case Verdict.WAIVED:
            return "xfailed"
        case Verdict.NOT_APPLICABLE:
            return "skipped"
    return "error"


def _is_report_only(run: Run, endpoint: Endpoint, assessment: Assessment) -> bool:
    """Return whether an inconclusive check fails nothing: on request, or if it follows from another finding."""
    return is_consequence(assessment.outcome, endpoint, run.evaluation) or run.settings.inconclusive == "report"


def _line(assessment: Assessment, check: Check | None) -> str:
    outcome, waiver = assessment.outcome, assessment.waiver
    if waiver:
        return f"waived by {waiver.owner} until {waiver.expires}: {waiver.reason}; {outcome.message}"
    source = f" [{check.source}]" if check and check.source and outcome.verdict in FAILING_VERDICTS else ""
    follows = f" (follows from {outcome.because})" if outcome.because else ""
    kind = f"{assessment.severity}: " if outcome.verdict is Verdict.FAIL else f"{outcome.verdict}: "
    return f"{kind}{outcome.message}{follows}{source}"


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


def outcome_of_test(item: pytest.Item, error: BaseException | None) -> CheckOutcome:
    """Return the outcome of a test that raised this. Exceptions of pytest are translated first."""
    match error:
        case Judgement():
            return outcome_of(error)
        case pytest.skip.Exception():
            return outcome_of(NotApplicable(str(error.msg)))
        case AssertionError() | pytest.fail.Exception():
            explanation = pytest.ExceptionInfo.from_exception(error).exconly()
            return outcome_of(AssertionError(), _without_type(explanation, item))
    return outcome_of(error)


def _without_type(explanation: str, item: pytest.Item) -> str:
    """Return the explanation of a plain assertion, after the requirement that it belongs to."""
    text = explanation.removeprefix("AssertionError: ").removeprefix("Failed: ")
    doc = (getattr(getattr(item, "function", None), "__doc__", None) or "").strip().partition("\n")[0]
    return f"{doc.rstrip('.')}: {text}" if text.startswith("assert ") and doc else text
