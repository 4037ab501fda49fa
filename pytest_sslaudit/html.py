"""The HTML report: pytest-html's table with our columns, worst rows first, and true totals on top.

Everything that came from a host, a server or a certificate is escaped: it is hostile input.
"""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import Any, Final

import pytest

from audit.checks import Severity, Verdict
from audit.record import format_time
from audit.result import Result
from pytest_sslaudit.results import result_of
from pytest_sslaudit.summary import lines_of_totals
from pytest_sslaudit.tally import Tally

MOST_GOOD_ROWS: Final = 5000  # of what passed or did not apply: a larger page no browser opens
COLUMNS: Final = ("Severity", "Endpoint", "Check", "Finding", "Expiry", "Remedy")
GOOD: Final = (Verdict.PASS, Verdict.NOT_APPLICABLE)
RANKS: Final = (Verdict.ERROR, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.WAIVED, Verdict.PASS, Verdict.NOT_APPLICABLE)


class HtmlReport:
    """The hooks of pytest-html."""

    def __init__(self, tally: Tally, title: str) -> None:
        """Keep the tally that the run fills."""
        self._tally, self._title = tally, title
        self._good_rows = self._left_out = 0
        self._ranks: dict[str, tuple[int, int]] = {}
        self._report: Any = None

    def pytest_html_report_title(self, report: Any) -> None:  # noqa: ANN401 - pytest-html has no types
        """Name the report, and keep the order of rows that we give it."""
        self._report = report
        report.title = self._title
        report.data["initialSort"] = "original"

    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Put our columns between result and duration."""
        ours = [f'<th class="sortable" data-column-type="{name.lower()}">{name}</th>' for name in COLUMNS]
        cells[1:] = [*ours, '<th class="sortable" data-column-type="duration">Duration</th>']

    def pytest_html_results_table_row(self, report: pytest.TestReport, cells: list[str]) -> None:
        """Fill our columns; leave out what passed beyond the limit."""
        result = result_of(report) if isinstance(report, pytest.TestReport) else None
        values = _values(result) if result else ("", "", escape(report.nodeid), "", "", "")
        cells[1:] = [*(_cell(name, value) for name, value in zip(COLUMNS, values, strict=True)), cells[2]]
        if result is None:
            return
        self._ranks[report.nodeid] = (RANKS.index(result.verdict), -result.severity.rank)
        if result.verdict in GOOD:
            self._good_rows += 1
            if self._good_rows > MOST_GOOD_ROWS:
                self._left_out += 1
                cells.clear()

    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """Put the true totals on top, and the worst rows first."""
        css = files("pytest_sslaudit").joinpath("html.css").read_text(encoding="utf-8")
        counts = "".join(_count(verdict, self._tally.verdicts[verdict.value]) for verdict in RANKS)
        lines = "".join(f"<p>{escape(line)}</p>" for line in lines_of_totals(self._tally))
        left_out = f"<p>{self._left_out} rows of what passed are left out below.</p>" if self._left_out else ""
        prefix.append(f'<style>{css}</style><div class="sslaudit"><ul>{counts}</ul>{lines}{left_out}</div>')
        tests = self._report.data["tests"]
        ordered = sorted(tests, key=lambda nodeid: self._ranks.get(nodeid, (-1, 0)))
        rows = {nodeid: tests.pop(nodeid) for nodeid in ordered}
        tests.update(rows)


def _values(result: Result) -> tuple[str, ...]:
    failing = result.verdict not in GOOD
    severity = result.severity.value if failing else ""
    expiry = format_time(result.not_after)[:16].replace("T", " ") if result.not_after else ""
    remedy = result.remedy.value if failing and result.remedy.value != "none" else ""
    message = result.message if result.verdict is not Verdict.INCONCLUSIVE else f"inconclusive: {result.message}"
    return tuple(map(escape, (severity, result.endpoint, result.check, message, expiry, remedy)))


def _cell(name: str, value: str) -> str:
    marked = f" sslaudit-{value}" if name == "Severity" and value in set(Severity) else ""
    return f'<td class="col-{name.lower()}{marked}">{value}</td>'


def _count(verdict: Verdict, count: int) -> str:
    return f'<li class="sslaudit-{verdict.value}"><b>{count}</b> {verdict.value}</li>' if count else ""
