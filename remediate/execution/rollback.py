"""The way back from a repair, where an administrator wants it: the version before it is switched to like any other.

It knows which files can go back and which never must; how a switch is done is known elsewhere.
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
from remediate.execution.executor import tidying
from remediate.execution.steps import StepBlocked
from remediate.execution.steps.activate import service_down, settled
from remediate.execution.steps.base import done, interruption
from remediate.execution.steps.wire_check import leaves_of, served, silences
from remediate.model.case import SWITCHED, Case, Step, StepDetail, StepState
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.state.journal import CaseOutcome, Event


@dataclass(frozen=True, slots=True)
class _Back:
    """Files that go back, and to which version."""

    files: SwitchGroup
    version: str


def rollback(case_id: str, run: RunContext) -> CaseResult:
    """Take a case back to what was there before it, each set of files that is switched together on its own.

    The caller holds the lock of the state directory. Where a set cannot go back it stays as the repair left
    it, and that is said; to call it again goes on. Raises Unknown where the journal has no such case.
    """
    case = run.journal.case(case_id)
    if case is None:
        raise NotFoundOnHost(f"the journal has no case {case_id}")
    context, leaves, stuck = CaseContext(case, run), list[Certificate](), list[StepBlocked | NotFoundOnHost]()
    if context.host.is_logged_in and case.repair in SWITCHED:
        context.execute(release_command(context.workdir, case.id))  # links of earlier versions of this program
    try:
        _require_way(context)
        ways = tuple(_ways(context))
    except (StepBlocked, NotFoundOnHost) as why:
        return _stuck(case, why)
    for back in ways:
        try:
            leaves.append(_take_back(context, back))
        except (StepBlocked, NotFoundOnHost) as why:
            stuck.append(why)
    return _stuck(case, stuck[0]) if stuck else _ended(context, leaves)


def _require_way(context: CaseContext) -> None:
    """Raise Stuck where there is nothing to go back to, or where that must not be."""
    case, outcome = context.case, context.run.journal.outcome(context.case.id)
    if not context.host.is_logged_in:
        raise StepBlocked(Cause.HOST_UNREACHABLE, f"{case.host} cannot be logged into now", ended="interrupted")
    if case.repair not in SWITCHED:
        raise StepBlocked(
            Cause.ROLLBACK_NOTHING, f"a {case.repair} lays no new files, so there are no old ones to go back to"
        )
    if case.is_compromised:
        raise StepBlocked(
            Cause.ROLLBACK_COMPROMISED, "the key that was there before is known to others: it is never used again"
        )
    is_open = any(one.id == case.id for one in context.run.journal.unfinished())
    if not is_open and outcome and outcome.kind != "repaired":
        raise StepBlocked(Cause.ROLLBACK_NOTHING, f"the case has ended as {outcome.kind} {moment(outcome.at)}")


def _ways(context: CaseContext) -> Iterator[_Back]:
    """Yield the files that the case has switched, and where to; a switch that waits for its proof is called back."""
    for one in context.switch_groups:
        progress = settled(context, one)
        if progress.is_running and progress.last.state == "waiting":
            done(context, revert(one.file_set, progress.last.version))
            progress = settled(context, one)
        version = _noted(context, one) or _before(progress)
        if version:
            yield _Back(one, version)


def _before(progress: Progress) -> str | None:
    """Return which version was there before the one that was proven last; None where that one is there already."""
    is_proven = progress.last.state == "confirmed" and progress.live == progress.proven == progress.last.version
    return progress.before if is_proven else None


def _noted(context: CaseContext, one: SwitchGroup) -> str | None:
    """Return where an earlier try wanted these files to go back to: after a crash it is the same version."""
    names = {Step("reload", service).name for service in one.services}
    events = (event for event in context.run.journal.events(context.case.id) if event.step in names)
    return next((event.detail.back_to for event in events if event.detail.back_to), None)


def _take_back(context: CaseContext, back: _Back) -> Certificate:
    """Let some files go back, see that all answers as before, and return their leaf; raises Stuck or Unknown."""
    one = back.files
    leaf = _leaf(context, back)
    silent = {endpoint: silences(context, endpoint) for endpoint in one.endpoints}
    for service in one.services:
        intent = StepDetail(f"back to version {back.version}", back_to=back.version)
        _record(context, Step("reload", service), "intended", intent)
    try:
        if not _is_back(settled(context, one), back.version):
            _switch(context, back)
            _confirm(context, back, leaf, silent)
    except (StepBlocked, NotFoundOnHost) as why:
        for service in one.services:
            _record(context, Step("reload", service), "failed", StepDetail(str(why)))
        raise
    taken = [Step("reload", service) for service in one.services] + [Step("proof", each) for each in one.endpoints]
    for step in taken:
        _record(context, step, "undone", StepDetail(f"version {back.version} is in use again"))
    return leaf


def _is_back(progress: Progress, version: str) -> bool:
    return progress.last.state == "confirmed" and progress.live == progress.proven == version


def _switch(context: CaseContext, back: _Back) -> None:
    """Start the switch and wait until every service has taken it up; what others have put there since is theirs."""
    one = back.files
    theirs = [path for path in done(context, externally_changed(one.file_set)).output.splitlines() if path]
    if theirs:
        raise StepBlocked(Cause.ROLLBACK_CHANGED, f"somebody else has replaced {listing(theirs)} since")
    services = [context.installer(service) for service in one.services]
    done(context, start(one.file_set, services, back.version, confirm_within_s=context.run.timeouts.confirmation_s))
    progress = settled(context, one)
    last = progress.last
    if last.state != "waiting":
        if down := service_down(progress):
            raise down
        raise StepBlocked(
            Cause.ROLLBACK_FAILED, f"the switch is {last.state}: {last.detail or 'nothing more is known'}"
        )


def _confirm(context: CaseContext, back: _Back, leaf: Certificate, silent: dict[str, tuple[str, ...]]) -> None:
    """Confirm the switch once every endpoint answers as before, with the old leaf; else let it be taken back."""
    one, faults = back.files, list[str]()

    def is_well() -> bool:
        faults[:] = [fault for endpoint in one.endpoints for fault in _faults(context, endpoint, leaf, silent)]
        return not faults

    well = is_well() or context.wait_until(is_well, context.run.timeouts.proof_s)
    answer = confirm if well else revert
    done(context, answer(one.file_set, back.version))
    progress = settled(context, one)
    if not _is_back(progress, back.version):
        if down := service_down(progress):
            raise down
        now = sentence([served(context, endpoint) for endpoint in one.endpoints])
        why = sentence(faults) or progress.last.detail
        raise StepBlocked(Cause.ROLLBACK_FAILED, f"{why}; the switch is {progress.last.state}, now {now}")


def _faults(
    context: CaseContext, endpoint: str, leaf: Certificate, silent: dict[str, tuple[str, ...]]
) -> Iterator[str]:
    """Yield what does not answer that did, and what is served beside the old leaf."""
    yield from (fault for fault in silences(context, endpoint) if fault not in silent[endpoint])
    others = leaves_of(context, endpoint) - {leaf.sha256}
    if others:
        yield f"{endpoint} serves another leaf than that of before ({listing([one[:16] for one in sorted(others)])})"


def _leaf(context: CaseContext, back: _Back) -> Certificate:
    result = context.execute(leaf_of(back.files.file_set, back.version))
    found = certificates_in(result.output) if result.ok else ()
    if result.status is None:
        raise interruption(context, result)
    if not found:
        raise StepBlocked(
            Cause.ROLLBACK_NOTHING,
            f"version {back.version} is not on {context.case.host} any more, or there was no certificate before",
        )
    return read_certificate(found[0])


def _record(context: CaseContext, step: Step, state: StepState, detail: StepDetail) -> None:
    """Record what a step became, where it was ever begun and is not so on record already."""
    journal = context.run.journal
    last = next((one.state for one in reversed(journal.events(context.case.id)) if one.step == step.name), None)
    if last not in (None, state):
        journal.record(context.case.id, Event(step.name, state, context.now(), detail))
        context.run.on_step(context.case, step, state, detail.note)


def _ended(context: CaseContext, leaves: list[Certificate]) -> CaseResult:
    """End the case; of one that had switched nothing only that is said."""
    case, is_open = context.case, any(one.id == context.case.id for one in context.run.journal.unfinished())
    if not leaves and not is_open:
        return _stuck(
            case, StepBlocked(Cause.ROLLBACK_NOTHING, "it is not in use, or what was before is not kept any more")
        )
    for command in tidying(context):
        context.execute(command)  # what is left goes with the next success
    note = f"{listing([str(one) for one in leaves])} again" if leaves else "nothing of it was in use"
    leaf = leaves[0].sha256 if leaves else None
    context.run.journal.end(case.id, CaseOutcome("rolled-back", context.now(), leaf, note))
    told = f"{note}; what was wrong is found again: waive it, leave it out, or it is repaired by the next run"
    return CaseResult(case, "undone", cause=Cause.ROLLBACK_DONE, note=told)


def _stuck(case: Case, why: StepBlocked | NotFoundOnHost) -> CaseResult:
    if isinstance(why, NotFoundOnHost):
        return CaseResult(case, "failed", "", Cause.CASE_UNKNOWN, str(why))
    return CaseResult(case, why.ended, "", why.cause, str(why))
