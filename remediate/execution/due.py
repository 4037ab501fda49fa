"""Decides whether a case is due: it waits after a failure, for its issuer, or because a person rolled it back."""

from __future__ import annotations

from audit.text import format_utc
from remediate.execution.context import RunContext
from remediate.execution.executor import needs_issuer
from remediate.model.case import Case
from remediate.model.causes import Cause
from remediate.model.outcome import Attempt, CaseResult


def postponed(case: Case, run: RunContext, *, is_lifted: bool = False) -> CaseResult | None:
    """Return why a case is not run now; None if it is due.

    Repairs are disabled on its host or on another host of its names, a person rolled it back, it failed recently, or
    its issuer requested a later retry. A person may lift the second and the third (`run.early`), and a pre-check that
    finds something else the third (`is_lifted`).
    """
    hosts = (case.host, *(host for validation in case.validated_on for host in validation.hosts))
    excluded = next((f"{host}: {why}" for host in hosts if (why := run.host(host).excluded)), None)
    if excluded:
        return CaseResult(case, "waiting", cause=Cause.HOST_SWITCHED_OFF, note=excluded)
    if case.id != run.early.case_id and (rolled_back := held_since(case, run)):
        return CaseResult(case, "waiting", cause=Cause.ROLLBACK_HELD, note=rolled_back)
    last = own_wait(case, run)
    if last is not None and not is_lifted and not run.early.include(case.id):
        why = ": ".join(filter(None, (last.cause, last.note)))
        note = f"not tried again before {format_utc(last.next_at)}: {why}" if last.next_at else why
        return CaseResult(case, "waiting", last.step, Cause.RUN_NOT_DUE, note, next_at=last.next_at)
    busy = run.journal.attempts.busy_until(run.issuer.name)
    if busy is not None and busy > run.clock() and needs_issuer(case):
        note = f"{run.issuer.name} requests a retry after {format_utc(busy)}"
        return CaseResult(case, "waiting", "", Cause.ISSUER_BUSY, note, next_at=busy)
    return None


def own_wait(case: Case, run: RunContext) -> Attempt | None:
    """Return the last attempt of a case if its waiting time has not ended; None if it has, or if there was none."""
    last = next(reversed(run.journal.attempts.of_case(case.id)), None)
    return last if last is not None and last.next_at is not None and last.next_at > run.clock() else None


def held_since(case: Case, run: RunContext) -> str | None:
    """Return that a person rolled a case back; None if the finding is a new one, or about another certificate."""
    journal = run.journal
    outcome, rolled_back = journal.outcome(case.id), journal.case(case.id)
    if outcome is None or rolled_back is None or not outcome.holds:
        return None
    is_new = {reason.key for reason in case.reasons} - {reason.key for reason in rolled_back.reasons}
    is_begun = any(unfinished.id == case.id for unfinished in journal.unfinished())
    if is_new or is_begun or case.replaced != rolled_back.replaced:
        return None
    return f"rolled back at {format_utc(outcome.at)}: not repaired again before a new finding, or {resume_now(case.id)}"


def resume_now(case_id: str) -> str:
    """Return the command that tries a case again now."""
    return f"sslaudit repair resume --now {case_id}"
