"""Writes the results file, and the user properties that carry a result through xdist and into JUnit reports.

Lines are written when their results are reported, so that a run that is killed leaves them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import pytest

from audit.config.line_files import LineWriter, open_lines
from audit.evaluation.result import Result, from_row, to_row
from audit.verdict import Verdict

ROW: Final = "sslaudit"
"""The user property with a result as JSON, without node id and duration, which the report has."""
GROUP: Final = "sslaudit_results"
"""The user property with the results of a test that reports many: a list of rows and outcomes, as JSON."""
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
BESIDE: Final = ("endpoint", "check", "verdict", "severity", "message", "remedy", "policy", "source")
"""The further user properties of a result that did not pass, for readers of JUnit reports. Passes have none: pytest
keeps all properties in memory to the end of the run."""


def as_properties(result: Result, before: Result | None = None) -> list[tuple[str, object]]:
    """Return a result as user properties: as JSON and, if it did not pass, its main fields by name.

    `before` is the result before a repair.
    """
    row = to_row(result)
    del row["nodeid"], row["duration_s"]
    names = () if result.verdict in (Verdict.PASS, Verdict.NOT_APPLICABLE) else BESIDE
    first = [(FIRST, _in_a_line(before)), (FIRST_VERDICT, before.verdict.value)] if before else []
    return [(ROW, _json(row)), *first, *(_shared(name, row[name]) for name in names)]


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
    return GROUP, _json([[to_row(result), outcome] for result, outcome in decisions])


def keep_results(report: pytest.TestReport, decisions: Iterable[tuple[Result, str]]) -> None:
    """Let a report carry many results, which saves encoding them if it stays in its process."""
    report.__dict__[GROUP] = tuple(decisions)


def release_results(report: pytest.TestReport) -> None:
    """Let a report forget its many results, which every hook has received."""
    if is_grouped(report):
        report.__dict__[GROUP] = ()
        report.user_properties = _without(report.user_properties, GROUP)


def results_of(report: pytest.TestReport) -> tuple[tuple[Result, str], ...]:
    """Return all results that a report carries, each with pytest's outcome."""
    if report.when == "teardown" or report.outcome not in FINAL:
        return ()
    if GROUP in report.__dict__:
        kept: tuple[tuple[Result, str], ...] = report.__dict__[GROUP]
        return kept
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
    return GROUP in report.__dict__ or _property(report, GROUP) is not None


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


@lru_cache(maxsize=1024)
def result_of(report: pytest.TestReport) -> Result | None:
    """Return the result that a report carries; None if its test is not a check, or has not ended yet.

    The results of the latest reports are kept: several reports read each, and pytest keeps all reports to the end.
    """
    text = _text_of(report)
    return from_row({**json.loads(text), **_known_of(report)}) if text else None


def _text_of(report: pytest.TestReport) -> str | None:
    if report.when == "teardown" or report.outcome not in FINAL:
        return None
    return _property(report, ROW)


def _property(report: pytest.TestReport, key: str) -> str | None:
    return next((str(value) for name, value in report.user_properties if name == key), None)


def _known_of(report: pytest.TestReport) -> dict[str, Any]:
    return {"nodeid": report.nodeid, "duration_s": round(report.duration, 6)}


_json: Final = json.JSONEncoder(separators=(",", ":")).encode
"""Returns a value as JSON; `json.dumps` makes an encoder for each call."""


class ResultsFile:
    """The file; opened before anything is observed, and closed with a summary line."""

    def __init__(self, file: Path) -> None:
        """Create the file; `failure` is later the reason why it is incomplete. Raises pytest.UsageError."""
        self.file, self.failure = file, ""
        try:
            self._stream: LineWriter = open_lines(file)
        except OSError as error:
            raise pytest.UsageError(f"--audit-results {file}: {error.strerror}") from error

    def write(self, kind: str, **values: object) -> None:
        """Write one line."""
        self._write(_json({"kind": kind, **values}))

    def write_json(self, kind: str, row: str) -> None:
        """Write one line from the JSON object that another process has made."""
        self._write(f'{{"kind":"{kind}",{row[1:]}')

    def result(self, report: pytest.TestReport) -> None:
        """Write the result that a report carries: its text is JSON already, which saves encoding it again."""
        text = _text_of(report)
        if text:
            self._write(f'{{"kind":"result",{text[1:-1]},{_json(_known_of(report))[1:]}')

    def flush(self) -> None:
        """Write what has gathered, so that `failure` is known before the run has an exit status."""
        self._do(self._stream.flush)

    def row(self, result: Result) -> None:
        """Write a result."""
        self.write("result", **to_row(result))

    def _write(self, line: str) -> None:
        self._do(partial(self._stream.write, line + "\n"))

    def _do(self, effect: Callable[[], object]) -> None:
        if self._stream.closed:
            return
        try:
            effect()
        except OSError as error:
            self.failure = f"the results are incomplete: {self.file}: {error.strerror}"
            with suppress(OSError):  # the rest of the buffer cannot be written either
                self._stream.close()

    def abandon(self) -> None:
        """Close the file of a run that did not finish, which has no summary line; a closed file stays as it is."""
        with suppress(OSError):
            self._stream.close()

    def close(self, **summary: object) -> None:
        """Write the summary line and close."""
        self.write("summary", **summary)
        self.abandon()
