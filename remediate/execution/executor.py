"""Runs one case: each step is recorded, checked, applied if it is not satisfied yet, checked again and recorded.

The steps are in `steps/`; scheduler.py selects the cases of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Final

from audit.text import join_clauses, join_limited
from remediate.execution.case_context import CaseContext, NotFoundOnHost, SwitchGroup
from remediate.execution.context import RunContext
from remediate.execution.placeholder import install_placeholders
from remediate.execution.steps import REPAIR_STEPS, Satisfied, StepBlocked
from remediate.execution.steps.activate import restored_after_crash, settled_progress
from remediate.execution.steps.authorizations import remove_challenges
from remediate.execution.steps.base import output_tail, require_host_clock, require_success
from remediate.execution.steps.self_test import withdraw
from remediate.execution.steps.wire_check import leaves_of
from remediate.hosts.command import Command
from remediate.hosts.workdir import BUSY
from remediate.model.case import (
    EACH,
    NOTHING_SEEN,
    STEPS,
    SWITCHED,
    UNKNOWN_SERVICE,
    VALIDATED,
    Case,
    Step,
    StepDetail,
    StepState,
)
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.pki.host_key import discard_key_command
from remediate.pki.issued_chain import lifetime_remark
from remediate.state.journal import CaseOutcome, Event

_REQUESTED: Final = ("collect", "renew")
"""The steps during which a CA requests the challenge file."""


def run_case(case: Case, run: RunContext) -> CaseResult:
    """Run the steps of a case until one is blocked. The next run resumes an unfinished case."""
    context = CaseContext(run.journal.begin(case, run.clock()), run)
    try:
        require_possible(context)
        common, *endpoint_phases = phases(context)
    except StepBlocked as why:
        return _result(context, "", why)
    except NotFoundOnHost as why:
        if restored := restored_after_crash(context):
            return CaseResult(context.case, "interrupted", "", Cause.INSTALL_INTERRUPTED, restored)
        return _end_outdated(context, _result(context, "", why))
    blocked = _run_phase(context, common)
    if blocked is not None:
        return _end_unchanged(context, _with_placeholders(context, blocked))
    failures = [result for phase in endpoint_phases if (result := _run_phase(context, phase))]
    return failures[0] if failures else _finish(context)


def needs_issuer(case: Case) -> bool:
    """Return whether a step of the case still sends requests to the issuer."""
    return case.repair in VALIDATED and any(step.kind == "collect" and step.state != "done" for step in case.steps)


def require_possible(context: CaseContext) -> None:
    """Raise StepBlocked or NotFoundOnHost if the repair cannot be made, or if the host's clock is wrong."""
    if not context.host.is_logged_in:
        raise StepBlocked(Cause.HOST_UNREACHABLE, f"{context.case.host} cannot be logged into now", ended="interrupted")
    if unknown := {step.kind for step in context.case.steps} - REPAIR_STEPS.get(context.case.repair, {}).keys():
        raise NotFoundOnHost(
            f"this repair ({context.case.repair}) cannot be made: unknown steps {', '.join(sorted(unknown))}"
        )
    require_host_clock(context)


def phases(context: CaseContext) -> tuple[tuple[Step, ...], ...]:
    """Return the steps in phases: first those of the whole case, then one phase per group of services that share files.

    Raises NotFoundOnHost if a step belongs to no phase, because it would never be run.
    """
    steps, endpoints = context.case.steps, context.case.endpoints
    phases = [tuple(step for step in steps if step.kind not in EACH)]
    for services in context.together:
        subjects = {*services, *(endpoint for endpoint in endpoints if context.serves(endpoint) in services)}
        phases.append(tuple(step for step in steps if step.kind in EACH and step.subject in subjects))
    if unassigned := {step.name for step in steps}.difference(step.name for phase in phases for step in phase):
        raise NotFoundOnHost(
            f"the services have changed; no service was found for these steps: {', '.join(sorted(unassigned))}"
        )
    return tuple(phases)


