"""The report of a run: its plan, the result of each case, and the results of the audit before and after the repair."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from audit.endpoint import BadEndpoint, parse_id
from audit.evaluation.result import Result
from audit.verdict import Verdict
from remediate.model.audit_results import AuditResults
from remediate.model.outcome import CaseResult
from remediate.model.plan import Plan
from remediate.state.journal import Journal


@dataclass(frozen=True, slots=True)
class RunReport:
    """The report of a run. `after` is None if nothing was evaluated again."""

    plan: Plan
    case_results: tuple[CaseResult, ...]
    before: AuditResults
    journal: Journal
    after: AuditResults | None = None

    def verdict(self, endpoint: str, check: str) -> Verdict | None:
        """Return the last verdict of a check, before or after the repair; None if it was not evaluated."""
        after = self.after.verdict(endpoint, check) if self.after else None
        return after or self.before.verdict(endpoint, check)

    def result_before(self, endpoint: str, check: str | None) -> Result | None:
        """Return the result of a check before the repair."""
        return _result(self.before, endpoint, check)

    def fails_after_repair(self, endpoint: str, check: str) -> bool:
        """Return whether a check was evaluated again after the repair and still fails."""
        result = _result(self.after, endpoint, check) if self.after else None
        return result is not None and result.phase == "after" and result.verdict is Verdict.FAIL

    def was_inspected(self, host: str) -> bool:
        """Return whether a host was logged in to and inspected: then what was not found there does not exist."""
        return self.before.is_complete and self.verdict(f"{host}/", "svc.unreachable") is Verdict.PASS


def _result(results: AuditResults, endpoint: str, check: str | None) -> Result | None:
    return next((result for result in results.by_endpoint.get(endpoint, ()) if result.check == check), None)


def host_of(endpoint: str) -> str:
    """Return the host in an endpoint id: the label it was logged in to by, else the name that was connected to."""
    try:
        parsed = parse_id(endpoint)
    except BadEndpoint:  # a row that is not of this version
        return endpoint
    return parsed.host or parsed.name


def results_of_hosts(results: bytes, hosts: Collection[str]) -> bytes:
    """Return the lines of a results file that are about these hosts or the run as a whole; other lines are dropped."""
    return b"".join(line for line in results.splitlines(keepends=True) if _is_about(line, hosts))


def _is_about(line: bytes, hosts: Collection[str]) -> bool:
    try:
        row = json.loads(line)
    except ValueError:
        return False
    if not isinstance(row, dict):
        return False
    endpoint = row.get("endpoint")
    return host_of(endpoint) in hosts if isinstance(endpoint, str) else row.get("kind") in ("run", "summary")
