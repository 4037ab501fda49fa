"""Prints the last lines on the terminal: the failing endpoints, the counts by severity and the earliest expiry."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

import pytest

from audit.evaluation.result import Result
from audit.verdict import Verdict
from pytest_sslaudit.reports.repairs import counted
from pytest_sslaudit.reports.totals import Tally

MOST_UNKNOWNS: Final = 20
ORDER = (Verdict.ERROR, Verdict.FAIL, Verdict.INCONCLUSIVE)


class Summary:
    """The hooks of the terminal summary."""

    def __init__(self, config: pytest.Config, tally: Tally) -> None:
        """Keep the tally that the run fills."""
        self._config, self._tally = config, tally

    def pytest_collection_finish(self) -> None:
        """Print no line per file: the checks run endpoint by endpoint, and pytest would print all files for each."""
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        if reporter and self._config.get_verbosity() == 0:
            reporter.showfspath = False

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Drop the reports of set-up and clean-up that pytest keeps: nothing prints them, and each check has two."""
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        if reporter and report.when == "teardown":
            reporter.stats.pop("", None)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the summary of the audit last."""
        for line in self._tally.services_down:
            terminalreporter.write_line(line, red=True, bold=True)
        for accident in self._tally.accidents:
            terminalreporter.write_sep("=", "an exception of the audit itself")
            terminalreporter.write_line(accident)
        completeness = (*self._tally.notes, *self._tally.gaps)
        if not self._tally.verdicts and not completeness:
            return
        terminalreporter.write_sep("=", "sslaudit")
        totals = lines_of_totals(self._tally) if self._tally.verdicts else ()
        for line in (*lines_of_endpoints(self._tally), *lines_of_unknowns(self._tally), *totals, *completeness):
            terminalreporter.write_line(line)


def lines_of_endpoints(tally: Tally) -> Iterator[str]:
    """Yield a line for each endpoint that failed the run: its worst finding, and how many more there are."""
    failed = [result for result, outcome in tally.failing if outcome == "failed"]
    for endpoint, group in groupby(sorted(failed, key=_by_endpoint), key=lambda result: result.endpoint):
        worst, *others = group
        more = f" (and {len(others)} more)" if others else ""
        verdict = worst.severity.value if worst.verdict is Verdict.FAIL else worst.verdict.value
        yield f"{endpoint}  {verdict} {worst.check}: {worst.message}{more}"


def lines_of_unknowns(tally: Tally) -> Iterator[str]:
    """Yield a line for each inconclusive check that neither fails the run nor follows from a finding, up to a limit."""
    unknown = [
        result
        for result, outcome in tally.failing
        if outcome != "failed" and result.verdict is Verdict.INCONCLUSIVE and "because" not in result.detail
    ]
    for result in sorted(unknown, key=_by_endpoint)[:MOST_UNKNOWNS]:
        yield f"{result.endpoint}  inconclusive {result.check}: {result.message}"
    if len(unknown) > MOST_UNKNOWNS:
        yield f"{len(unknown) - MOST_UNKNOWNS} more inconclusive checks that fail nothing: see the results"


def lines_of_totals(tally: Tally) -> Iterator[str]:
    """Yield the counts by severity and verdict, and the earliest expiry."""
    findings = ", ".join(f"{count} {level.value}" for level, count in tally.by_severity()) or "none"
    parts = [f"findings: {findings}"]
    counts = (
        (tally.verdicts[Verdict.INCONCLUSIVE.value] - tally.consequential, "inconclusive"),
        (tally.consequential, "inconclusive because of another finding"),
        (tally.verdicts[Verdict.WAIVED.value], "waived"),
        (tally.verdicts[Verdict.ERROR.value], "ended by a bug, see the trace"),
    )
    parts += [f"{count} {words}" for count, words in counts if count]
    places = ((len(tally.hosts), "host"), (len(tally.endpoints), "endpoint"))
    audited = [f"{count} {name}{'' if count == 1 else 's'}" for count, name in places if count]
    yield "; ".join([", ".join(audited) or "no endpoint", *parts])
    if not tally.judged_anything:
        yield "nothing was audited: no check passed or failed"
    if tally.findings_before is not None:
        now = tally.verdicts[Verdict.FAIL.value]
        yield f"findings before the repairs: {tally.findings_before}, after them: {now}; {counted(tally.repairs)}"
    if tally.earliest:
        moment, endpoint = tally.earliest
        yield f"earliest expiry: {moment:%Y-%m-%d %H:%M} UTC ({endpoint})"


def _by_endpoint(result: Result) -> tuple[str, int, int]:
    return result.endpoint, ORDER.index(result.verdict), -result.severity.rank