def _run_phase(context: CaseContext, phase: tuple[Step, ...]) -> CaseResult | None:
    """Run the steps of a phase, unless all of them are done; return the result if a step was blocked.

    Done steps are checked again, because the host may have reverted them in the meantime.
    """
    if all(step.state == "done" for step in phase if not _is_optional(context, step)):
        return None
    for number, step in enumerate(phase):
        try:
            _run_step(context, step)
        except (StepBlocked, NotFoundOnHost) as why:
            if _is_optional(context, step) and (isinstance(why, NotFoundOnHost) or why.ended == "failed"):
                continue
            if isinstance(why, StepBlocked) and why.went_back:
                _record_reverted(context, phase[:number])
            return _result(context, step.name, why)
    return None


def _is_optional(context: CaseContext, step: Step) -> bool:
    """Return whether a step is not part of the repair itself; its failure is reported and does not stop the case."""
    return step.kind not in STEPS[context.case.repair]


def _run_step(context: CaseContext, step: Step) -> None:
    """Run one step; raises StepBlocked or NotFoundOnHost after recording it."""
    _record(context, step, "uncertain" if step.state == "intended" else "intended")
    try:
        satisfied = _satisfy(context, step)
    except (StepBlocked, NotFoundOnHost) as why:
        is_failure = isinstance(why, NotFoundOnHost) or why.ended == "failed"
        detail = why.detail if isinstance(why, StepBlocked) else StepDetail(str(why))
        _record(context, step, "failed" if is_failure else "uncertain", detail)
        raise
    _record(context, step, "done", satisfied)


def _satisfy(context: CaseContext, step: Step) -> Satisfied:
    """Check a step, apply it if it is not satisfied, and check again."""
    repair_step = REPAIR_STEPS[context.case.repair][step.kind]
    satisfied = repair_step.check(context, step.subject)
    if satisfied is None:
        _record(context, step, "intended")
        repair_step.apply(context, step.subject)
        satisfied = repair_step.check(context, step.subject)
    if satisfied is None:
        raise StepBlocked(Cause.STEP_NO_EFFECT, f"{step.name}: it was applied and is still not satisfied")
    return satisfied


def _record(context: CaseContext, step: Step, state: StepState, detail: StepDetail = NOTHING_SEEN) -> None:
    """Record the new state and detail of a step, unless the journal has them already."""
    journal = context.run.journal
    events = (event for event in reversed(journal.events(context.case.id)) if event.step == step.name)
    last = next(events, Event(step.name, "planned", context.now()))
    if last.state != state or detail not in (NOTHING_SEEN, last.detail):
        journal.record(context.case.id, Event(step.name, state, context.now(), detail))
        context.run.on_step(context.case, step, state, detail.note)


def _record_reverted(context: CaseContext, steps: tuple[Step, ...]) -> None:
    """Record that services use their previous files again."""
    for step in steps:
        if step.kind == "reload":
            _record(context, step, "undone")


def _with_placeholders(context: CaseContext, result: CaseResult) -> CaseResult:
    """Let the panel install placeholders if no certificate was issued, and add their results to the note."""
    if result.ended_as not in ("failed", "pending"):
        return result
    return replace(result, note="\n".join((result.note, *install_placeholders(context))))


def _end_unchanged(context: CaseContext, result: CaseResult) -> CaseResult:
    """End a case that failed before any service was changed. The next run plans it again and reuses key and order."""
    if result.ended_as != "failed":
        return result
    leftovers = (*(withdraw(context) if context.csr is not None else ()), *remove_challenges(context))
    note = join_clauses((result.note, *(f"left behind: {leftover}" for leftover in leftovers)))
    context.run.journal.end(context.case.id, CaseOutcome("failed", context.now(), note=note))
    return replace(result, note=note)


def _end_outdated(context: CaseContext, result: CaseResult) -> CaseResult:
    """End a case that cannot be run as planned. The next run plans it again; a waiting switch reverts itself.

    A case with a compromised key stays open, because its old key is destroyed only when the case is finished.
    """
    return result if context.case.is_compromised else _end_unchanged(context, result)


