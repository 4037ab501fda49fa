"""The results that a report of pytest carries: as objects within a process, as user properties to another one.

JUnit reports have user properties too: those of a result that did not pass.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final
from weakref import WeakKeyDictionary

import pytest

from audit.evaluation.result import Result, from_row, to_row
from audit.json_codec import compact
from audit.verdict import Verdict

ROW: Final = "sslaudit"
"""The user property with a result as JSON, without node id and duration, which the report has."""
GROUP: Final = "sslaudit_results"
"""The user property with the results of a test that reports many: a list of rows and outcomes, as JSON."""
_IS_GROUP: Final = "sslaudit_is_group"
_GROUP_TEXT: Final = "sslaudit_text"
_GROUP_HAS_BUG: Final = "sslaudit_has_bug"
ENDPOINTS: Final = "endpoints"
"""The first part of the id of a test that reports one endpoint."""
FINAL: Final = ("passed", "failed", "skipped")
"""The outcomes of pytest. A plugin that repeats a test gives the report of an earlier attempt another one."""
FIRST: Final = "before"
"""The user property with the finding before a repair, in a line."""
FIRST_VERDICT: Final = "before_verdict"
"""The user property with the verdict before a repair."""
_KEPT: Final = WeakKeyDictionary[pytest.TestReport, tuple[tuple[Result, str], ...]]()
"""The results of reports that stay in their process, each with pytest's outcome: they are not encoded."""
BESIDE: Final = ("endpoint", "check", "verdict", "severity", "message", "remedy", "policy", "source")
"""The further user properties of a result that did not pass, for readers of JUnit reports. Passes have none: pytest
keeps all properties in memory to the end of the run."""


def as_properties(result: Result, before: Result | None = None) -> list[tuple[str, object]]:
    """Return a result as user properties: as JSON and, if it did not pass, its main fields by name.

    `before` is the result before a repair.
    """
    row = to_row(result)
    del row["nodeid"], row["duration_s"]
    return [(ROW, compact(row)), *main_properties(result, before)]


def main_properties(result: Result, before: Result | None = None) -> list[tuple[str, object]]:
    """Return the main fields of a result that did not pass, by name, and the result before a repair."""
    names = () if result.verdict in (Verdict.PASS, Verdict.NOT_APPLICABLE) else BESIDE
    first = [(FIRST, _in_a_line(before)), (FIRST_VERDICT, before.verdict.value)] if before else []
    return [*first, *(_shared(name, str(getattr(result, name))) for name in names)]


def without_row_of_pass(properties: Iterable[tuple[str, object]]) -> list[tuple[str, object]]:
    """Return the user properties for a JUnit report, which holds for a pass no more than the name of its test."""
    given = _without(properties, GROUP)
    is_well = not any(name == BESIDE[0] for name, _ in given)
    return without_row(given) if is_well else given


def without_row(properties: Iterable[tuple[str, object]]) -> list[tuple[str, object]]:
    """Return the user properties without the result as JSON."""
    return _without(properties, ROW)


def _without(properties: Iterable[tuple[str, object]], key: str) -> list[tuple[str, object]]:
    return [pair for pair in properties if pair[0] != key]


def grouped_property(decisions: Iterable[tuple[Result, str]]) -> tuple[str, object]:
    """Return the user property that carries many results, each with pytest's outcome."""
    return GROUP, compact([[to_row(result), outcome] for result, outcome in decisions])


def keep_results(report: pytest.TestReport, decisions: Iterable[tuple[Result, str]]) -> None:
    """Let a report carry many results, which saves encoding them if it stays in its process."""
    _KEPT[report] = tuple(decisions)
    report.__dict__[_IS_GROUP] = True


def keep_result(report: pytest.TestReport, result: Result) -> None:
    """Let a report carry its result, without node id and duration, which saves encoding it."""
    _KEPT[report] = ((result, report.outcome),)


def release_results(report: pytest.TestReport) -> None:
    """Let a report forget its results, which every hook has received; one that failed keeps its single one."""
    if is_grouped(report):
        _KEPT[report] = ()
        report.user_properties = _without(report.user_properties, GROUP)
    elif report.outcome != "failed":
        _KEPT.pop(report, None)
        if report.user_properties:
            report.user_properties = without_row(report.user_properties)


