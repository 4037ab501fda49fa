"""A worker gets chunks until it has enough in work, and what is redone is alone in a worker."""

from __future__ import annotations

import socket
from typing import cast

from audit.endpoint import parse_endpoint
from audit.fleet import Chunk, ChunkTarget
from audit.observation import Accident
from pytest_sslaudit.fleet.plan import Batch
from pytest_sslaudit.fleet.work_queue import WorkQueue
from pytest_sslaudit.fleet.worker_process import Task, WorkerProcess

KILLED, FULL = Accident("SIGKILL"), Accident("exit status 7")


def batch(*names: str) -> Batch:
    """Return a batch of chunks of two endpoints each."""
    targets = {name: [ChunkTarget(parse_endpoint(f"https://{name}{number}.example"), ()) for number in (1, 2)]
               for name in names}  # fmt: skip
    return tuple(Chunk(number, tuple(targets[name])) for number, name in enumerate(names, 1))


class Worker(WorkerProcess):
    """A worker without a process; what is sent to it is in work."""

    def __init__(self, pid: int) -> None:
        super().__init__(pid, cast("socket.socket", None))

    def send(self, message: object) -> None:
        """Send nothing."""

    def begin_next(self, work: WorkQueue) -> Task | None:
        """Begin the next task that it gets."""
        task = work.next_for(self)
        if task:
            self.begin(task)
        return task


def names(task: Task | None) -> list[str]:
    """Return the names of the endpoints of a task."""
    return [target.endpoint.name.partition(".")[0] for target in task.chunk.targets] if task else []


def test_worker_gets_chunks_until_it_has_enough() -> None:
    work, worker = WorkQueue([batch("a"), batch("b"), batch("c")], 3), Worker(1)
    assert [names(worker.begin_next(work)) for _ in range(3)] == [["a1", "a2"], ["b1", "b2"], []]
    worker.in_work.popitem()
    assert worker.begin_next(work) is None
    worker.in_work.popitem()
    assert names(worker.begin_next(work)) == ["c1", "c2"]
    assert not work.needs_workers


def test_chunks_of_a_batch_go_to_one_worker() -> None:
    work, first, second = WorkQueue([batch("a", "b"), batch("c")], 100), Worker(1), Worker(2)
    assert names(first.begin_next(work)) == ["a1", "a2"]
    assert names(second.begin_next(work)) == ["c1", "c2"]
    assert second.begin_next(work) is None
    assert names(first.begin_next(work)) == ["b1", "b2"]


def test_work_of_an_ended_worker_is_redone_alone() -> None:
    work, first, second = WorkQueue([batch("a", "b"), batch("c", "d", "e")], 100), Worker(1), Worker(2)
    first.begin_next(work)
    first.begin_next(work)
    second.begin_next(work)
    first.in_work.pop("https://a1.example:443")
    assert work.take_back(first, KILLED) is None
    assert work.needs_workers
    assert names(second.begin_next(work)) == ["d1", "d2"]  # it has something in work
    third = Worker(3)
    assert names(third.begin_next(work)) == ["a2", "b1", "b2"]
    assert third.begin_next(work) is None
    third.in_work.clear()
    assert third.begin_next(work) is None  # the rest is that of the second worker
    assert work.take_back(second, KILLED) is None
    assert names(third.begin_next(work)) == ["c1", "c2", "d1", "d2"]
    third.in_work.clear()
    assert names(third.begin_next(work)) == ["e1", "e2"]


def test_work_of_two_ended_workers_is_lost_with_both_reasons() -> None:
    work, first, second = WorkQueue([batch("a")], 100), Worker(1), Worker(2)
    first.begin_next(work)
    assert work.take_back(first, KILLED) is None
    second.begin_next(work)
    second.in_work.popitem()
    lost = work.take_back(second, FULL)
    assert lost is not None
    assert (names(lost), lost.ends) == (["a1"], (KILLED, FULL))
    assert not work.needs_workers


def test_worker_that_ends_with_nothing_in_work_costs_nothing() -> None:
    work, first, second = WorkQueue([batch("a", "b")], 2), Worker(1), Worker(2)
    first.begin_next(work)
    first.in_work.clear()
    assert work.take_back(first, KILLED) is None
    assert names(second.begin_next(work)) == ["b1", "b2"]


def test_drained_work_is_gone() -> None:
    work, worker = WorkQueue([batch("a"), batch("b", "c")], 100), Worker(1)
    worker.begin_next(work)
    work.take_back(worker, KILLED)
    assert [names(task) for task in work.drain()] == [["a1", "a2"], ["b1", "b2"], ["c1", "c2"]]
    assert not work.needs_workers
