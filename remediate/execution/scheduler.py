"""The run: the canary first, then the hosts beside one another and the cases of a host one after another.

It knows when a case is due and when a run ends itself; it refuses to know steps, hosts and issuers.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock

from audit.text import moment
from remediate.execution.context import RunContext
from remediate.execution.executor import asks_issuer, run_case
from remediate.model.case import SWITCHED, VALIDATED, Case
from remediate.model.causes import Cause
from remediate.model.options import Concurrency
from remediate.model.outcome import Attempt, CaseResult
from remediate.retry.backoff import next_try
from remediate.state.journal import CaseOutcome


def repair(cases: Sequence[Case], run: RunContext, concurrency: Concurrency) -> tuple[CaseResult, ...]:
    """Repair what an earlier run left unfinished and these cases, and return how each ended.

    To be called by whoever holds the lock of the state directory. What was begun comes first: a switch may wait for it.
    Until one case is proven they go one by one, and the
    first failure ends the run: it is then more likely that we see wrongly than that all of them are broken.
    """
    _drop(cases, run)
    wanted, late = execution_order(cases, run), overlaps(cases, run)
    endings = {case.id: early for case in wanted if (early := _early(case, run))}
    due = {case.id: case for case in wanted if case.id not in endings}
    scheduler = _Scheduler(run, concurrency)
    for case in due.values():
        if scheduler.failures or scheduler.has_proof:
            break
        endings[case.id] = scheduler.take(case)
    if scheduler.has_proof:
        rest = [case for case in due.values() if case.id not in endings]
        endings |= {ending.case.id: ending for ending in _beside(scheduler, rest, concurrency.hosts_at_once)}
    for case in due.values():
        if case.id not in endings:
            endings[case.id] = CaseResult(
                case, "waiting", cause=Cause.RUN_CANARY, note="the first repair of this run failed"
            )
    return (*(endings[one] for one in dict.fromkeys(case.id for case in wanted)), *late)


def _beside(scheduler: _Scheduler, cases: Sequence[Case], hosts_at_once: int) -> Iterator[CaseResult]:
    """Yield the endings of cases: hosts beside one another, each host's in their order."""
    by_host: dict[str, list[Case]] = {}
    for case in cases:
        by_host.setdefault(case.host, []).append(case)

    def take_all(mine: list[Case]) -> list[CaseResult]:
        return [scheduler.take(case) for case in mine]

    with ThreadPoolExecutor(hosts_at_once, thread_name_prefix="sslaudit-repair") as pool:
        for endings in pool.map(take_all, by_host.values()):
            yield from endings


def execution_order(cases: Sequence[Case], run: RunContext) -> tuple[Case, ...]:
    """Return whose turn it is in their order: what an earlier run left unfinished on the hosts of this run, then these.

    What was begun is as it was begun, its steps as they are. Nothing is changed by it.
    """
    begun = {case.id: case for case in run.journal.unfinished()}
    late = {ending.case.id for ending in overlaps(cases, run)}
    mine = sorted((case for case in cases if case.id not in late), key=lambda case: case.id not in begun)
    return (*_left(cases, run), *(_as_begun(case, begun) for case in mine))


def overlaps(cases: Sequence[Case], run: RunContext) -> tuple[CaseResult, ...]:
    """Return the cases that wait for one that was begun and has an endpoint of theirs: it has a key, and an order."""
    begun = {case.id: case for case in run.journal.unfinished()}
    first = (*_left(cases, run), *(begun[case.id] for case in cases if case.id in begun))
    held = {endpoint: case for case in first for endpoint in case.endpoints}
    late = ((case, next((held[one] for one in case.endpoints if one in held), None)) for case in cases)
    return tuple(
        CaseResult(
            case, "waiting", cause=Cause.RUN_OVERLAP, note=f"case {other.id} is not at its end, and repairs it as well"
        )
        for case, other in late
        if other is not None and case.id not in begun
    )


def _left(cases: Sequence[Case], run: RunContext) -> Iterator[Case]:
    """Yield what was begun on the hosts of this run and is to be ended, though it was not found tonight."""
    planned = {case.id for case in cases}
    for case in run.journal.unfinished():
        if case.id not in planned and run.host(case.host).is_logged_in and not _is_forsaken(case, run):
            yield case


def _as_begun(case: Case, begun: Mapping[str, Case]) -> Case:
    """Return a case as the journal will take it up."""
    earlier = begun.get(case.id, case)
    return replace(earlier, is_compromised=earlier.is_compromised or case.is_compromised)