def results_of(report: pytest.TestReport) -> tuple[tuple[Result, str], ...]:
    """Return all results that a report carries, each with pytest's outcome."""
    if report.when == "teardown" or report.outcome not in FINAL:
        return ()
    if _IS_GROUP in report.__dict__:
        return _KEPT.get(report, ())
    text = _property(report, GROUP)
    if text:
        return tuple((from_row(row), outcome) for row, outcome in json.loads(text))
    result = result_of(report)
    return ((result, report.outcome),) if result else ()


def group_text(report: pytest.TestReport) -> str:
    """Return the counts and first findings of a test that reports many results; nothing for any other test."""
    return str(report.__dict__.get(_GROUP_TEXT, ""))


def describe_group(report: pytest.TestReport, text: str, *, has_bug: bool) -> None:
    """Let a report carry its counts and first findings; one that did not fail shows them as captured output."""
    report.__dict__[_GROUP_TEXT], report.__dict__[_GROUP_HAS_BUG] = text, has_bug
    if not report.failed and "\n" in text:
        report.sections.append(("findings that fail nothing", text))


def has_bug(report: pytest.TestReport) -> bool:
    """Return whether a check had a bug: it raised an exception."""
    return bool(report.__dict__.get(_GROUP_HAS_BUG)) or any(
        result.verdict is Verdict.ERROR for result, _ in results_of(report)
    )


def is_grouped(report: pytest.TestReport) -> bool:
    """Return whether a report is one of a test that reports many results."""
    return _IS_GROUP in report.__dict__ or _property(report, GROUP) is not None


def _in_a_line(result: Result) -> str:
    severity = f" ({result.severity})" if result.verdict is Verdict.FAIL else ""
    return f"{result.verdict}{severity}: {result.message}"


def first_of(report: pytest.TestReport) -> str | None:
    """Return the finding of a test before the repair, in a line; None if there was none."""
    return next((str(value) for name, value in report.user_properties if name == FIRST), None)


def first_verdict_of(report: pytest.TestReport) -> Verdict | None:
    """Return the verdict of a test before the repair; None if there was no finding."""
    return next((Verdict(str(value)) for name, value in report.user_properties if name == FIRST_VERDICT), None)


def rows_of(report: pytest.TestReport, *, only_after: bool = False) -> list[dict[str, Any]]:
    """Return the rows of the results file for all results that a report carries, or for those after a repair."""
    chosen = (result for result, _ in results_of(report) if result.phase == "after" or not only_after)
    return [{"kind": "result", **to_row(result)} for result in chosen]


@lru_cache(maxsize=4096)
def _shared(name: str, value: str) -> tuple[str, str]:
    """Return the same pair each time: pytest keeps the properties of every report to the end."""
    return name, value


def result_of(report: pytest.TestReport) -> Result | None:
    """Return the result that a report carries; None if its test is not a check, or has not ended yet."""
    kept = _kept_result(report)
    return replace(kept, **known_of(report)) if kept else _decoded(report)


def counted_result_of(report: pytest.TestReport) -> Result | None:
    """Return the result that a report carries, perhaps without node id and duration."""
    return _kept_result(report) or _decoded(report)


def _kept_result(report: pytest.TestReport) -> Result | None:
    """Return the single result of a report that stays in its process."""
    kept = () if report.when == "teardown" or _IS_GROUP in report.__dict__ else _KEPT.get(report, ())
    return kept[0][0] if kept and report.outcome in FINAL else None


@lru_cache(maxsize=1024)
def _decoded(report: pytest.TestReport) -> Result | None:
    """Return the result in the user properties of a report.

    The results of the latest reports are kept: several reports read each, and pytest keeps all reports to the end.
    """
    text = text_of(report)
    return from_row({**json.loads(text), **known_of(report)}) if text else None


def row_of(report: pytest.TestReport) -> dict[str, Any] | None:
    """Return the row of the single result that a report carries as an object."""
    kept = _kept_result(report)
    return {**to_row(kept), **known_of(report)} if kept else None


def text_of(report: pytest.TestReport) -> str | None:
    """Return the single result that a report carries as JSON, without node id and duration."""
    if report.when == "teardown" or report.outcome not in FINAL:
        return None
    return _property(report, ROW)


def _property(report: pytest.TestReport, key: str) -> str | None:
    return next((str(value) for name, value in report.user_properties if name == key), None)


def known_of(report: pytest.TestReport) -> dict[str, Any]:
    """Return the fields of a row that a report has: node id and duration."""
    return {"nodeid": report.nodeid, "duration_s": round(report.duration, 6)}
