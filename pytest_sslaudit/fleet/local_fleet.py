"""The worker processes of this machine: the run hands them chunks, and receives a line for each endpoint.

A worker that ends costs the endpoints that it had in work. They go to another worker, once.
"""

from __future__ import annotations

import selectors
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from audit.endpoint import Endpoint
from audit.fleet import EndpointReply
from audit.observation import Accident, Observation
from pytest_sslaudit.fleet.local_worker import BROKEN, REPLY, WorkerSetup
from pytest_sslaudit.fleet.plan import Batch
from pytest_sslaudit.fleet.work_queue import ATTEMPTS, WorkQueue
from pytest_sslaudit.fleet.worker_process import Task, WorkerProcess, end_all
from pytest_sslaudit.fleet.worker_server import WorkerServer

_LOOK_S: Final = 0.1  # how often the run looks after its own work while no worker sends anything
_GOODBYE_S: Final = 0.5  # after which a process that should end is killed
_SPARE: Final = 10  # endpoints that wait in a worker while its threads are busy


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the run does with a reply, with an endpoint that no worker could audit, and between replies."""

    reply: Callable[[EndpointReply], None]
    observed: Callable[[EndpointReply, Observation], None]  # a reply with an observation that no worker could store
    lost: Callable[[Endpoint, Accident], None]
    meanwhile: Callable[[], bool]  # returns whether other work of the run is not done yet


class LocalFleet:
    """The workers of a run, forked by a server that is started when this is made."""

    is_here: Final = True
    notes: Final[tuple[str, ...]] = ()

    def __init__(self, size: int) -> None:
        """Start the server: it imports the audit while the run collects its tests."""
        self.size = size
        self._workers: list[WorkerProcess] = []
        self._selector = selectors.DefaultSelector()
        self._server = WorkerServer()

    def audit(self, setup: WorkerSetup, batches: Iterable[Batch], delivery: Delivery, stop: threading.Event) -> None:
        """Have all chunks audited. It returns early if `stop` is set."""
        work = WorkQueue(batches, _SPARE + (setup.settings.limits.concurrency if setup.slots else 0))
        while not stop.is_set():
            try:
                self._hand_out(setup, work)
            except ChildProcessError as error:
                self.size = len(self._workers)  # those that there are do the rest
                if not self._workers:
                    _lose_all(work, Accident(str(error)), delivery)
            is_busy = delivery.meanwhile()
            if not is_busy and not any(worker.in_work for worker in self._workers):
                return
            for key, _ in self._selector.select(_LOOK_S):
                end = self._receive(key.data, delivery)
                if end:
                    self._forget(key.data)
                    _lose(work.take_back(key.data, end), delivery)

    def close(self) -> None:
        """End all processes; whatever they do is dropped."""
        end_all(self._workers, _GOODBYE_S)
        self._workers.clear()
        self._selector.close()
        self._server.close()

    def _hand_out(self, setup: WorkerSetup, work: WorkQueue) -> None:
        """Give the workers their next tasks in turn; start workers while there is work that none has."""
        while work.needs_workers and len(self._workers) < self.size:
            self._start(setup)
        waiting = self._workers
        while waiting:
            waiting = [worker for worker in waiting if _begin_next(worker, work)]

    def _start(self, setup: WorkerSetup) -> None:
        """Start a worker; raises ChildProcessError."""
        if self._server.has_ended:
            self._server.close()
            self._server = WorkerServer()
        worker = WorkerProcess(*self._server.fork())
        self._workers.append(worker)
        self._selector.register(worker.connection, selectors.EVENT_READ, worker)
        worker.send(setup)

    def _receive(self, worker: WorkerProcess, delivery: Delivery) -> Accident | None:
        """Deliver what a worker has sent; return how it ended, None if it has not."""
        lines = worker.lines()
        for line in lines or ():
            kind, content = line[:1], line[1:]
            if kind == REPLY:
                reply = EndpointReply.from_line(content)
                worker.in_work.pop(reply.endpoint, None)
                delivery.reply(reply)
            elif kind == BROKEN:
                worker.trace = content.decode("unicode_escape")
        if lines is not None:
            return None
        if worker.trace:
            return Accident(worker.trace.strip().rpartition("\n")[2], worker.trace)
        return Accident(self._server.end_of(worker.pid))

    def _forget(self, worker: WorkerProcess) -> None:
        self._selector.unregister(worker.connection)
        worker.connection.close()
        self._workers.remove(worker)


def _begin_next(worker: WorkerProcess, work: WorkQueue) -> bool:
    """Send a worker its next task; return whether there was one."""
    task = work.next_for(worker)
    if task:
        worker.begin(task)
    return task is not None


def _lose_all(work: WorkQueue, end: Accident, delivery: Delivery) -> None:
    """Report all endpoints that are left, because there is no worker."""
    for task in work.drain():
        for target in task.chunk.targets:
            delivery.lost(target.endpoint, end)


def _lose(task: Task | None, delivery: Delivery) -> None:
    """Report the endpoints that no worker could audit, with the reasons."""
    if task is None:
        return
    trace = next((end.trace for end in task.ends if end.trace), "")
    ends, others = " and ".join(dict.fromkeys(end.reason for end in task.ends)), len(task.chunk.targets) - 1
    these = f"this endpoint and {others} other{'s' * (others > 1)}" if others else "this endpoint"
    reason = f"{ATTEMPTS} worker processes ended while they audited {these}: {ends}. Run the audit again."
    for target in task.chunk.targets:
        delivery.lost(target.endpoint, Accident(reason, trace))
