"""Frees what pytest keeps of reports to the end of a run and nothing reads, and prints no finding twice."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from audit.verdict import Verdict
from pytest_sslaudit.reports.carried_results import (
    has_bug,
    is_grouped,
    release_results,
    result_of,
)


class KeptReports:
    """The hook that runs after each report has been written to all reports of the run."""

    def __init__(self, config: pytest.Config) -> None:
        """Begin without reports."""
        self._config = config
        self._open: dict[str, list[pytest.TestReport]] = {}  # by the id of a test that has not ended

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        """Drop the reports of set-up and clean-up, and the result that is in the results file from the others.

        A report that failed keeps its result: the summary reads it.
        """
        yield
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        if report.when != "teardown":
            self._open.setdefault(report.nodeid, []).append(report)
            return
        if reporter:
            reporter.stats.pop("", None)
        for earlier in self._open.pop(report.nodeid, ()):
            release_results(earlier)


class FindingsListedOnce:
    """The hook that leaves findings out of what pytest prints at the end: the summary of the audit lists them."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
        """Leave the findings out of the failures until all is printed but the counts."""
        failed = terminalreporter.stats.pop("failed", [])
        others = [report for report in failed if not is_listed(report)]
        terminalreporter.stats.update({"failed": others} if others else {})
        yield
        terminalreporter.stats.update({"failed": failed} if failed else {})


def is_listed(report: pytest.TestReport) -> bool:
    """Return whether the summary lists a failed report: a finding or an inconclusive result, not a bug."""
    if isinstance(report, pytest.TestReport) and is_grouped(report):
        return not has_bug(report)
    result = result_of(report) if isinstance(report, pytest.TestReport) else None
    return result is not None and result.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE)
