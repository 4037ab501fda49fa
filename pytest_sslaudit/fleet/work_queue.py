"""What the workers of this machine have to do, and which of them does it.

A worker gets its next chunk while others are in work, so that its threads never wait for an endpoint that hangs. What
a worker that has ended had in work is redone once, by a worker that has nothing else in work: another end of a worker
is that of these endpoints.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Final

from audit.fleet import Chunk
from audit.observation import Accident
from pytest_sslaudit.fleet.plan import Batch
from pytest_sslaudit.fleet.worker_process import Task, WorkerProcess

ATTEMPTS: Final = 2


class WorkQueue:
    """The batches that no worker has yet, the rest of those that workers have, and what is redone."""

    def __init__(self, batches: Iterable[Batch], enough: int) -> None:
        """Take the batches; a worker that has `enough` endpoints in work gets no more."""
        self._batches = deque(deque(map(Task, batch)) for batch in batches)
        self._enough = enough
        self._of_worker: defaultdict[int, deque[Task]] = defaultdict(deque)  # by process id
        self._redone: deque[Task] = deque()

    @property
    def needs_workers(self) -> bool:
        """Whether there is work that no worker has."""
        return bool(self._batches or self._redone)

    def next_for(self, worker: WorkerProcess) -> Task | None:
        """Return the next task of a worker; None if it has enough, or there is none for it."""
        if not worker.in_work and self._redone:
            return self._redone.popleft()
        if len(worker.in_work) >= self._enough or (worker.in_work and worker.ends):
            return None
        own = self._of_worker[worker.pid]
        if not own and self._batches:
            own.extend(self._batches.popleft())
        return own.popleft() if own else None

    def take_back(self, worker: WorkerProcess, end: Accident) -> Task | None:
        """Take back what a worker that has ended had to do; return what it had in work after the last attempt."""
        own = self._of_worker.pop(worker.pid, None)
        if own:
            self._batches.appendleft(own)
        if not worker.in_work:
            return None
        again = Task(Chunk(0, tuple(worker.in_work.values())), (*worker.ends, end))
        if len(again.ends) == ATTEMPTS:
            return again
        self._redone.append(again)
        return None

    def drain(self) -> Iterable[Task]:
        """Yield what no worker has, and forget it."""
        yield from self._redone
        for batch in self._batches:
            yield from batch
        self._redone.clear()
        self._batches.clear()
