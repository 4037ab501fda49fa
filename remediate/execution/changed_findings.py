"""Looks again at the pre-check for which a case waits: if it finds something else now, the case is tried at once.

Pre-checks are the preconditions and the self-test of the validation. They change nothing but the challenge file, which
is removed again. A Retry-After of an issuer, `max_cases` and the locks still hold.
"""

from __future__ import annotations

from typing import Final

from audit.text import join_clauses, one_line
from remediate.execution.case_context import CaseContext, NotFoundOnHost
from remediate.execution.context import RunContext
from remediate.execution.due import own_wait, postponed
from remediate.execution.executor import require_possible
from remediate.execution.steps import REPAIR_STEPS, Satisfied, StepBlocked
from remediate.execution.steps.key import waiting_request
from remediate.execution.steps.self_test import withdraw
from remediate.model.case import Case, Step, StepKind
from remediate.model.outcome import Attempt

_PRE_CHECKS: Final[tuple[StepKind, ...]] = ("preconditions", "self-test")


def has_changed_finding(case: Case, run: RunContext) -> bool:
    """Return whether the pre-check that failed last finds something else now, or nothing, and announce it."""
    last = own_wait(case, run)
    step = _pre_check(case, last) if last else None
    if last is None or step is None or postponed(case, run, is_lifted=True) is not None:
        return False
    found = _finding(CaseContext(case, run), step.kind)
    if found is None or (isinstance(found, StepBlocked) and _is_same(found, last)):
        return False
    now = f"finds {found.cause}: {_first_line(found)}" if isinstance(found, StepBlocked) else "finds nothing"
    before = f"before, it found {last.cause}" if last.cause else "before, it failed"
    run.announce(f"{case.host}, case {case.id}: {step.kind} {now} ({before}), so the case does not wait any longer")
    return True


def _pre_check(case: Case, last: Attempt) -> Step | None:
    """Return the pre-check with which an attempt failed; None if it failed otherwise."""
    if last.ended != "failed" or last.issuer:
        return None
    return next((step for step in case.steps if step.name == last.step and step.kind in _PRE_CHECKS), None)


def _finding(context: CaseContext, kind: StepKind) -> StepBlocked | Satisfied | None:
    """Return the present result of a pre-check; None if it could not be looked at without making a key."""
    step = REPAIR_STEPS[context.case.repair][kind]
    try:
        require_possible(context)
        if kind == "self-test" and waiting_request(context) is None:
            return None
        satisfied = step.check(context, "")
        if satisfied is None and kind == "self-test":
            step.apply(context, "")
            satisfied = step.check(context, "")
    except StepBlocked as blocked:
        return blocked if blocked.ended == "failed" else None
    except NotFoundOnHost:
        return None
    finally:
        _clean_up(context)
    return satisfied


def _clean_up(context: CaseContext) -> None:
    """Remove the challenge file, if one may have been placed."""
    if context.csr is not None and (left := withdraw(context)):
        context.log(f"case {context.case.id}: left behind: {join_clauses(left)}")


def _is_same(found: StepBlocked, last: Attempt) -> bool:
    return found.cause is last.cause and last.finding in ("", found.finding)


def _first_line(found: StepBlocked) -> str:
    return one_line(next(iter(str(found).splitlines()), ""), 200)
