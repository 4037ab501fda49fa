"""The walk through one case: the intent is recorded, the world looked at, acted on and looked at again, and recorded.

It knows phases and states; it refuses to know how a step is taken and what other cases there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from audit.text import sentence
from remediate.deployment.versions import destroy_keys, prune
from remediate.execution.case_context import CaseContext, NotFoundOnHost, SwitchGroup
from remediate.execution.context import RunContext
from remediate.execution.placeholder import keep_up
from remediate.execution.steps import REPAIR_STEPS, Satisfied, StepBlocked
from remediate.execution.steps.activate import settled
from remediate.execution.steps.base import done, said
from remediate.execution.steps.clock_skew import require_host_clock
from remediate.execution.steps.self_test import withdraw
from remediate.hosts.command import Command
from remediate.hosts.workdir import BUSY
from remediate.model.case import EACH, NOTHING_SEEN, STEPS, SWITCHED, VALIDATED, Case, Step, StepDetail, StepState
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.pki.host_key import discard_key_command
from remediate.state.journal import CaseOutcome, Event

_VISITED: Final = ("collect", "renew")
"""The steps at which a CA comes for its file."""


def run_case(case: Case, run: RunContext) -> CaseResult:
    """Take a case as far as it goes. What is not done is taken up again by the next run."""
    context = CaseContext(run.journal.begin(case, run.clock()), run)
    try:
        require_possible(context)
        common, *each = phases(context)
    except StepBlocked as why:
        return _ending(context, "", why)
    except NotFoundOnHost as why:
        return _not_as_begun(context, _ending(context, "", why))
    before = _walk_phase(context, common)
    if before is not None:
        return _before_installing(context, _kept_up(context, before))
    stuck = [ending for phase in each if (ending := _walk_phase(context, phase))]
    return stuck[0] if stuck else _finish(context)


def asks_issuer(case: Case) -> bool:
    """Whether the issuer still has to be asked for something."""
    return case.repair in VALIDATED and any(step.kind == "collect" and step.state != "done" for step in case.steps)


def require_possible(context: CaseContext) -> None:
    """Raise Stuck or Unknown for a repair that cannot be made, and for a host whose clock contradicts ours."""
    if not context.host.is_logged_in:
        raise StepBlocked(Cause.HOST_UNREACHABLE, f"{context.case.host} cannot be logged into now", ended="interrupted")
    if unknown := {step.kind for step in context.case.steps} - REPAIR_STEPS.get(context.case.repair, {}).keys():
        raise NotFoundOnHost(
            f"this repair ({context.case.repair}) cannot be made: nobody knows how to {', '.join(sorted(unknown))}"
        )
    require_host_clock(context)


def phases(context: CaseContext) -> tuple[tuple[Step, ...], ...]:
    """Return what is walked whole or not at all: what is for the whole case, then the services by what they share.

    Raises Unknown where a step is nobody's: it would never be taken.
    """
    steps, endpoints = context.case.steps, context.case.endpoints
    phases = [tuple(step for step in steps if step.kind not in EACH)]
    for services in context.together:
        mine = {*services, *(one for one in endpoints if context.serves(one) in services)}
        phases.append(tuple(step for step in steps if step.kind in EACH and step.subject in mine))
    if left := {step.name for step in steps}.difference(step.name for phase in phases for step in phase):
        raise NotFoundOnHost(f"another service than before answers now: {', '.join(sorted(left))}")
    return tuple(phases)


def _walk_phase(context: CaseContext, phase: tuple[Step, ...]) -> CaseResult | None:
    """Take the steps of a phase of which any is not done; return why it could not be walked to its end.

    All of them are looked at then: what an earlier run did may have been taken back by the host since.
    """
    if all(step.state == "done" for step in phase if not _is_beside(context, step)):
        return None
    for number, step in enumerate(phase):
        try:
            _take(context, step)
        except (StepBlocked, NotFoundOnHost) as why:
            if _is_beside(context, step) and (isinstance(why, NotFoundOnHost) or why.ended == "failed"):
                continue
            if isinstance(why, StepBlocked) and why.went_back:
                _undo(context, phase[:number])
            return _ending(context, step.name, why)
    return None


def _is_beside(context: CaseContext, step: Step) -> bool:
    """Tell whether a step is no part of the repair itself: where it fails, that holds nothing up, and is told."""
    return step.kind not in STEPS[context.case.repair]


def _take(context: CaseContext, step: Step) -> None:
    """Take one step; raises Stuck or Unknown once that is recorded."""
    _record(context, step, "uncertain" if step.state == "intended" else "intended")
    try:
        so = _made_so(context, step)
    except (StepBlocked, NotFoundOnHost) as why:
        is_failure = isinstance(why, NotFoundOnHost) or why.ended == "failed"
        detail = why.detail if isinstance(why, StepBlocked) else StepDetail(str(why))
        _record(context, step, "failed" if is_failure else "uncertain", detail)
        raise
    _record(context, step, "done", so)


def _made_so(context: CaseContext, step: Step) -> Satisfied:
    """Look, act where it is not so yet, and look again."""
    repair_step = REPAIR_STEPS[context.case.repair][step.kind]
    so = repair_step.check(context, step.subject)
    if so is None:
        _record(context, step, "intended")
        repair_step.apply(context, step.subject)
        so = repair_step.check(context, step.subject)
    if so is None:
        raise StepBlocked(Cause.STEP_NO_EFFECT, f"{step.name}: what was done had no effect")
    return so


def _record(context: CaseContext, step: Step, state: StepState, detail: StepDetail = NOTHING_SEEN) -> None:
    """Record what a step became, and what was seen then, unless that is on record already."""
    journal = context.run.journal
    events = (event for event in reversed(journal.events(context.case.id)) if event.step == step.name)
    last = next(events, Event(step.name, "planned", context.now()))
    if last.state != state or detail not in (NOTHING_SEEN, last.detail):
        journal.record(context.case.id, Event(step.name, state, context.now(), detail))
        context.run.on_step(context.case, step, state, detail.note)


def _undo(context: CaseContext, steps: tuple[Step, ...]) -> None:
    """Record that services use what they did before."""
    for step in steps:
        if step.kind == "reload":
            _record(context, step, "undone")


def _kept_up(context: CaseContext, ending: CaseResult) -> CaseResult:
    """Have a panel keep its services up where no certificate was had, and say so: the ending is the same."""
    if ending.kind not in ("failed", "pending"):
        return ending
    return replace(ending, note="\n".join((ending.note, *keep_up(context))))


def _before_installing(context: CaseContext, ending: CaseResult) -> CaseResult:
    """End a case that failed before a service was touched: the next run decides anew, and finds key and order again."""
    if ending.kind != "failed":
        return ending
    left = withdraw(context) if context.csr is not None else ()
    note = sentence((ending.note, *(f"left behind: {one}" for one in left)))
    context.run.journal.end(context.case.id, CaseOutcome("failed", context.now(), note=note))
    return replace(ending, note=note)


def _not_as_begun(context: CaseContext, ending: CaseResult) -> CaseResult:
    """End a case that cannot be walked as it was decided: the next run decides anew, and what waits here goes back.

    But not where the old key is known to others: it is destroyed when the case has come to its end, and not before.
    """
    return ending if context.case.is_compromised else _before_installing(context, ending)


def _finish(context: CaseContext) -> CaseResult:
    """Destroy what must not stay on the host, throw away what is not needed any more, and end the case."""
    case, journal = context.case, context.run.journal
    try:
        for command in destroying(context, lambda one: settled(context, one).before):
            done(context, command)
    except StepBlocked as why:
        return _ending(context, "", why)
    done_with = (context.execute(command) for command in tidying(context))
    left = (result for result in done_with if not result.ok and result.status != BUSY)
    notes = (*_untaken(context), *(f"not all that is old could be thrown away: {said(result)}" for result in left))
    journal.end(case.id, CaseOutcome("repaired", context.now(), _leaf(context), sentence(notes)))
    return CaseResult(case, "proven", note="\n".join(filter(None, (sentence(notes), *_visits(context)))))


def _leaf(context: CaseContext) -> str | None:
    """Return the leaf that was installed, None where none was."""
    done_so = (event.detail for event in context.run.journal.events(context.case.id) if event.state == "done")
    leaves = [detail.leaf_sha256 for detail in done_so if detail.leaf_sha256]
    return leaves[-1] if leaves else None


def _visits(context: CaseContext) -> tuple[str, ...]:
    """Return who came for the proof of what is installed, a line each: in this run, or in an earlier one."""
    done_so = (event for event in context.run.journal.events(context.case.id) if event.state == "done")
    visits = [event.detail.request_lines for event in done_so if event.step in _VISITED]
    return visits[-1] if visits else ()


def _untaken(context: CaseContext) -> Iterator[str]:
    """Yield why a step beside the repair was not taken."""
    last = {event.step: event for event in context.run.journal.events(context.case.id)}
    for step in context.case.steps:
        event = last.get(step.name)
        if _is_beside(context, step) and event and event.state != "done":
            yield f"{step.name}: {event.note}"


def tidying(context: CaseContext) -> Iterator[Command]:
    """Yield what removes links of earlier versions of this program, and versions that no way back needs."""
    if context.case.repair in SWITCHED:
        others = (case.id for case in context.run.journal.unfinished() if case.id != context.case.id)
        yield prune(context.workdir, others)


def destroying(context: CaseContext, before: Callable[[SwitchGroup], str | None]) -> Iterator[Command]:
    """Yield what destroys the pending key, which is installed now, and an old one that others know.

    `before` tells which version some files were of before the repair.
    """
    if context.case.repair not in VALIDATED:
        return
    for one in context.switch_groups if context.case.is_compromised else ():
        version = before(one)
        if version is not None:
            yield destroy_keys(one.file_set, version)
    yield discard_key_command(context.workdir)


def _ending(context: CaseContext, step: str, why: StepBlocked | NotFoundOnHost) -> CaseResult:
    if isinstance(why, NotFoundOnHost):
        return CaseResult(context.case, "failed", step, Cause.CASE_UNKNOWN, str(why))
    return CaseResult(context.case, why.ended, step, why.cause, str(why), why.retry_after_s)