def _finish(context: CaseContext) -> CaseResult:
    """Destroy the keys that must not stay on the host, remove old versions, and end the case."""
    case, journal = replace(context.case, left_out=tuple(_still_outdated(context))), context.run.journal
    try:
        for command in destruction_commands(
            context, lambda switch_group: settled_progress(context, switch_group).before
        ):
            require_success(context, command)
    except StepBlocked as why:
        return _result(context, "", why)
    cleanups = (context.execute(command) for command in cleanup_commands(context))
    failures = (cleanup for cleanup in cleanups if not cleanup.ok and cleanup.status != BUSY)
    notes = (
        *filter(None, [_lifetime_remark(context)]),
        *_left_out_notes(case.left_out),
        *_skipped_steps(context),
        *(f"some old versions could not be removed: {output_tail(failure)}" for failure in failures),
    )
    journal.end(case.id, CaseOutcome("repaired", context.now(), _installed_leaf(context), join_clauses(notes)))
    return CaseResult(case, "proven", note="\n".join(filter(None, (join_clauses(notes), *_request_lines(context)))))


def _lifetime_remark(context: CaseContext) -> str | None:
    """Return what to report about the lifetime of the certificate that was ordered; None if it was as ordered."""
    if context.installable is None or context.case.repair not in VALIDATED:
        return None
    return lifetime_remark(context.installable.leaf, context.issuer.promised_lifetime, context.issuer.name)


def _still_outdated(context: CaseContext) -> Iterator[str]:
    """Yield the endpoints of unknown services that serve the certificate of before, or may serve it."""
    for endpoint in context.case.left_out:
        with suppress(NotFoundOnHost, StepBlocked):
            leaves = leaves_of(context, endpoint)
            if leaves and not leaves & context.case.replaced:
                continue
        yield endpoint


def _left_out_notes(left_out: tuple[str, ...]) -> Iterator[str]:
    if left_out:
        verb = "serves" if len(left_out) == 1 else "serve"
        yield f"{join_limited(left_out)} still {verb} the certificate of before: {UNKNOWN_SERVICE}"


def _installed_leaf(context: CaseContext) -> str | None:
    """Return the SHA-256 of the leaf that was installed; None if nothing was installed."""
    details = (event.detail for event in context.run.journal.events(context.case.id) if event.state == "done")
    leaves = [detail.leaf_sha256 for detail in details if detail.leaf_sha256]
    return leaves[-1] if leaves else None


def _request_lines(context: CaseContext) -> tuple[str, ...]:
    """Return the lines about requests for the challenge file with which the installed certificate was issued."""
    events = (event for event in context.run.journal.events(context.case.id) if event.state == "done")
    lines = [event.detail.request_lines for event in events if event.step in _REQUESTED]
    return lines[-1] if lines else ()


def _skipped_steps(context: CaseContext) -> Iterator[str]:
    """Yield why each optional step that was not done failed."""
    last = {event.step: event for event in context.run.journal.events(context.case.id)}
    for step in context.case.steps:
        event = last.get(step.name)
        if _is_optional(context, step) and event and event.state != "done":
            yield f"{step.name}: {event.note}"


def cleanup_commands(context: CaseContext) -> Iterator[Command]:
    """Yield the commands that remove versions that no rollback needs, and links of earlier versions of this program."""
    if context.case.repair in SWITCHED:
        others = [case.id for case in context.run.journal.unfinished() if case.id != context.case.id]
        deployments = context.host.deployments
        yield from dict.fromkeys(deployment.prune(context.workdir, others) for deployment in deployments)


def destruction_commands(context: CaseContext, before: Callable[[SwitchGroup], str | None]) -> Iterator[Command]:
    """Yield the commands that destroy a compromised old key and the pending copy of the installed new key.

    `before` returns the version that a file set had before the repair.
    """
    if context.case.repair not in VALIDATED:
        return
    for switch_group in context.switch_groups if context.case.is_compromised else ():
        version = before(switch_group)
        if version is not None:
            yield switch_group.deployment.destroy_keys(switch_group.file_set, version)
    yield discard_key_command(context.workdir)


def _result(context: CaseContext, step: str, why: StepBlocked | NotFoundOnHost) -> CaseResult:
    if isinstance(why, NotFoundOnHost):
        return CaseResult(context.case, "failed", step, Cause.CASE_UNKNOWN, str(why))
    return CaseResult(context.case, why.ended, step, why.cause, str(why), why.retry_after_s, finding=why.finding)
