"""Rolls a repair back at the request of an administrator: switches to the version before the repair.

It decides which file sets can be restored. After a crash the rollback resumes with the same version.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from audit.text import format_utc, join_clauses, join_limited
from audit.x509.certificate import Certificate, read_certificate
from audit.x509.pem import certificates_in
from remediate.deployment.base import Inspection
from remediate.deployment.progress import Progress
from remediate.execution.case_context import CaseContext, NotFoundOnHost, SwitchGroup
from remediate.execution.context import RunContext
from remediate.execution.executor import cleanup_commands
from remediate.execution.steps import StepBlocked
from remediate.execution.steps.activate import service_down, settled_progress, switch_command
from remediate.execution.steps.base import query_result, require_success
from remediate.execution.steps.wire_check import leaves_of, served, silences
from remediate.hosts.command import Query
from remediate.model.case import EACH, SWITCHED, Case, Step, StepDetail, StepState
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.state.journal import CaseOutcome, Event

_AGAIN: Final = "It is not repaired again before a new finding, or: sslaudit repair resume --now {}"


@dataclass(frozen=True, slots=True)
class _Target:
    """A switch group and the version that is restored."""

    switch_group: SwitchGroup
    version: str


def rollback(case_id: str, run: RunContext) -> CaseResult:
    """Restore the versions before a case, one file set after another, and return the result.

    The caller holds the lock of the state directory. A file set that cannot be restored stays as the repair left it,
    and the result reports it; another call resumes. Raises NotFoundOnHost if the journal does not have the case.
    """
    case = run.journal.case(case_id)
    if case is None:
        raise NotFoundOnHost(f"the journal has no case {case_id}")
    if _has_switched_nothing(case, run):
        return _held(CaseContext(case, run), [])
    context, leaves, blocked = CaseContext(case, run), list[Certificate](), list[StepBlocked | NotFoundOnHost]()
    if context.host.is_logged_in and case.repair in SWITCHED:
        _release(context)
    try:
        _require_possible(context)
        targets = tuple(_targets(context))
    except (StepBlocked, NotFoundOnHost) as why:
        return _blocked(case, why)
    for target in targets:
        try:
            leaves.append(_restore(context, target))
        except (StepBlocked, NotFoundOnHost) as why:
            blocked.append(why)
    return _blocked(case, blocked[0]) if blocked else _ended(context, leaves)


def _has_switched_nothing(case: Case, run: RunContext) -> bool:
    """Return whether a case has ended before it changed a service, or its repair installs no files.

    There is nothing to restore then, and the case is not repaired again.
    """
    outcome, is_open = run.journal.outcome(case.id), _is_open(case, run)
    if case.is_compromised or not (is_open or (outcome and outcome.kind == "failed")):
        return False
    if case.repair not in SWITCHED:
        return True
    return not is_open and all(step.state in ("planned", "undone") for step in case.steps if step.kind in EACH)


def _is_open(case: Case, run: RunContext) -> bool:
    return any(unfinished.id == case.id for unfinished in run.journal.unfinished())


def _release(context: CaseContext) -> None:
    """Make the files of the case independent of earlier versions of this program; the rollback reports what fails."""
    queries = (deployment.release(context.workdir, context.case.id) for deployment in context.host.deployments)
    for query in dict.fromkeys(queries):
        context.execute(query.command)


def _require_possible(context: CaseContext) -> None:
    """Raise StepBlocked if there is no previous version, or if it must not be restored."""
    case, outcome = context.case, context.run.journal.outcome(context.case.id)
    if not context.host.is_logged_in:
        raise StepBlocked(Cause.HOST_UNREACHABLE, f"{case.host} cannot be logged into now", ended="interrupted")
    if case.repair not in SWITCHED:
        raise StepBlocked(
            Cause.ROLLBACK_NOTHING, f"a {case.repair} installs no new files, so there are no previous files to restore"
        )
    if case.is_compromised:
        raise StepBlocked(Cause.ROLLBACK_COMPROMISED, "the previous key is compromised, so it is never used again")
    if not _is_open(case, context.run) and outcome and outcome.kind != "repaired":
        raise StepBlocked(Cause.ROLLBACK_NOTHING, f"the case has ended as {outcome.kind} {format_utc(outcome.at)}")


def _targets(context: CaseContext) -> Iterator[_Target]:
    """Yield the file sets that the case has switched, with their previous versions; reverts a waiting switch first."""
    for switch_group in context.switch_groups:
        progress = settled_progress(context, switch_group)
        if progress.is_running and progress.last.state == "waiting":
            require_success(context, switch_group.deployment.revert(switch_group.file_set, progress.last.version))
            progress = settled_progress(context, switch_group)
        version = _intended_version(context, switch_group) or _previous_version(progress)
        if version:
            yield _Target(switch_group, version)


def _previous_version(progress: Progress) -> str | None:
    """Return the version before the one that was confirmed last; None if that version is in use already."""
    is_proven = progress.last.state == "confirmed" and progress.live == progress.proven == progress.last.version
    return progress.before if is_proven else None


def _intended_version(context: CaseContext, switch_group: SwitchGroup) -> str | None:
    """Return the version that an earlier attempt began to restore; None if there was no attempt."""
    names = {Step("reload", service).name for service in switch_group.services}
    events = (event for event in context.run.journal.events(context.case.id) if event.step in names)
    return next((event.detail.back_to for event in events if event.detail.back_to), None)


def _restore(context: CaseContext, target: _Target) -> Certificate:
    """Switch a file set back, verify its endpoints, and return its leaf; raises StepBlocked or NotFoundOnHost."""
    switch_group = target.switch_group
    leaf = _leaf(context, target)
    silent = {endpoint: silences(context, endpoint) for endpoint in switch_group.endpoints}
    for service in switch_group.services:
        intent = StepDetail(f"back to version {target.version}", back_to=target.version)
        _record(context, Step("reload", service), "intended", intent)
    try:
        if not _is_restored(settled_progress(context, switch_group), target.version):
            _start_switch(context, target)
            _confirm(context, target, leaf, silent)
    except (StepBlocked, NotFoundOnHost) as why:
        for service in switch_group.services:
            _record(context, Step("reload", service), "failed", StepDetail(str(why)))
        raise
    reloads = (Step("reload", service) for service in switch_group.services)
    proofs = (Step("proof", endpoint) for endpoint in switch_group.endpoints)
    for step in (*reloads, *proofs):
        _record(context, step, "undone", StepDetail(f"version {target.version} is in use again"))
    return leaf


def _is_restored(progress: Progress, version: str) -> bool:
    return progress.last.state == "confirmed" and progress.live == progress.proven == version


def _start_switch(context: CaseContext, target: _Target) -> None:
    """Start the switch and wait until every service has reloaded; files that another party replaced are not changed."""
    if changed := query_result(context, _inspection(target)).changed_paths:
        raise StepBlocked(
            Cause.ROLLBACK_CHANGED, f"another party has replaced {join_limited(changed)} since the repair"
        )
    require_success(context, switch_command(context, target.switch_group, target.version))
    progress = settled_progress(context, target.switch_group)
    last = progress.last
    if last.state != "waiting":
        if down := service_down(progress):
            raise down
        raise StepBlocked(
            Cause.ROLLBACK_FAILED, f"the switch is {last.state}: {last.detail or 'no reason was reported'}"
        )


def _confirm(context: CaseContext, target: _Target, leaf: Certificate, silent: dict[str, tuple[str, ...]]) -> None:
    """Confirm the switch once every endpoint responds as before with the old leaf; revert it at the timeout."""
    switch_group, faults = target.switch_group, list[str]()

    def is_well() -> bool:
        faults[:] = [fault for endpoint in switch_group.endpoints for fault in _faults(context, endpoint, leaf, silent)]
        return not faults

    is_verified = is_well() or context.wait_until(is_well, context.run.timeouts.proof_s)
    deployment = switch_group.deployment
    decide = deployment.confirm if is_verified else deployment.revert
    require_success(context, decide(switch_group.file_set, target.version))
    progress = settled_progress(context, switch_group)
    if not _is_restored(progress, target.version):
        if down := service_down(progress):
            raise down
        now = join_clauses([served(context, endpoint) for endpoint in switch_group.endpoints])
        why = join_clauses(faults) or progress.last.detail
        raise StepBlocked(Cause.ROLLBACK_FAILED, f"{why}; the switch is {progress.last.state}, now {now}")


def _faults(
    context: CaseContext, endpoint: str, leaf: Certificate, silent: dict[str, tuple[str, ...]]
) -> Iterator[str]:
    """Yield the addresses that no longer respond, and the leaves that are served instead of the old leaf."""
    yield from (fault for fault in silences(context, endpoint) if fault not in silent[endpoint])
    others = leaves_of(context, endpoint) - {leaf.sha256}
    if others:
        digests = join_limited([digest[:16] for digest in sorted(others)])
        yield f"{endpoint} serves another leaf than before the repair ({digests})"


def _inspection(target: _Target) -> Query[Inspection]:
    return target.switch_group.deployment.inspect(target.switch_group.file_set, target.version)


def _leaf(context: CaseContext, target: _Target) -> Certificate:
    """Return the leaf of the version that is restored; raises StepBlocked if the version is not kept."""
    certificates = certificates_in(query_result(context, _inspection(target)).leaf_pem)
    if not certificates:
        raise StepBlocked(
            Cause.ROLLBACK_NOTHING,
            f"version {target.version} is not on {context.case.host} any more, or it has no certificate",
        )
    return read_certificate(certificates[0])


def _record(context: CaseContext, step: Step, state: StepState, detail: StepDetail) -> None:
    """Record the new state of a step, if the step was ever begun and the journal does not have that state."""
    journal = context.run.journal
    events = reversed(journal.events(context.case.id))
    last = next((event.state for event in events if event.step == step.name), None)
    if last not in (None, state):
        journal.record(context.case.id, Event(step.name, state, context.now(), detail))
        context.run.on_step(context.case, step, state, detail.note)


def _ended(context: CaseContext, leaves: list[Certificate]) -> CaseResult:
    """End the case and return the result; if the case switched nothing, return that there is nothing to restore."""
    if not leaves and not _is_open(context.case, context.run):
        return _blocked(
            context.case,
            StepBlocked(
                Cause.ROLLBACK_NOTHING, "the repair is not in use, or its previous version is not kept any more"
            ),
        )
    for command in cleanup_commands(context):
        context.execute(command)  # the cleanup after the next success removes what remains
    return _held(context, leaves)


def _held(context: CaseContext, leaves: list[Certificate]) -> CaseResult:
    """Record that a person rolled the case back, so that it is not repaired again; return the result."""
    case = context.case
    note = f"{join_limited([str(leaf) for leaf in leaves])} again" if leaves else "nothing of the repair was in use"
    digest = leaves[0].sha256 if leaves else None
    context.run.journal.end(case.id, CaseOutcome("rolled-back", context.now(), digest, note))
    return CaseResult(case, "undone", cause=Cause.ROLLBACK_DONE, note=f"{note}. {_AGAIN.format(case.id)}")


def _blocked(case: Case, why: StepBlocked | NotFoundOnHost) -> CaseResult:
    if isinstance(why, NotFoundOnHost):
        return CaseResult(case, "failed", "", Cause.CASE_UNKNOWN, str(why))
    return CaseResult(case, why.ended, "", why.cause, str(why))
