"""Rolls a repair back when an administrator asks for it: a switch to the version before the repair.

It decides which files can go back. After a crash the rollback resumes towards the same version.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from audit.text import listing, moment, sentence
from audit.x509.certificate import Certificate, read_certificate
from audit.x509.pem import certificates_in
from remediate.deployment.release import release_command
from remediate.deployment.switch import Progress, confirm, revert, start
from remediate.deployment.versions import externally_changed, leaf_of
from remediate.execution.case_context import CaseContext, NotFoundOnHost, SwitchGroup
from remediate.execution.context import RunContext
from remediate.execution.executor import cleanup_commands
from remediate.execution.steps import StepBlocked
from remediate.execution.steps.activate import service_down, settled_progress
from remediate.execution.steps.base import interruption, require_success
from remediate.execution.steps.wire_check import leaves_of, served, silences
from remediate.model.case import SWITCHED, Case, Step, StepDetail, StepState
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.state.journal import CaseOutcome, Event


@dataclass(frozen=True, slots=True)
class _Target:
    """A set of files and the version that it goes back to."""

    files: SwitchGroup
    version: str


def rollback(case_id: str, run: RunContext) -> CaseResult:
    """Take a case back to the versions before it, one file set after another, and return the result.

    The caller holds the lock of the state directory. A file set that cannot go back stays as the repair left it, and
    the result says so; another call resumes. Raises NotFoundOnHost if the journal has no such case.
    """
    case = run.journal.case(case_id)
    if case is None:
        raise NotFoundOnHost(f"the journal has no case {case_id}")
    context, leaves, blocked = CaseContext(case, run), list[Certificate](), list[StepBlocked | NotFoundOnHost]()
    if context.host.is_logged_in and case.repair in SWITCHED:
        context.execute(release_command(context.workdir, case.id))  # links of earlier versions of this program
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


def _require_possible(context: CaseContext) -> None:
    """Raise StepBlocked if there is nothing to go back to, or if going back is not allowed."""
    case, outcome = context.case, context.run.journal.outcome(context.case.id)
    if not context.host.is_logged_in:
        raise StepBlocked(Cause.HOST_UNREACHABLE, f"{case.host} cannot be logged into now", ended="interrupted")
    if case.repair not in SWITCHED:
        raise StepBlocked(
            Cause.ROLLBACK_NOTHING, f"a {case.repair} installs no new files, so there are no old ones to go back to"
        )
    if case.is_compromised:
        raise StepBlocked(Cause.ROLLBACK_COMPROMISED, "the previous key is compromised, so it is never used again")
    is_open = any(one.id == case.id for one in context.run.journal.unfinished())
    if not is_open and outcome and outcome.kind != "repaired":
        raise StepBlocked(Cause.ROLLBACK_NOTHING, f"the case has ended as {outcome.kind} {moment(outcome.at)}")


def _targets(context: CaseContext) -> Iterator[_Target]:
    """Yield the file sets that the case has switched, with their previous versions; reverts a waiting switch first."""
    for one in context.switch_groups:
        progress = settled_progress(context, one)
        if progress.is_running and progress.last.state == "waiting":
            require_success(context, revert(one.file_set, progress.last.version))
            progress = settled_progress(context, one)
        version = _intended_version(context, one) or _previous_version(progress)
        if version:
            yield _Target(one, version)


def _previous_version(progress: Progress) -> str | None:
    """Return the version before the one that was confirmed last; None if that version is in use already."""
    is_proven = progress.last.state == "confirmed" and progress.live == progress.proven == progress.last.version
    return progress.before if is_proven else None


def _intended_version(context: CaseContext, one: SwitchGroup) -> str | None:
    """Return the version that an earlier attempt was to restore: after a crash it is the same."""
    names = {Step("reload", service).name for service in one.services}
    events = (event for event in context.run.journal.events(context.case.id) if event.step in names)
    return next((event.detail.back_to for event in events if event.detail.back_to), None)


def _restore(context: CaseContext, target: _Target) -> Certificate:
    """Switch a file set back, verify its endpoints, and return its leaf; raises StepBlocked or NotFoundOnHost."""
    one = target.files
    leaf = _leaf(context, target)
    silent = {endpoint: silences(context, endpoint) for endpoint in one.endpoints}
    for service in one.services:
        intent = StepDetail(f"back to version {target.version}", back_to=target.version)
        _record(context, Step("reload", service), "intended", intent)
    try:
        if not _is_back(settled_progress(context, one), target.version):
            _start_switch(context, target)
            _confirm(context, target, leaf, silent)
    except (StepBlocked, NotFoundOnHost) as why:
        for service in one.services:
            _record(context, Step("reload", service), "failed", StepDetail(str(why)))
        raise
    taken = [Step("reload", service) for service in one.services] + [Step("proof", each) for each in one.endpoints]
    for step in taken:
        _record(context, step, "undone", StepDetail(f"version {target.version} is in use again"))
    return leaf


def _is_back(progress: Progress, version: str) -> bool:
    return progress.last.state == "confirmed" and progress.live == progress.proven == version


def _start_switch(context: CaseContext, target: _Target) -> None:
    """Start the switch and wait until every service has reloaded; files that another party replaced are not touched."""
    one = target.files
    changed = [path for path in require_success(context, externally_changed(one.file_set)).output.splitlines() if path]
    if changed:
        raise StepBlocked(Cause.ROLLBACK_CHANGED, f"another party has replaced {listing(changed)} since the repair")
    services = [context.installer(service) for service in one.services]
    require_success(
        context, start(one.file_set, services, target.version, confirm_within_s=context.run.timeouts.confirmation_s)
    )
    progress = settled_progress(context, one)
    last = progress.last
    if last.state != "waiting":
        if down := service_down(progress):
            raise down
        raise StepBlocked(
            Cause.ROLLBACK_FAILED, f"the switch is {last.state}: {last.detail or 'nothing more is known'}"
        )


def _confirm(context: CaseContext, target: _Target, leaf: Certificate, silent: dict[str, tuple[str, ...]]) -> None:
    """Confirm the switch once every endpoint answers as before and serves the old leaf; else revert it."""
    one, faults = target.files, list[str]()

    def is_well() -> bool:
        faults[:] = [fault for endpoint in one.endpoints for fault in _faults(context, endpoint, leaf, silent)]
        return not faults

    well = is_well() or context.wait_until(is_well, context.run.timeouts.proof_s)
    answer = confirm if well else revert
    require_success(context, answer(one.file_set, target.version))
    progress = settled_progress(context, one)
    if not _is_back(progress, target.version):
        if down := service_down(progress):
            raise down
        now = sentence([served(context, endpoint) for endpoint in one.endpoints])
        why = sentence(faults) or progress.last.detail
        raise StepBlocked(Cause.ROLLBACK_FAILED, f"{why}; the switch is {progress.last.state}, now {now}")


def _faults(
    context: CaseContext, endpoint: str, leaf: Certificate, silent: dict[str, tuple[str, ...]]
) -> Iterator[str]:
    """Yield the addresses that answered before and do not now, and the leaves served other than the old one."""
    yield from (fault for fault in silences(context, endpoint) if fault not in silent[endpoint])
    others = leaves_of(context, endpoint) - {leaf.sha256}
    if others:
        yield f"{endpoint} serves another leaf than before the repair ({listing([one[:16] for one in sorted(others)])})"


def _leaf(context: CaseContext, target: _Target) -> Certificate:
    result = context.execute(leaf_of(target.files.file_set, target.version))
    found = certificates_in(result.output) if result.ok else ()
    if result.status is None:
        raise interruption(context, result)
    if not found:
        raise StepBlocked(
            Cause.ROLLBACK_NOTHING,
            f"version {target.version} is not on {context.case.host} any more, or no certificate was there before",
        )
    return read_certificate(found[0])


def _record(context: CaseContext, step: Step, state: StepState, detail: StepDetail) -> None:
    """Record the new state of a step, if the step was ever begun and the journal does not have that state."""
    journal = context.run.journal
    last = next((one.state for one in reversed(journal.events(context.case.id)) if one.step == step.name), None)
    if last not in (None, state):
        journal.record(context.case.id, Event(step.name, state, context.now(), detail))
        context.run.on_step(context.case, step, state, detail.note)


def _ended(context: CaseContext, leaves: list[Certificate]) -> CaseResult:
    """End the case, or return that it had switched nothing."""
    case, is_open = context.case, any(one.id == context.case.id for one in context.run.journal.unfinished())
    if not leaves and not is_open:
        return _blocked(
            case,
            StepBlocked(
                Cause.ROLLBACK_NOTHING, "the repair is not in use, or its previous version is not kept any more"
            ),
        )
    for command in cleanup_commands(context):
        context.execute(command)  # what it leaves is removed after the next success
    note = f"{listing([str(one) for one in leaves])} again" if leaves else "nothing of the repair was in use"
    leaf = leaves[0].sha256 if leaves else None
    context.run.journal.end(case.id, CaseOutcome("rolled-back", context.now(), leaf, note))
    todo = "The next run repairs the finding again, unless it is waived or the host is excluded"
    return CaseResult(case, "undone", cause=Cause.ROLLBACK_DONE, note=f"{note}. {todo}")


def _blocked(case: Case, why: StepBlocked | NotFoundOnHost) -> CaseResult:
    if isinstance(why, NotFoundOnHost):
        return CaseResult(case, "failed", "", Cause.CASE_UNKNOWN, str(why))
    return CaseResult(case, why.ended, "", why.cause, str(why))
