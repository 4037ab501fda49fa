"""Counts of verdicts and repairs, and the exit status that follows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pytest import ExitCode  # noqa: PT013 - the name is the point

from audit.endpoint import RUN, is_host_id
from audit.evaluation.result import Result
from audit.verdict import Severity, Verdict
from pytest_sslaudit.reports.repairs import RepairRow

JUDGED: Final = (Verdict.PASS, Verdict.FAIL, Verdict.WAIVED)
REACHABILITY: Final = ("svc.unreachable", "dns.unresolvable", "dns.not-this-host")
"""An endpoint that only these checks judged was not audited: it could not be reached."""
BUG = 3
EXIT_STATUSES: Final = {
    0: "every check passed, does not apply, or has a finding that fails nothing",
    1: "a finding or an inconclusive check fails the run, a repair failed, or a result is missing",
    2: "the user or a signal ended the run",
    3: "a bug of the audit or of a check; the trace is in the output",
    4: "wrong use: an option, a configuration, or evidence that cannot be used; nothing was audited",
    5: "there is nothing to audit",
}
"""What each exit status means."""


class JudgedChecks:
    """Which checks of which endpoints have a result: a number for each endpoint, with a bit for each check."""

    def __init__(self) -> None:
        """Begin without results."""
        self._bits: dict[str, int] = {}
        self._of_endpoint: dict[str, int] = {}

    def add(self, check: str, endpoint: str) -> None:
        """Record a result."""
        bit = self._bits.setdefault(check, 1 << len(self._bits))
        self._of_endpoint[endpoint] = self._of_endpoint.get(endpoint, 0) | bit

    def remove(self, check: str, endpoint: str) -> None:
        """Remove the record of a result."""
        bit = self._bits.get(check, 0)
        self._of_endpoint[endpoint] = self._of_endpoint.get(endpoint, 0) & ~bit

    def has(self, check: str, endpoint: str) -> bool:
        """Return whether there is a result."""
        return bool(self._bits.get(check, 0) & self._of_endpoint.get(endpoint, 0))


@dataclass
class RunTotals:
    """Counts of results as they are reported; `failing` holds findings, inconclusive results and errors."""

    verdicts: Counter[str] = field(default_factory=Counter)
    severities: Counter[str] = field(default_factory=Counter)
    failing: list[tuple[Result, str]] = field(default_factory=list)  # with pytest's outcome
    waived: list[Result] = field(default_factory=list)
    consequential: int = 0  # inconclusive because of another finding of their endpoint
    hosts: set[str] = field(default_factory=set)
    endpoints: set[str] = field(default_factory=set)
    earliest: tuple[datetime, str] | None = None  # not_after, endpoint
    connections: int = 0
    repairs: list[RepairRow] = field(default_factory=list)
    findings_before: int | None = None  # before the repair; None if there was no repair
    failed_repairs: int = 0
    services_down: tuple[str, ...] = ()  # a message for each service that did not start again
    refused_contacts: list[str] = field(default_factory=list)  # a message for each contact of a host that gets no email
    repairs_broken: bool = False  # an exception in the repair
    accidents: list[str] = field(default_factory=list)  # other exceptions, with their traces
    judged: JudgedChecks = field(default_factory=JudgedChecks)
    passed: JudgedChecks = field(default_factory=JudgedChecks)
    repeated: bool = False  # whether a plugin ran a test again
    deselected: set[tuple[str, str]] = field(default_factory=set)  # check and endpoint of each deselected test
    gaps: tuple[str, ...] = ()  # messages about built-in checks without a result; they fail the run
    notes: tuple[str, ...] = ()  # messages about checks that the command line or a plugin left out
    evidence: tuple[str, ...] = ()  # a line about the evidence that is judged
    partial: tuple[str, ...] = ()  # the ids of the endpoints for which a check has no result
    judged_anything: bool = False  # a run in which no check passed or failed fails

    def add(self, result: Result, outcome: str) -> bool:
        """Count one result in place of an earlier one of its check and endpoint; return whether its verdict is new."""
        earlier = self.verdict_of(result.check, result.endpoint)
        if earlier:
            self._remove(result, earlier)
        self.verdicts[result.verdict.value] += 1
        self.judged.add(result.check, result.endpoint)
        if result.verdict is Verdict.PASS:
            self.passed.add(result.check, result.endpoint)
        if not is_host_id(result.endpoint):
            self.endpoints.add(result.endpoint)
        elif result.endpoint != str(RUN):
            self.hosts.add(result.endpoint)
        is_of_substance = result.endpoint != str(RUN) and result.check not in REACHABILITY
        self.judged_anything |= is_of_substance and result.verdict in JUDGED
        if result.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR):
            self.failing.append((result, outcome))
        self.consequential += _is_consequence(result)
        if result.verdict is Verdict.FAIL:
            self.severities[result.severity.value] += 1
        if result.verdict is Verdict.WAIVED:
            self.waived.append(result)
        if result.not_after and (self.earliest is None or result.not_after < self.earliest[0]):
            self.earliest = (result.not_after, result.endpoint)
        return earlier is not result.verdict

    def verdict_of(self, check: str, endpoint: str) -> Verdict | None:
        """Return the verdict of a check on an endpoint; None if there is none yet."""
        if not self.judged.has(check, endpoint):
            return None
        if self.passed.has(check, endpoint):
            return Verdict.PASS
        others = (*(result for result, _ in self.failing), *self.waived)
        found = (other.verdict for other in others if (other.check, other.endpoint) == (check, endpoint))
        return next(found, Verdict.NOT_APPLICABLE)

    def _remove(self, result: Result, earlier: Verdict) -> None:
        """Take back the count of the result that another attempt at the same check and endpoint had."""
        same = (result.check, result.endpoint)
        self.repeated = True
        self.verdicts = self.verdicts - Counter((earlier.value,))
        self.passed.remove(*same)
        for found, _ in [pair for pair in self.failing if (pair[0].check, pair[0].endpoint) == same]:
            self.severities[found.severity.value] -= found.verdict is Verdict.FAIL
            self.consequential -= _is_consequence(found)
        self.failing = [pair for pair in self.failing if (pair[0].check, pair[0].endpoint) != same]
        self.waived = [waived for waived in self.waived if (waived.check, waived.endpoint) != same]

    def outdated(self) -> list[Result]:
        """Return the inconclusive results that follow from a finding which a later attempt did not confirm."""
        follows = [result for result, _ in self.failing if self.repeated and _is_consequence(result)]
        return [result for result in follows if self.passed.has(str(result.detail["because"]), result.endpoint)]

    @property
    def has_bug(self) -> bool:
        """Whether a check, a repair or a report raised an exception."""
        return self.verdicts[Verdict.ERROR.value] > 0 or self.repairs_broken or bool(self.accidents)

    def by_severity(self) -> list[tuple[Severity, int]]:
        """Return the counts of findings, worst first."""
        return [(level, self.severities[level.value]) for level in reversed(Severity) if self.severities[level.value]]


def _is_consequence(result: Result) -> bool:
    return result.verdict is Verdict.INCONCLUSIVE and "because" in result.detail


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """How the session ended: by the user or a signal, and whether a module could not be collected."""

    interrupted: bool
    broken_collection: bool


def exit_status(pytest_status: int, ended: SessionEnd, totals: RunTotals) -> int:
    """Return the exit status: 0 passed, 1 failed, 2 interrupted, 3 a bug, 4 usage error, 5 nothing to audit."""
    if pytest_status == ExitCode.NO_TESTS_COLLECTED and totals.gaps:
        return ExitCode.TESTS_FAILED
    if pytest_status in (ExitCode.USAGE_ERROR, ExitCode.NO_TESTS_COLLECTED):
        return pytest_status
    if ended.interrupted:
        return ExitCode.INTERRUPTED
    if totals.has_bug or ended.broken_collection or pytest_status == ExitCode.INTERNAL_ERROR:
        return BUG
    is_empty = bool(totals.verdicts) and not totals.judged_anything
    if pytest_status == ExitCode.OK and (totals.failed_repairs or totals.gaps or is_empty):
        return ExitCode.TESTS_FAILED
    return pytest_status
