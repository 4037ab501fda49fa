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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from audit.probe.deadline import Deadline, Stopped

Outcome = TypeVar("Outcome")
_LOOK_S: Final = 0.1  # how often the calling thread checks whether it should stop, while no job ends
_ELSEWHERE_S: Final = 0.05  # how often a key is tried again whose slots other processes have
_GOODBYE_S: Final = 0.8  # how long to wait for threads at the end: they check for a stop four times a second


class Turn:
    """The right to compute, of one thread at a time, while any number of others wait for the network.

    Each call of OpenSSL gives Python's lock away. Threads that compete for it take twice the CPU time. A thread takes
    no turn while it has one.
    """

    def __init__(self) -> None:
        """Begin with the turn free."""
        self._lock = threading.Lock()

    def take(self) -> None:
        """Wait for the turn."""
        self._lock.acquire()

    def end(self) -> None:
        """Let another thread have the turn."""
        self._lock.release()

    def __enter__(self) -> Self:
        """Take the turn for the block."""
        self.take()
        return self

    def __exit__(self, *_: object) -> None:
        """End the turn."""
        self.end()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Let other threads have the turn while the block waits."""
        self.end()
        try:
            yield
        finally:
            self.take()


class Slots(Protocol):
    """Who may work with a key, such as an address, in all processes together."""

    def take(self, key: str) -> bool:
        """Take a slot of a key; False if other processes have all of them."""
        ...

    def free(self, key: str) -> None:
        """Free a slot of a key."""
        ...


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

    def __init__(self, size: int, per_key: int, stop_jobs: threading.Event, slots: Slots | None = None) -> None:
        """Start no thread yet: each job starts one, until there are `size`. Other processes share the `slots`."""
        self._size = size
        self._per_key = per_key
        self._stop_jobs = stop_jobs
        self._slots = slots
        self._threads: list[threading.Thread] = []
        self._ready: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Job[Any], Any]] = queue.SimpleQueue()
        self._busy: Counter[str] = Counter()
        self._waiting: defaultdict[str, deque[Job[Any]]] = defaultdict(deque)
        self._watched: set[str] = set()  # keys that are tried again
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._open_jobs = 0

    def submit(self, job: Job[Any], *, after_s: float = 0.0) -> None:
        """Add a job, which begins after this many seconds at the earliest."""
        self._open_jobs += 1
        if after_s > 0:
            self._call_later(after_s, partial(self._admit, job))
        else:
            self._admit(job)

    def run(self, stop: threading.Event, admit: Callable[[bool], bool] = lambda _: False) -> None:
        """Run the jobs, with those that are submitted meanwhile, until all have ended or `stop` is set.

        `admit` submits further jobs and returns whether more may come. It is called with whether all jobs have ended:
        then it may wait for some. Raises the exception of a job that has no handler.
        """
        is_open = True
        while not stop.is_set():
            is_open = is_open and admit(not self._open_jobs)
            if not self._open_jobs:
                if not is_open:
                    return
                continue
            self._call_due()
            try:
                job, outcome = self._done.get(timeout=self._wait_s())
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
        if job.key is None or self._take(job.key):
            self._start(job)
        else:
            self._waiting[job.key].append(job)

    def _take(self, key: str) -> bool:
        """Count one more job of a key, if this process and the others leave room for it."""
        if self._busy[key] >= self._per_key:
            return False
        if self._slots and not self._slots.take(key):
            if key not in self._watched:
                self._watched.add(key)
                self._call_later(_ELSEWHERE_S, partial(self._look_again, key))
            return False
        self._busy[key] += 1
        return True

    def _start(self, job: Job[Any]) -> None:
        self._ready.put(job)
        if len(self._threads) < self._size:
            self._threads.append(threading.Thread(target=self._work, name="probe", daemon=True))
            self._threads[-1].start()

    def _call_later(self, after_s: float, function: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + after_s, next(self._number), function))

    def _call_due(self) -> None:
        while self._later and self._later[0][0] <= time.monotonic():
            heapq.heappop(self._later)[2]()

    def _wait_s(self) -> float:
        """Return how long to wait for the end of a job."""
        return min(_LOOK_S, max(0.0, self._later[0][0] - time.monotonic())) if self._later else _LOOK_S

    def _look_again(self, key: str) -> None:
        self._watched.discard(key)
        self._admit_waiting(key)

    def _admit_waiting(self, key: str) -> None:
        waiting = self._waiting.get(key)
        while waiting and self._take(key):
            self._start(waiting.popleft())
        if not waiting:
            self._waiting.pop(key, None)

    def _release(self, job: Job[Any]) -> None:
        if job.key is None:
            return
        self._busy[job.key] -= 1
        if not self._busy[job.key]:
            del self._busy[job.key]
        if self._slots:
            self._slots.free(job.key)
        self._admit_waiting(job.key)

    def _work(self) -> None:
        while (job := self._ready.get()) is not None and not self._stop_jobs.is_set():
            try:
                self._done.put((job, job.work()))
            except Stopped:
                return
            except BaseException as error:  # noqa: BLE001 - raised in the calling thread, with its trace
                self._done.put((job, _Raised(error)))
