"""Counts of verdicts and repairs, and the exit status that follows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from sys import intern
from typing import Final

from pytest import ExitCode  # noqa: PT013 - the name is the point

from audit.endpoint import RUN, is_host_id
from audit.evaluation.check_pairs import CheckPairs
from audit.evaluation.result import Result
from audit.verdict import Severity, Verdict
from pytest_sslaudit.reports.repairs import RepairRow

Pair = tuple[str, str]
"""The ids of a check and an endpoint."""
LISTED: Final = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.WAIVED)
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


@dataclass
class RunTotals:
    """Counts of results as they are reported. Only what the summary lists is kept; the results file has all."""

    verdicts: Counter[str] = field(default_factory=Counter)
    severities: Counter[str] = field(default_factory=Counter)
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
    judged: CheckPairs = field(default_factory=CheckPairs)
    passed: CheckPairs = field(default_factory=CheckPairs)
    repeated: bool = False  # whether a plugin ran a test again
    deselected: CheckPairs = field(default_factory=CheckPairs)  # of the deselected tests
    gaps: tuple[str, ...] = ()  # messages about built-in checks without a result; they fail the run
    notes: tuple[str, ...] = ()  # messages about checks that the command line or a plugin left out
    evidence: tuple[str, ...] = ()  # a line about the evidence that is judged
    partial: tuple[str, ...] = ()  # the ids of the endpoints for which a check has no result
    judged_anything: bool = False  # a run in which no check passed or failed fails
    _listed: dict[Pair, tuple[Result, str]] = field(default_factory=dict)
    _follows: dict[Pair, str] = field(default_factory=dict)  # the check whose finding each consequence follows from

    @property
    def failing(self) -> list[tuple[Result, str]]:
        """The findings, inconclusive results and errors, without their details, each with pytest's outcome."""
        return [pair for pair in self._listed.values() if pair[0].verdict is not Verdict.WAIVED]

    @property
    def waived(self) -> list[Result]:
        """The waived findings, without their details."""
        return [result for result, _ in self._listed.values() if result.verdict is Verdict.WAIVED]

    @property
    def consequential(self) -> int:
        """How many checks are inconclusive because of another finding of their endpoint."""
        return len(self._follows)

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
        self._keep(result, outcome)
        if result.verdict is Verdict.FAIL:
            self.severities[result.severity.value] += 1
        if result.not_after and (self.earliest is None or result.not_after < self.earliest[0]):
            self.earliest = (result.not_after, result.endpoint)
        return earlier is not result.verdict

    def _keep(self, result: Result, outcome: str) -> None:
        """Keep a result that the summary lists; of one that follows from a finding, only from which."""
        pair, because = (intern(result.check), intern(result.endpoint)), _cause(result)
        if because is not None:
            self._follows[pair] = because
        if result.verdict in LISTED and (because is None or outcome == "failed"):
            self._listed[pair] = (_without_detail(result), outcome)

    def verdict_of(self, check: str, endpoint: str) -> Verdict | None:
        """Return the verdict of a check on an endpoint; None if there is none yet."""
        if not self.judged.has(check, endpoint):
            return None
        if self.passed.has(check, endpoint):
            return Verdict.PASS
        if (check, endpoint) in self._follows:
            return Verdict.INCONCLUSIVE
        listed = self._listed.get((check, endpoint))
        return listed[0].verdict if listed else Verdict.NOT_APPLICABLE

    def _remove(self, result: Result, earlier: Verdict) -> None:
        """Take back the count of the result that another attempt at the same check and endpoint had."""
        same = (result.check, result.endpoint)
        self.repeated = True
        self.verdicts -= Counter((earlier.value,))  # which drops a count of 0
        self.passed.remove(*same)
        self._follows.pop(same, None)
        listed = self._listed.pop(same, None)
        if listed and listed[0].verdict is Verdict.FAIL:
            self.severities[listed[0].severity.value] -= 1

    def outdated(self) -> list[tuple[str, str, str]]:
        """Return check, endpoint and cause of the results that follow from a finding which a later attempt cleared."""
        follows = self._follows.items() if self.repeated else ()
        return [(*pair, because) for pair, because in follows if self.passed.has(because, pair[1])]

    @property
    def has_bug(self) -> bool:
        """Whether a check, a repair or a report raised an exception."""
        return self.verdicts[Verdict.ERROR.value] > 0 or self.repairs_broken or bool(self.accidents)

    def by_severity(self) -> list[tuple[Severity, int]]:
        """Return the counts of findings, worst first."""
        return [(level, self.severities[level.value]) for level in reversed(Severity) if self.severities[level.value]]


def _cause(result: Result) -> str | None:
    """Return the check whose finding keeps a result from being judged; None if there is none."""
    is_consequence = result.verdict is Verdict.INCONCLUSIVE and "because" in result.detail
    return intern(str(result.detail["because"])) if is_consequence else None


def _without_detail(result: Result) -> Result:
    """Return a result for the summary: its cause is all that is left of its details, which may be long."""
    detail = {key: value for key, value in result.detail.items() if key == "because"}
    return replace(result, check=intern(result.check), endpoint=intern(result.endpoint), detail=detail, controls=())


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
