"""The HTML report of a run with more tests than a page can show as rows: its findings by check, and no table of tests.

pytest-html keeps the rows of all tests in memory, and browsers do not open a page of many thousands. The page has
the totals and the first findings of each check. Texts from hosts, servers and certificates are escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final

import pytest
from pytest_html.basereport import BaseReport

from audit.evaluation.result import Result
from audit.text import bounded_message
from audit.verdict import Verdict
from pytest_sslaudit.reports.carried_results import result_of
from pytest_sslaudit.reports.groups import groups_of
from pytest_sslaudit.reports.totals import RunTotals

MOST_ROWS: Final = 5000
"""A run with more tests has no table of them."""
MOST_OF_A_CHECK: Final = 100
_HEAD: Final = ("Severity", "Endpoint", "Finding", "Expiry", "Remedy")


class PageWithoutTable:
    """The hooks of pytest-html's report that write the page; no test is reported to it."""

    def __init__(self, report: BaseReport, tests: int, results: Path | None) -> None:
        """Keep the report of pytest-html, how many tests the run has, and the results file."""
        self._report = report
        place = f"all are in {results}" if results else "name a file for all of them with --audit-results"
        self.line = f"the HTML report lists findings and not all {tests} results (limit {MOST_ROWS}): {place}"

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the page."""
        self._report.pytest_sessionfinish(session)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the page, and say what it leaves out."""
        self._report.pytest_terminal_summary(terminalreporter)
        terminalreporter.write_line(self.line)


def take_over(manager: pytest.PytestPluginManager, tests: int, results: Path | None) -> PageWithoutTable | None:
    """Keep pytest-html from collecting rows, if the run writes its report; return what writes the page instead."""
    report = next((plugin for plugin in manager.get_plugins() if isinstance(plugin, BaseReport)), None)
    if report is None:
        return None
    manager.unregister(report)
    page = PageWithoutTable(report, tests, results)
    manager.register(page, "sslaudit-page")
    return page


def lists_of_findings(totals: RunTotals, config: pytest.Config) -> str:
    """Return the first findings and inconclusive results of each check, the worst check first, and the other tests."""
    groups = groups_of(result for result, _ in totals.failing)
    reporter = config.pluginmanager.getplugin("terminalreporter")
    stats = reporter.stats if reporter else {}
    failed = [*stats.get("error", ()), *stats.get("failed", ())]
    others = [report for report in failed if isinstance(report, pytest.TestReport) and result_of(report) is None]
    lists = [_list(group.header, [_row(result) for result in group.results[:MOST_OF_A_CHECK]], len(group.results))
             for group in groups]  # fmt: skip
    return "".join((*_lists_of_others(others), *lists))


def _lists_of_others(failed: Sequence[pytest.TestReport]) -> Iterator[str]:
    """Yield the list of the failed tests that are not checks."""
    rows = [("", report.nodeid, bounded_message(report.longreprtext), "", "") for report in failed[:MOST_OF_A_CHECK]]
    if rows:
        yield _list("other tests", rows, len(failed))


def _row(result: Result) -> tuple[str, ...]:
    severity = result.severity.value if result.verdict is Verdict.FAIL else result.verdict.value
    expiry = f"{result.not_after:%Y-%m-%d %H:%M}" if result.not_after else ""
    remedy = "" if result.remedy.value == "none" else result.remedy.value
    return severity, result.endpoint, result.message, expiry, remedy


def _list(header: str, rows: Sequence[Sequence[str]], count: int) -> str:
    head = "".join(f"<th>{name}</th>" for name in _HEAD)
    body = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows)
    more = f"<p>and {count - len(rows)} more: see the results</p>" if count > len(rows) else ""
    table = f"<table><tr>{head}</tr>{body}</table>{more}"
    return f'<details class="sslaudit-findings" open><summary>{escape(header)}</summary>{table}</details>'
