"""Writes the reports that the user names, each of the rows of the results file, after the last row is written.

The table has the built-in ones. To add one, add a file to this package and a row here. Others come from entry points.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from audit.config import BadConfiguration
from audit.config.extensions import ExtensionKind, find_member
from audit.config.line_files import read_lines
from audit.config.private_files import open_anew
from audit.observation import Accident
from pytest_sslaudit.reports.csv_report import csv_report
from pytest_sslaudit.reports.destinations import require_writable
from pytest_sslaudit.reports.results_file import ResultsFile
from pytest_sslaudit.reports.totals import BUG, RunTotals

Row = Mapping[str, Any]
Report = Callable[[Iterable[Row]], str]
"""Returns the text of a report of the rows of a results file, in the order of the file (docs/extending.md)."""

REPORTS: Final[Mapping[str, Report]] = {
    "csv": csv_report,
}
"""The built-in reports, by name."""


@dataclass(frozen=True, slots=True)
class NamedReport:
    """A report with its name and its file."""

    name: str
    render: Report
    file: Path


def load_reports(files: Mapping[str, Path]) -> tuple[NamedReport, ...]:
    """Return the reports of these files; raises pytest.UsageError, also for a file that cannot be written."""
    try:
        reports = tuple(NamedReport(name, _report(name), file) for name, file in files.items())
    except BadConfiguration as error:
        raise pytest.UsageError(str(error)) from error
    for report in reports:
        require_writable(f"--audit-report {report.name}", report.file)
    return reports


def _report(name: str) -> Report:
    return find_member(ExtensionKind.REPORT, name, REPORTS, _require_function, place=f"--audit-report {name}")


class ReportFiles:
    """The hooks that write the reports."""

    def __init__(self, reports: Sequence[NamedReport], results: ResultsFile, totals: RunTotals) -> None:
        """Keep the reports, and the results file with their rows."""
        self._reports, self._results, self._totals = reports, results, totals

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write each report. The results are complete by then; a run that could not write them has failed."""
        for report in self._reports:
            try:
                _write(report.file, report.render(self._rows()))
            except Exception as error:  # noqa: BLE001 - the boundary of one report: the others are still written
                session.exitstatus = BUG
                self._totals.accidents.append(f"report {report.name}, {report.file}: {Accident.of(error).trace}")

    def _rows(self) -> Iterator[Row]:
        """Return the rows of the results file one by one: a large run has millions."""
        return map(json.loads, read_lines(self._results.file, limit=None))


def _require_function(value: object) -> Report:
    if not callable(value):
        raise TypeError(f"{type(value).__name__} is not a function that takes the rows (docs/extending.md)")
    return value


def _write(file: Path, text: object) -> None:
    if not isinstance(text, str):
        raise TypeError(f"the report returned {type(text).__name__}; it must return str")
    with os.fdopen(open_anew(file), "w", encoding="utf-8", newline="") as stream:
        stream.write(text)
