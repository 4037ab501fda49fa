"""Gives chunks to the workers of a cluster, one at a time to each, and every chunk at most twice.

A worker is used after its versions were compared with those of this run. It gets its next chunk before its reply is
read, which takes this process longer than a worker should wait. A chunk whose worker is lost, or whose reply is
refused, is redone once by another worker; after that it ends with the reasons of both attempts.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from audit.text import join_limited
from pytest_sslaudit.fleet.cluster import (
    Answered,
    BadReply,
    Cluster,
    Failed,
    FleetFault,
    Gone,
    Intake,
    Portion,
    Present,
)

_LOOK_S: Final = 0.2
_LOOKED_AT: Final = 64  # chunks among which one for an idle worker is looked for
_MOST_ATTEMPTS: Final = 2
_MOST_PREPARATIONS: Final = 3  # of a worker: one that is busy may not respond in time
_MOST_NOTES: Final = 20


@dataclass(slots=True)
class _Attempts:
    portion: Portion
    failures: list[tuple[str, str]] = field(default_factory=list)  # worker and reason

    def reason(self, *last: str) -> str:
        return "; ".join([*(f"worker {worker}: {reason}" for worker, reason in self.failures), *last])


@dataclass(frozen=True, slots=True)
class _Running:
    worker: str
    attempts: _Attempts
    share: int
    deadline: float


class Dispatcher:
    """The state of one distribution over the workers of one cluster."""

    def __init__(  # noqa: PLR0913 - all but three by keyword
        self,
        cluster: Cluster,
        intake: Intake,
        name: str,
        *,
        per_address: int,
        wait_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin without a worker. `name` is the cluster in messages; it may have no worker for `wait_s` seconds."""
        self._cluster, self._intake, self._name = cluster, intake, name
        self._per_address, self._wait_s, self._clock = per_address, wait_s, clock
        self._numbers = itertools.count(1)
        self._known: set[str] = set()  # the workers that were there at the last look
        self._preparing: dict[int, str] = {}
        self._failed: Counter[str] = Counter()  # preparations, by worker
        self._ready: set[str] = set()
        self._refused: dict[str, str] = {}
        self._running: dict[int, _Running] = {}
        self._unread: deque[tuple[_Running, object]] = deque()  # replies
        self._waiting: deque[_Attempts] = deque()
        self._source: Iterator[Portion] = iter(())
        self._in_use: Counter[str] = Counter()  # the connections that running chunks may open to a shared address
        self._used_at = clock()
        self._has_begun = False
        self._notes: dict[str, None] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user of the run should know about the workers."""
        return tuple(self._notes)[:_MOST_NOTES]

    def run(self, portions: Iterator[Portion], meanwhile: Callable[[], bool] = lambda: True) -> None:
        """Have every chunk audited or given up; raises FleetFault if the audit cannot begin.

        A chunk is taken from the iterator when a worker is free for it. `meanwhile` is called between events, and
        returns whether to go on.
        """
        self._source = portions
        lost = self._dispatch(meanwhile)
        while lost and self._unread:
            self._read(*self._unread.popleft())
        if lost:
            unfinished = (*(running.attempts for running in self._running.values()), *self._waiting)
            for attempts in itertools.chain(unfinished, map(_Attempts, portions)):
                self._intake.give_up(attempts.portion.number, attempts.reason(lost))

    def _dispatch(self, meanwhile: Callable[[], bool]) -> str:
        """Return why no more chunks are audited; nothing if all of them have ended."""
        while meanwhile() and not self._is_finished():
            event = self._cluster.next_event(0.0 if self._unread else _LOOK_S)
            if isinstance(event, Gone):
                return self._lost(f"{self._name} was lost: {event.reason}")
            if event is not None:
                self._handle(event)
            if self._unread and not isinstance(event, Answered | Failed):
                self._read(*self._unread.popleft())
            self._end_overdue()
            if not (self._ready or self._preparing) and self._clock() - self._used_at > self._wait_s:
                return self._lost(self._no_worker())
            if self._ready or self._preparing:
                self._used_at = self._clock()
        return ""

    def _lost(self, reason: str) -> str:
        if not self._has_begun:
            raise FleetFault(reason)
        return reason

    def _no_worker(self) -> str:
        refused = join_limited([f"{worker}: {reason}" for worker, reason in self._refused.items()])
        why = f" ({refused})" if refused else ""
        return f"{self._name} had no worker for {self._wait_s:g} s{why}: start workers, or raise wait_s of [fleet]"

    def _is_finished(self) -> bool:
        """Give the idle workers their next chunks; return whether there are none left."""
        self._begin()
        for worker in sorted(self._ready - {running.worker for running in self._running.values()}):
            if self._has_begun and len(self._unread) <= len(self._ready) and (attempts := self._next(worker)):
                self._start(worker, attempts)
        return self._has_begun and not (self._running or self._waiting or self._unread) and not self._take()

    def _begin(self) -> None:
        """Begin when all workers of the first look have the versions of this run; raises FleetFault if one has not."""
        if self._has_begun or self._preparing or not self._known:
            return
        if self._refused and not self._ready:
            return  # others may join
        self._has_begun = True

    def _take(self) -> bool:
        """Add the next chunk to those that wait; return whether there was one."""
        portion = next(self._source, None)
        if portion is None:
            return False
        self._waiting.append(_Attempts(portion))
        return True

    def _next(self, worker: str) -> _Attempts | None:
        """Return the first chunk that this worker may have now; the next is taken if none of those that wait is."""
        position = 0
        while position < len(self._waiting) or (position < _LOOKED_AT and self._take()):
            attempts = self._waiting[position]
            if self._may_retry(attempts, worker) and self._fits(attempts.portion):
                del self._waiting[position]
                return attempts
            position += 1
        return None

    def _may_retry(self, attempts: _Attempts, worker: str) -> bool:
        """Return whether a chunk has not failed at this worker, or there is no other worker."""
        return len(self._ready) == 1 or worker not in dict(attempts.failures)

    def _share(self, portion: Portion) -> int:
        """Return how many connections at once to one address a chunk may open: the limit, divided among workers."""
        chunks = min(max(portion.shared.values(), default=1), len(self._ready), self._per_address)
        return self._per_address // max(1, chunks)

    def _fits(self, portion: Portion) -> bool:
        share = self._share(portion)
        return all(self._in_use[address] + share <= self._per_address for address in portion.shared)

    def _start(self, worker: str, attempts: _Attempts) -> None:
        portion, job, share = attempts.portion, next(self._numbers), self._share(attempts.portion)
        for address in portion.shared:
            self._in_use[address] += share
        self._running[job] = _Running(worker, attempts, share, self._clock() + portion.longest_s)
        self._cluster.audit(worker, job, portion, share)

    def _handle(self, event: Present | Answered | Failed) -> None:
        if isinstance(event, Present):
            self._look(event.workers)
        elif event.job in self._preparing:
            self._end_preparation(self._preparing.pop(event.job), event)
        elif event.job in self._running:
            self._end_audit(event)

    def _look(self, workers: frozenset[str]) -> None:
        for job, worker in tuple(self._preparing.items()):
            if worker not in workers:
                del self._preparing[job]
                self._cluster.drop(job)
        for job, running in tuple(self._running.items()):
            if running.worker not in workers:
                self._fail(job, "it was lost")
        self._ready &= workers
        for worker in sorted(workers - self._known - self._refused.keys()):
            self._prepare(worker)
        self._known = set(workers)

    def _prepare(self, worker: str) -> None:
        job = next(self._numbers)
        self._preparing[job] = worker
        self._cluster.prepare(worker, job)

    def _end_preparation(self, worker: str, event: Answered | Failed) -> None:
        if isinstance(event, Failed):
            self._failed[worker] += 1
            if self._failed[worker] < _MOST_PREPARATIONS:
                self._known.discard(worker)  # it is prepared again at the next look
            else:
                self._refuse(worker, f"it cannot be used: {event.reason}")
            return
        try:
            self._intake.require_same_versions(event.content)
        except BadReply as error:
            if not self._has_begun:
                raise FleetFault(f"{self._name}, worker {worker}: {error}") from error
            self._refuse(worker, str(error))
        else:
            self._ready.add(worker)

    def _refuse(self, worker: str, reason: str) -> None:
        self._ready.discard(worker)
        self._refused[worker] = reason
        self._notes[f"{self._name}: worker {worker} is not used: {reason}"] = None

    def _end_audit(self, event: Answered | Failed) -> None:
        running = self._running[event.job]
        if isinstance(event, Failed):
            self._fail(event.job, f"it failed: {event.reason}")
        elif self._intake.is_prepared(event.content):
            self._unread.append((self._finish(event.job), event.content))
        else:
            self._ready.discard(running.worker)
            self._prepare(running.worker)
            self._fail(event.job, "it was started again")

    def _read(self, ended: _Running, reply: object) -> None:
        """Keep the reply to a chunk; if it is refused, its worker is not used any more."""
        try:
            self._intake.accept(ended.attempts.portion.number, reply)
        except BadReply as error:
            reason = f"its reply was refused: {error}"
            self._refuse(ended.worker, reason)
            self._redo(ended, reason)
            for job in [job for job, running in self._running.items() if running.worker == ended.worker]:
                self._fail(job, reason)

    def _end_overdue(self) -> None:
        for job, running in tuple(self._running.items()):
            if self._clock() > running.deadline:
                reason = f"it sent nothing for {running.attempts.portion.longest_s:g} s"
                self._refuse(running.worker, reason)
                self._fail(job, reason)

    def _fail(self, job: int, reason: str) -> None:
        """End an attempt that has no reply."""
        self._cluster.drop(job)
        self._redo(self._finish(job), reason)

    def _redo(self, ended: _Running, reason: str) -> None:
        """Have a chunk redone before all others, or give it up."""
        attempts = ended.attempts
        attempts.failures.append((ended.worker, reason))
        if len(attempts.failures) < _MOST_ATTEMPTS:
            self._waiting.appendleft(attempts)
        else:
            self._intake.give_up(attempts.portion.number, attempts.reason())

    def _finish(self, job: int) -> _Running:
        running = self._running.pop(job)
        for address in running.attempts.portion.shared:
            self._in_use[address] -= running.share
        return running
