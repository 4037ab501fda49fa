"""A bounded thread pool with a limit of concurrent jobs per key, such as an address.

A job whose key is busy waits in a list, not in a thread.
"""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from audit.probe.deadline import Deadline, Stopped

Outcome = TypeVar("Outcome")
_LOOK_S: Final = 0.1  # how often the calling thread checks whether it should stop, while no job ends
_GOODBYE_S: Final = 0.8  # how long to wait for threads at the end: they check for a stop four times a second


@dataclass(frozen=True, slots=True)
class Job(Generic[Outcome]):
    """Work for a thread, and the functions that receive its outcome in the calling thread.

    Jobs with the same `key` are limited; None has no limit of its own. The calling thread passes an exception of
    `work` to `failed`, and the other jobs go on.
    """

    key: str | None
    work: Callable[[], Outcome]
    then: Callable[[Outcome], None]
    failed: Callable[[Exception], None] | None = None


@dataclass(frozen=True, slots=True)
class _Raised:
    error: BaseException

    def hand_over(self, job: Job[Any]) -> None:
        """Pass the exception to the job's handler; raise it if the job has no handler."""
        if job.failed is None or not isinstance(self.error, Exception):
            raise self.error
        job.failed(self.error)


class BoundedThreadPool:
    """Threads for jobs. Only one thread may call it; `stop_jobs` makes running jobs end early."""

    def __init__(self, size: int, per_key: int, stop_jobs: threading.Event) -> None:
        """Start no thread yet: each job starts one, until there are `size`."""
        self._size = size
        self._per_key = per_key
        self._stop_jobs = stop_jobs
        self._threads: list[threading.Thread] = []
        self._ready: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Job[Any], Any]] = queue.SimpleQueue()
        self._busy: Counter[str] = Counter()
        self._waiting: defaultdict[str, deque[Job[Any]]] = defaultdict(deque)
        self._later: list[tuple[float, int, Job[Any]]] = []
        self._number = itertools.count()
        self._open_jobs = 0

    def submit(self, job: Job[Any], *, after_s: float = 0.0) -> None:
        """Add a job, which begins after this many seconds at the earliest."""
        self._open_jobs += 1
        if after_s > 0:
            heapq.heappush(self._later, (time.monotonic() + after_s, next(self._number), job))
        else:
            self._admit(job)

    def run(self, stop: threading.Event) -> None:
        """Run the jobs, with those that are submitted meanwhile, until all have ended or `stop` is set.

        Raises the exception of a job that has no handler.
        """
        while self._open_jobs and not stop.is_set():
            self._admit_due()
            try:
                job, outcome = self._done.get(timeout=_LOOK_S)
            except queue.Empty:
                continue
            self._open_jobs -= 1
            self._release(job)
            if isinstance(outcome, _Raised):
                outcome.hand_over(job)
            else:
                job.then(outcome)

    def shutdown(self) -> None:
        """End all threads; one that hangs in a call that cannot be interrupted stays behind as a daemon."""
        self._stop_jobs.set()
        deadline = Deadline.after(_GOODBYE_S)
        for _ in self._threads:
            self._ready.put(None)
        for thread in self._threads:
            thread.join(deadline.left_s)

    def _admit(self, job: Job[Any]) -> None:
        if job.key is not None:
            if self._busy[job.key] >= self._per_key:
                self._waiting[job.key].append(job)
                return
            self._busy[job.key] += 1
        self._ready.put(job)
        if len(self._threads) < self._size:
            self._threads.append(threading.Thread(target=self._work, name="probe", daemon=True))
            self._threads[-1].start()

    def _admit_due(self) -> None:
        while self._later and self._later[0][0] <= time.monotonic():
            self._admit(heapq.heappop(self._later)[2])

    def _release(self, job: Job[Any]) -> None:
        if job.key is None:
            return
        self._busy[job.key] -= 1
        if self._waiting[job.key]:
            self._admit(self._waiting[job.key].popleft())

    def _work(self) -> None:
        while (job := self._ready.get()) is not None and not self._stop_jobs.is_set():
            try:
                self._done.put((job, job.work()))
            except Stopped:
                return
            except BaseException as error:  # noqa: BLE001 - raised in the calling thread, with its trace
                self._done.put((job, _Raised(error)))
