"""Runs the cases: the canary first, then the hosts in parallel, and the cases of a host one after another.

It decides which cases are due, and when a run stops. executor.py runs one case.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock
from typing import TypeVar

from remediate.execution.changed_findings import has_changed_finding
from remediate.execution.context import RunContext
from remediate.execution.due import own_wait, postponed
from remediate.execution.executor import run_case
from remediate.model.case import SWITCHED, VALIDATED, Case
from remediate.model.causes import Cause
from remediate.model.options import Concurrency
from remediate.model.outcome import Attempt, CaseResult
from remediate.retry.backoff import next_try
from remediate.state.database import BrokenState
from remediate.state.journal import CaseOutcome

T = TypeVar("T")


def repair(cases: Sequence[Case], run: RunContext, concurrency: Concurrency) -> tuple[CaseResult, ...]:
    """Run the unfinished cases of earlier runs and these cases, and return the result of each.

    The caller holds the lock of the state directory. Unfinished cases come first, because a switch may be
    waiting for its confirmation. Until one case succeeds, cases run one at a time. If the first repair fails, the run
    stops, because the audit is probably wrong about other hosts too.
    """
    _drop_obsolete(cases, run)
    ordered, overlapping = execution_order(cases, run), overlaps(cases, run)
    results = {case.id: not_started for case in ordered if (not_started := _not_started(case, run))}
    for case_id in _lifted([case for case in ordered if case.id in results], results, run, concurrency):
        del results[case_id]
    due = {case.id: case for case in ordered if case.id not in results}
    scheduler = _Scheduler(run, concurrency)
    for case in due.values():
        if scheduler.failures or scheduler.has_success:
            break
        results[case.id] = scheduler.run(case)
    if scheduler.has_success:
        rest = [case for case in due.values() if case.id not in results]
        results |= {result.case.id: result for result in _in_parallel(scheduler.run, rest, concurrency.hosts_at_once)}
    for case in due.values():
        if case.id not in results:
            results[case.id] = CaseResult(
                case, "waiting", cause=Cause.RUN_CANARY, note="the first repair of this run failed"
            )
    return (*(results[case_id] for case_id in dict.fromkeys(case.id for case in ordered)), *overlapping)


def _in_parallel(function: Callable[[Case], T], cases: Sequence[Case], hosts_at_once: int) -> Iterator[T]:
    """Yield the result of a function for each case: hosts in parallel, and the cases of a host in order."""
    by_host: dict[str, list[Case]] = {}
    for case in cases:
        by_host.setdefault(case.host, []).append(case)

    def run_all(host_cases: list[Case]) -> list[T]:
        return [function(case) for case in host_cases]

    with ThreadPoolExecutor(hosts_at_once, thread_name_prefix="sslaudit-repair") as pool:
        for results in pool.map(run_all, by_host.values()):
            yield from results


def execution_order(cases: Sequence[Case], run: RunContext) -> tuple[Case, ...]:
    """Return the cases in the order in which they run: unfinished cases on the hosts of this run first.

    An unfinished case keeps its plan and the state of its steps. Nothing is changed.
    """
    begun = {case.id: case for case in run.journal.unfinished()}
    overlapping = {result.case.id for result in overlaps(cases, run)}
    planned = sorted((case for case in cases if case.id not in overlapping), key=lambda case: case.id not in begun)
    return (*_unfinished(cases, run), *(_as_begun(case, begun) for case in planned))


def overlaps(cases: Sequence[Case], run: RunContext) -> tuple[CaseResult, ...]:
    """Return the cases that wait because an unfinished case, with its key and order, repairs one of their endpoints."""
    begun = {case.id: case for case in run.journal.unfinished()}
    unfinished = (*_unfinished(cases, run), *(begun[case.id] for case in cases if case.id in begun))
    holders = {endpoint: case for case in unfinished for endpoint in case.endpoints}
    pairs = ((case, next(filter(None, map(holders.get, case.endpoints)), None)) for case in cases)
    return tuple(
        CaseResult(
            case,
            "waiting",
            cause=Cause.RUN_OVERLAP,
            note=f"case {holder.id} is unfinished and repairs the same endpoint",
        )
        for case, holder in pairs
        if holder is not None and case.id not in begun
    )


def _unfinished(cases: Sequence[Case], run: RunContext) -> Iterator[Case]:
    """Yield the unfinished cases on the hosts of this run that this audit did not find, but that must be finished."""
    planned = {case.id for case in cases}
    for case in run.journal.unfinished():
        if case.id not in planned and run.host(case.host).is_logged_in and not _is_obsolete(case, run):
            yield case


def _as_begun(case: Case, begun: Mapping[str, Case]) -> Case:
    """Return a case as the journal resumes it."""
    earlier = begun.get(case.id, case)
    return replace(earlier, is_compromised=earlier.is_compromised or case.is_compromised)


def _is_obsolete(case: Case, run: RunContext) -> bool:
    """Return whether a case that this audit did not find can be dropped, because nothing was ordered or installed."""
    if case.repair in VALIDATED:
        return not run.journal.orders.unused(case.id)
    return case.repair in SWITCHED and all(step.state == "planned" for step in case.steps if step.kind == "install")


def _drop_obsolete(cases: Sequence[Case], run: RunContext) -> None:
    """End the unfinished cases on the hosts of this run that are no longer needed."""
    planned = {case.id for case in cases}
    for case in run.journal.unfinished():
        if case.id not in planned and run.host(case.host).is_logged_in and _is_obsolete(case, run):
            run.journal.end(case.id, CaseOutcome("dropped", run.clock(), note="this audit did not find it any more"))


def _not_started(case: Case, run: RunContext) -> CaseResult | None:
    try:
        return postponed(case, run)
    except Exception:  # noqa: BLE001 - the boundary of one case: the other cases are still run
        return CaseResult(case, "failed", cause=Cause.RUN_BUG, note=traceback.format_exc())


def _lifted(
    cases: Sequence[Case], results: Mapping[str, CaseResult], run: RunContext, concurrency: Concurrency
) -> tuple[str, ...]:
    """Return the ids of the cases that do not wait any longer, because a pre-check finds something else now."""
    waiting = [case for case in cases if results[case.id].cause is Cause.RUN_NOT_DUE]

    def lifted(case: Case) -> str | None:
        try:
            return case.id if has_changed_finding(case, run) else None
        except BrokenState:
            raise  # nothing could be recorded any more
        except Exception:  # noqa: BLE001 - the boundary of one case: it waits on, and the others are still run
            run.announce(f"{case.host}, case {case.id}: its pre-check could not be repeated:\n{traceback.format_exc()}")
            return None

    return tuple(filter(None, _in_parallel(lifted, waiting, concurrency.hosts_at_once))) if waiting else ()


class _Scheduler:
    """Runs cases and counts: how many failed, and whether one has succeeded."""

    def __init__(self, run: RunContext, concurrency: Concurrency) -> None:
        """Start without a failure and without a success."""
        self._run, self._concurrency, self._turn = run, concurrency, Lock()
        self.failures = 0
        self.has_success = False

    def run(self, case: Case) -> CaseResult:
        """Run a case, unless the run is stopping, and record the attempt."""
        if self._run.stop.is_set():
            return CaseResult(case, "waiting", cause=Cause.RUN_STOPPED, note="the run was stopped")
        if self.failures >= self._concurrency.max_failures:
            return CaseResult(
                case,
                "waiting",
                cause=Cause.RUN_FAILURES,
                note=f"{self.failures} repairs of this run have failed (limit {self._concurrency.max_failures})",
            )
        is_early = own_wait(case, self._run) is not None
        is_changed = is_early and not self._run.early.include(case.id)
        result = self._with_attempt(replace(self._run_safely(case), is_early=is_early, is_changed=is_changed))
        with self._turn:
            self.failures += result.ended_as == "failed"
            self.has_success |= result.ended_as == "proven"
        return result

    def _run_safely(self, case: Case) -> CaseResult:
        """Run a case; a bug of ours ends this case with its traceback, and no other case."""
        try:
            return run_case(case, self._run)
        except BrokenState:
            raise  # no further step of any case could be recorded
        except Exception:  # noqa: BLE001 - one of the two boundaries: one host's failure never stops another
            return CaseResult(case, "failed", cause=Cause.RUN_BUG, note=traceback.format_exc())

    def _with_attempt(self, result: CaseResult) -> CaseResult:
        attempts, now = self._run.journal.attempts, self._run.clock()
        if result.ended_as == "waiting" or result.ended_as == "undone":  # noqa: PLR1714 - so that a type checker follows
            return result
        is_issuer_fault = result.cause is not None and result.cause.family == "issuer"
        issuer = self._run.issuer.name if is_issuer_fault else None
        tried = Attempt(
            now, result.ended_as, result.step, result.cause, result.note, issuer,
            is_early=result.is_early, finding=result.finding,
        )  # fmt: skip
        earlier = attempts.of_case(result.case.id)
        attempt = next_try(earlier, tried, self._concurrency.chance, result.retry_after_s)
        attempts.add(result.case.id, attempt)
        return replace(result, next_at=attempt.next_at)
