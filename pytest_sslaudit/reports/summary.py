"""Prints the last lines on the terminal: the failing endpoints, the counts by severity and the earliest expiry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

import pytest

from audit.config.extensions import InstalledExtension
from audit.evaluation.result import Result
from audit.verdict import Verdict
from pytest_sslaudit.reports.groups import Group, badness, groups_of
from pytest_sslaudit.reports.repairs import counted
from pytest_sslaudit.reports.totals import RunTotals
from pytest_sslaudit.run_state import KEY

MOST_UNKNOWNS: Final = 20
MANY_ENDPOINTS: Final = 2000
COSTS: Final = {"each": (20, 175), "endpoint": (10.5, 77), "check": (10, 40)}
"""Seconds of CPU time and MB that 1,000 endpoints take in one process by `--audit-items`, judged from evidence with
all checks, results and JUnit, on a machine with two cores."""


class Summary:
    """The hooks of the terminal summary."""

    def __init__(self, config: pytest.Config, totals: RunTotals, extensions: Sequence[InstalledExtension]) -> None:
        """Keep the totals that the run fills, and the extensions that it uses."""
        self._config, self._totals, self._extensions = config, totals, extensions

    def pytest_report_header(self) -> list[str]:
        """Name the distributions whose code this run loads, with their versions."""
        return [f"sslaudit extension: {extension}" for extension in self._extensions]

    def pytest_report_collectionfinish(self) -> list[str]:
        """Say what other tests would cost, if there are many endpoints."""
        run = self._config.stash[KEY]
        return list(lines_of_costs(run.settings.items, len(run.inventory.endpoints)))

    def pytest_collection_finish(self) -> None:
        """Print no line per file: the checks run endpoint by endpoint, and pytest would print all files for each."""
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        if reporter and self._config.get_verbosity() == 0:
            reporter.showfspath = False

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the summary of the audit."""
        for line in self._totals.services_down:
            terminalreporter.write_line(line, red=True, bold=True)
        for accident in self._totals.accidents:
            terminalreporter.write_sep("=", "an exception of the audit itself")
            terminalreporter.write_line(accident)
        completeness = (*self._totals.evidence, *self._totals.notes, *self._totals.gaps)
        if not self._totals.verdicts and not completeness:
            return
        terminalreporter.write_sep("=", "sslaudit")
        totals = lines_of_totals(self._totals) if self._totals.verdicts else ()
        for group in failing_groups(self._totals):
            terminalreporter.write_line(group.header, bold=True)
            for result in group.results:
                terminalreporter.write_line(line_of_finding(result))
        for line in lines_of_unknowns(self._totals):
            terminalreporter.write_line(line)
        for line in totals:
            before, count, after = line.partition(follows_text(self._totals))
            terminalreporter.write(before)
            terminalreporter.write(count, light=True)
            terminalreporter.write_line(after)
        for line in completeness:
            terminalreporter.write_line(line)


def lines_of_costs(items: str, endpoints: int) -> Iterator[str]:
    """Yield a line about the CPU time and memory of a run of many endpoints, and of one with fewer tests."""
    if items == "each" and endpoints > MANY_ENDPOINTS:
        of_results, of_endpoints, of_checks = (
            f"{seconds * endpoints / 1000:.0f} s and {megabytes * endpoints / 1000:.0f} MB"
            for seconds, megabytes in COSTS.values()
        )
        yield (
            f"sslaudit: a test for each result of {endpoints} endpoints takes about {of_results}; one for each "
            f"endpoint (--audit-items=endpoint) {of_endpoints}, one for each check (--audit-items=check) {of_checks}"
        )


def follows_text(totals: RunTotals) -> str:
    """Return the count of the checks that follow from another finding, as the totals have it."""
    return f"{totals.consequential} inconclusive because of another finding"


def failing_groups(totals: RunTotals) -> Iterator[Group]:
    """Yield the results that failed the run by check, the worst check first."""
    return groups_of(result for result, outcome in totals.failing if outcome == "failed")


def line_of_finding(result: Result) -> str:
    """Return a result in a line, below the header of its check."""
    verdict = result.severity.value if result.verdict is Verdict.FAIL else result.verdict.value
    source = f" [{result.source}]" if result.source else ""
    return f"{result.endpoint}  {verdict} {result.check}: {result.message}{source}"


def lines_of_endpoints(totals: RunTotals) -> Iterator[str]:
    """Yield a line for each endpoint that failed the run: its worst finding, and how many more there are."""
    failed = [result for result, outcome in totals.failing if outcome == "failed"]
    for endpoint, group in groupby(sorted(failed, key=_by_endpoint), key=lambda result: result.endpoint):
        worst, *others = group
        more = f" (and {len(others)} more)" if others else ""
        verdict = worst.severity.value if worst.verdict is Verdict.FAIL else worst.verdict.value
        yield f"{endpoint}  {verdict} {worst.check}: {worst.message}{more}"


def lines_of_unknowns(totals: RunTotals) -> Iterator[str]:
    """Yield a line for each inconclusive check that neither fails the run nor follows from a finding, up to a limit."""
    unknown = [
        result
        for result, outcome in totals.failing
        if outcome != "failed" and result.verdict is Verdict.INCONCLUSIVE and "because" not in result.detail
    ]
    for result in sorted(unknown, key=_by_endpoint)[:MOST_UNKNOWNS]:
        yield f"{result.endpoint}  inconclusive {result.check}: {result.message}"
    if len(unknown) > MOST_UNKNOWNS:
        yield f"{len(unknown) - MOST_UNKNOWNS} more inconclusive checks that fail nothing: see the results"


def lines_of_totals(totals: RunTotals) -> Iterator[str]:
    """Yield the counts by severity and verdict, and the earliest expiry."""
    findings = ", ".join(f"{count} {level.value}" for level, count in totals.by_severity()) or "none"
    parts = [f"findings: {findings}"]
    counts = (
        (totals.verdicts[Verdict.INCONCLUSIVE.value] - totals.consequential, "inconclusive"),
        (totals.consequential, follows_text(totals).partition(" ")[2]),
        (totals.verdicts[Verdict.WAIVED.value], "waived"),
        (totals.verdicts[Verdict.ERROR.value], "ended by a bug, see the trace"),
    )
    parts += [f"{count} {words}" for count, words in counts if count]
    places = ((len(totals.hosts), "host"), (len(totals.endpoints), "endpoint"))
    audited = [f"{count} {name}{'' if count == 1 else 's'}" for count, name in places if count]
    yield "; ".join([", ".join(audited) or "no endpoint", *parts])
    if not totals.judged_anything:
        yield "nothing was audited: no check passed or failed"
    if totals.findings_before is not None:
        now = totals.verdicts[Verdict.FAIL.value]
        yield f"findings before the repairs: {totals.findings_before}, after them: {now}; {counted(totals.repairs)}"
    if totals.earliest:
        expiry, endpoint = totals.earliest
        yield f"earliest expiry: {expiry:%Y-%m-%d %H:%M} UTC ({endpoint})"


def _by_endpoint(result: Result) -> tuple[str, int, int]:
    return result.endpoint, *badness(result)