def _is_forsaken(case: Case, run: RunContext) -> bool:
    """Return whether nothing was ordered or installed for a case that is not found any more: somebody has mended it."""
    if case.repair in VALIDATED:
        return not run.journal.orders.unused(case.id)
    return case.repair in SWITCHED and all(step.state == "planned" for step in case.steps if step.kind == "install")


def _drop(cases: Sequence[Case], run: RunContext) -> None:
    """End the unfinished cases on the hosts of this run that nobody asks for any more."""
    planned = {case.id for case in cases}
    for case in run.journal.unfinished():
        if case.id not in planned and run.host(case.host).is_logged_in and _is_forsaken(case, run):
            run.journal.end(case.id, CaseOutcome("dropped", run.clock(), note="it is not found any more"))


def _early(case: Case, run: RunContext) -> CaseResult | None:
    try:
        return postponed(case, run)
    except Exception:  # noqa: BLE001 - the boundary of one case: the others are still tried
        return CaseResult(case, "failed", cause=Cause.RUN_BUG, note=traceback.format_exc())


def postponed(case: Case, run: RunContext) -> CaseResult | None:
    """Return why a case is not tried now, where it is not.

    Its host or one that would have to show the proof is switched off, it failed lately, or its issuer asked to be left
    alone.
    """
    hosts = (case.host, *(host for one in case.validated_on for host in one.hosts))
    alone = next((f"{host}: {why}" for host in hosts if (why := run.host(host).excluded)), None)
    if alone:
        return CaseResult(case, "waiting", cause=Cause.HOST_SWITCHED_OFF, note=alone)
    attempts, now = run.journal.attempts, run.clock()
    last = next(reversed(attempts.of_case(case.id)), None)
    if last is not None and last.next_at is not None and last.next_at > now:
        why = ": ".join(filter(None, (last.cause, last.note)))
        note = f"not tried again before {moment(last.next_at)}: {why}"
        return CaseResult(case, "waiting", last.step, Cause.RUN_NOT_DUE, note, next_at=last.next_at)
    busy = attempts.busy_until(run.issuer.name)
    if busy is not None and busy > now and asks_issuer(case):
        note = f"{run.issuer.name} asked to be left alone until {moment(busy)}"
        return CaseResult(case, "waiting", "", Cause.ISSUER_BUSY, note, next_at=busy)
    return None


class _Scheduler:
    """What the cases of a run have in common: how many failed, and whether one is proven."""

    def __init__(self, run: RunContext, concurrency: Concurrency) -> None:
        """Begin without either."""
        self._run, self._concurrency, self._turn = run, concurrency, Lock()
        self.failures = 0
        self.has_proof = False

    def take(self, case: Case) -> CaseResult:
        """Take a case, unless the run has come to its end, and keep how that ended."""
        if self._run.stop.is_set():
            return CaseResult(case, "waiting", cause=Cause.RUN_STOPPED, note="the run was stopped")
        if self.failures >= self._concurrency.max_failures:
            return CaseResult(
                case, "waiting", cause=Cause.RUN_FAILURES, note=f"{self.failures} repairs of this run have failed"
            )
        ending = self._kept(self._walked(case))
        with self._turn:
            self.failures += ending.kind == "failed"
            self.has_proof |= ending.kind == "proven"
        return ending

    def _walked(self, case: Case) -> CaseResult:
        """Walk through a case; a bug of ours ends this case with its trace, and no other."""
        try:
            return run_case(case, self._run)
        except Exception:  # noqa: BLE001 - one of the two boundaries: one host's failure never stops another
            return CaseResult(case, "failed", cause=Cause.RUN_BUG, note=traceback.format_exc())

    def _kept(self, ending: CaseResult) -> CaseResult:
        attempts, now = self._run.journal.attempts, self._run.clock()
        if ending.kind == "waiting" or ending.kind == "undone":  # noqa: PLR1714 - so that a type checker follows
            return ending
        is_theirs = ending.cause is not None and ending.cause.family == "issuer"
        issuer = self._run.issuer.name if is_theirs else None
        tried = Attempt(now, ending.kind, ending.step, ending.cause, ending.note, issuer)
        earlier = attempts.of_case(ending.case.id)
        attempt = next_try(earlier, tried, self._concurrency.chance, ending.retry_after_s)
        attempts.add(ending.case.id, attempt)
        return replace(ending, next_at=attempt.next_at)
