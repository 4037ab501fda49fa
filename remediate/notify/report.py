"""What a run came to: its plan, how each case ended, and what was found before the repair and after it.

It knows verdicts by endpoint and check; it refuses to know who is told what.
"""

from __future__ import annotations

from dataclasses import dataclass

from audit.evaluation.result import Result
from audit.verdict import Verdict
from remediate.model.audit_results import AuditResults
from remediate.model.outcome import CaseResult
from remediate.model.plan import Plan
from remediate.state.journal import Journal


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run came to. `after` is None where nothing was judged again."""

    plan: Plan
    endings: tuple[CaseResult, ...]
    before: AuditResults
    journal: Journal
    after: AuditResults | None = None

    def verdict(self, endpoint: str, check: str) -> Verdict | None:
        """Return how a check ended, after the repair where it was judged again; None where it was not judged."""
        again = self.after.verdict(endpoint, check) if self.after else None
        return again or self.before.verdict(endpoint, check)

    def found(self, endpoint: str, check: str | None) -> Result | None:
        """Return what was found before the repair."""
        return _of(self.before, endpoint, check)

    def is_found_again(self, endpoint: str, check: str) -> bool:
        """Tell whether a finding was judged again after the repair, and is still one."""
        again = _of(self.after, endpoint, check) if self.after else None
        return again is not None and again.phase == "after" and again.verdict is Verdict.FAIL

    def has_looked_at(self, host: str) -> bool:
        """Tell whether a host was logged into and looked at, so that what is not found there is not there."""
        return self.before.is_complete and self.verdict(f"{host}/", "svc.unreachable") is Verdict.PASS


def _of(evidence: AuditResults, endpoint: str, check: str | None) -> Result | None:
    return next((one for one in evidence.by_endpoint.get(endpoint, ()) if one.check == check), None)


def host_of(endpoint: str) -> str:
    """Return the host an endpoint's id names: the label it was logged into by, else the name it was asked for."""
    head, slash, rest = endpoint.partition("/")
    if not slash or not head.endswith(":"):
        return head
    name, _, _ = rest.removeprefix("/").partition("+")
    return name.rpartition(":")[0].strip("[]") or name
