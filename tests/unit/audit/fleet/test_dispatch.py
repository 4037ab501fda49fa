"""Distribution of chunks over the workers of a cluster, with a cluster of the test and a clock that it moves."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from pytest_sslaudit.fleet.cluster import (
    Answered,
    BadReply,
    Event,
    Failed,
    FleetFault,
    Gone,
    Portion,
    Present,
)
from pytest_sslaudit.fleet.dispatch import Dispatcher

NAME = "the cluster"
SAME = b"same versions"
GOOD = b"good"
PER_ADDRESS = 4


@dataclass
class ScriptedCluster:
    """Answers each job by `on_audit`; None: its end is never reported. The clock moves when nothing happens."""

    workers: set[str]
    on_audit: Callable[[str, Portion], object] = lambda _worker, _portion: GOOD
    on_prepare: Callable[[str], object] = lambda _worker: SAME
    now: float = 0.0
    events: deque[Event] = field(default_factory=deque)
    audits: list[tuple[str, int, int]] = field(default_factory=list)  # worker, chunk, connections to an address
    prepared: list[str] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    running: dict[int, tuple[str, Portion]] = field(default_factory=dict)
    most_running: Counter[str] = field(default_factory=Counter)

    def clock(self) -> float:
        return self.now

    def next_event(self, timeout_s: float) -> Event | None:
        if self.events:
            event = self.events.popleft()
            if isinstance(event, Answered | Failed):
                self.running.pop(event.job, None)
            return event
        self.now += timeout_s
        return Present(frozenset(self.workers))

    def prepare(self, worker: str, job: int) -> None:
        self.prepared.append(worker)
        self._end(job, self.on_prepare(worker))

    def audit(self, worker: str, job: int, portion: Portion, per_address: int) -> None:
        self.audits.append((worker, portion.number, per_address))
        self.running[job] = (worker, portion)
        self.most_running[worker] = max(
            self.most_running[worker], sum(running == worker for running, _ in self.running.values())
        )
        self._end(job, self.on_audit(worker, portion))

    def drop(self, job: int) -> None:
        self.dropped.append(job)
        self.running.pop(job, None)

    def _end(self, job: int, content: object) -> None:
        if isinstance(content, Gone):
            self.events.append(content)
        elif isinstance(content, Failed):
            self.events.append(Failed(job, content.reason))
        elif content is not None:
            self.events.append(Answered(job, content))


@dataclass
class Kept:
    """What was kept of each chunk: its reply, or why there is none."""

    replies: dict[int, object] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    on_accept: Callable[[], object] = int

    def require_same_versions(self, reply: object) -> None:
        if reply != SAME:
            raise BadReply(f"it has {reply!r}")

    def is_prepared(self, reply: object) -> bool:
        return reply != b"restarted"

    def accept(self, number: int, reply: object) -> None:
        if reply != GOOD:
            raise BadReply("rows of another endpoint")
        self.on_accept()
        assert number not in self.replies, "a chunk was kept twice"
        self.replies[number] = reply

    def give_up(self, number: int, reason: str) -> None:
        assert number not in self.replies, "a chunk was kept and given up"
        assert number not in self.reasons, "a chunk was given up twice"
        self.reasons[number] = reason


def chunks(count: int, shared: dict[str, int] | None = None) -> Iterator[Portion]:
    return (Portion(number, b"", 100.0, shared or {}) for number in range(count))


def dispatcher(cluster: ScriptedCluster, kept: Kept) -> Dispatcher:
    return Dispatcher(cluster, kept, NAME, per_address=PER_ADDRESS, wait_s=10.0, clock=cluster.clock)


def distribute(cluster: ScriptedCluster, count: int = 6, shared: dict[str, int] | None = None) -> Kept:
    kept = Kept()
    dispatcher(cluster, kept).run(chunks(count, shared))
    assert kept.replies.keys() | kept.reasons.keys() == set(range(count))
    return kept


def test_every_chunk_is_kept_once_and_a_worker_has_one_at_a_time() -> None:
    cluster = ScriptedCluster({"a", "b", "c"})
    kept = distribute(cluster, 20)
    assert (len(kept.replies), len(cluster.audits)) == (20, 20)
    assert set(cluster.most_running.values()) == {1}
    assert sorted(cluster.prepared) == ["a", "b", "c"]


def test_chunks_are_taken_when_a_worker_is_free_for_them() -> None:
    cluster, kept, taken = ScriptedCluster({"a", "b"}), Kept(), list[int]()
    ahead = list[int]()

    def lazily() -> Iterator[Portion]:
        for portion in chunks(100):
            taken.append(portion.number)
            ahead.append(len(taken) - len(kept.replies))
            yield portion

    dispatcher(cluster, kept).run(lazily())
    assert len(kept.replies) == 100
    assert max(ahead) <= 2 + 3 + 1  # in work, unread, and the one that is taken


def test_chunk_of_lost_worker_is_redone_by_another_worker() -> None:
    def lose_b(worker: str, _: Portion) -> object:
        if worker == "b":
            cluster.workers.discard("b")
            return None
        return GOOD

    cluster = ScriptedCluster({"a", "b"}, lose_b)
    assert len(distribute(cluster).replies) == 6
    assert len(cluster.audits) == 7
    assert sum(worker == "b" for worker, *_ in cluster.audits) == 1


def test_chunk_that_fails_twice_is_given_up_with_both_reasons() -> None:
    cluster = ScriptedCluster(
        {"a", "b", "c"}, lambda _, portion: Failed(0, "no memory") if portion.number == 3 else GOOD
    )
    kept = distribute(cluster)
    workers = [worker for worker, number, _ in cluster.audits if number == 3]
    assert len(set(workers)) == 2
    assert kept.reasons == {3: "; ".join(f"worker {worker}: it failed: no memory" for worker in workers)}


def test_the_only_worker_redoes_a_chunk_itself() -> None:
    tries = Counter[int]()

    def fail_once(_: str, portion: Portion) -> object:
        tries[portion.number] += 1
        return Failed(0, "no memory") if tries[portion.number] == 1 else GOOD

    assert len(distribute(ScriptedCluster({"a"}, fail_once), 2).replies) == 2


def test_worker_gets_its_next_chunk_before_its_reply_is_read() -> None:
    cluster, kept = ScriptedCluster({"a", "b"}), Kept()
    audits = list[int]()
    kept.on_accept = lambda: audits.append(len(cluster.audits) - len(kept.replies))
    dispatcher(cluster, kept).run(chunks(20))
    assert audits[0] >= 4  # both workers have another one
    assert max(audits) <= 6  # and no more than they can have unread


def test_replies_that_have_come_are_read_when_the_scheduler_is_lost() -> None:
    cluster = ScriptedCluster({"a", "b"}, lambda _, portion: Gone("it ended") if portion.number == 3 else GOOD)
    kept = distribute(cluster)
    assert set(kept.replies) == {0, 1, 2}


def test_worker_whose_reply_is_refused_gets_no_other_chunk() -> None:
    cluster, kept = ScriptedCluster({"a", "hostile"}, lambda worker, _: b"?" if worker == "hostile" else GOOD), Kept()
    distribution = dispatcher(cluster, kept)
    distribution.run(chunks(6))
    assert len(kept.replies) == 6
    assert sum(worker == "hostile" for worker, *_ in cluster.audits) <= 2  # one was begun before its reply was read
    assert distribution.notes == (
        f"{NAME}: worker hostile is not used: its reply was refused: rows of another endpoint",
    )


def test_restarted_worker_is_prepared_again() -> None:
    replies = iter([b"restarted"])
    cluster = ScriptedCluster({"a"}, lambda *_: next(replies, GOOD))
    assert len(distribute(cluster).replies) == 6
    assert cluster.prepared == ["a", "a"]


def test_other_versions_at_the_start_end_the_run_before_any_chunk() -> None:
    cluster = ScriptedCluster({"a", "b"}, on_prepare=lambda worker: SAME if worker == "a" else b"old")
    with pytest.raises(FleetFault, match="the cluster, worker b: it has b'old'"):
        distribute(cluster)
    assert not cluster.audits


def test_worker_that_joins_later_with_other_versions_is_not_used() -> None:
    def join(_: str, portion: Portion) -> object:
        if portion.number == 1:
            cluster.workers.update(("late", "old"))
            cluster.events.append(Present(frozenset(cluster.workers)))
        return GOOD

    cluster = ScriptedCluster({"a"}, join, lambda worker: b"old" if worker == "old" else SAME)
    assert len(distribute(cluster, 12).replies) == 12
    assert {worker for worker, *_ in cluster.audits} == {"a", "late"}


def test_worker_that_does_not_respond_in_time_is_prepared_again() -> None:
    attempts = iter([Failed(0, "timed out"), Failed(0, "timed out")])
    cluster = ScriptedCluster({"a"}, on_prepare=lambda _: next(attempts, SAME))
    assert len(distribute(cluster).replies) == 6
    assert cluster.prepared == ["a", "a", "a"]


def test_worker_that_cannot_be_prepared_is_not_used() -> None:
    cluster = ScriptedCluster({"a", "b"}, on_prepare=lambda worker: SAME if worker == "a" else Failed(0, "no module"))
    assert len(distribute(cluster).replies) == 6
    assert {worker for worker, *_ in cluster.audits} == {"a"}


@pytest.mark.parametrize(
    ("cluster", "reason"),
    [
        (ScriptedCluster(set()), "the cluster had no worker for 10 s: start workers"),
        (ScriptedCluster({"a"}, on_prepare=lambda _: Failed(0, "no module")), r"had no worker .* \(a: it cannot be"),
        (ScriptedCluster({"a"}, on_prepare=lambda _: Gone("it ended")), "the cluster was lost: it ended"),
    ],
    ids=["no-worker", "unusable-worker", "scheduler-lost"],
)
def test_cluster_without_worker_at_the_start_is_an_error(cluster: ScriptedCluster, reason: str) -> None:
    with pytest.raises(FleetFault, match=reason):
        distribute(cluster)


def test_lost_scheduler_leaves_the_missing_chunks_with_the_reason() -> None:
    cluster = ScriptedCluster({"a"}, lambda _, portion: Gone("it ended") if portion.number == 2 else GOOD)
    kept = distribute(cluster)
    assert set(kept.replies) == {0, 1}
    assert set(kept.reasons.values()) == {"the cluster was lost: it ended"}


def test_loss_of_all_workers_leaves_the_missing_chunks_with_the_reason() -> None:
    def lose(_: str, portion: Portion) -> object:
        if portion.number == 2:
            cluster.workers.clear()
            return None
        return GOOD

    cluster = ScriptedCluster({"a"}, lose)
    kept = distribute(cluster)
    assert set(kept.replies) == {0, 1}
    assert kept.reasons[2].startswith("worker a: it was lost; the cluster had no worker for 10 s")


def test_silent_worker_is_treated_as_lost() -> None:
    cluster = ScriptedCluster({"a", "b"}, lambda worker, _: None if worker == "a" else GOOD)
    assert len(distribute(cluster, 3).replies) == 3
    assert sum(worker == "a" for worker, *_ in cluster.audits) == 1


@pytest.mark.parametrize(
    ("workers", "sharing_chunks", "share"),
    [
        ({"a"}, 9, PER_ADDRESS),
        ({"a", "b"}, 9, 2),
        ({"a", "b"}, 1, PER_ADDRESS),
        ({"a", "b", "c"}, 9, 1),
        ({*"abcdefg"}, 9, 1),
    ],
    ids=["one-worker", "half", "not-shared", "third", "more-workers-than-connections"],
)
def test_limit_per_address_is_divided_among_workers(workers: set[str], sharing_chunks: int, share: int) -> None:
    most = 0

    def count(_: str, __: Portion) -> object:
        nonlocal most
        most = max(most, share * len(cluster.running))
        return GOOD

    cluster = ScriptedCluster(set(workers), count)
    distribute(cluster, 12, {"192.0.2.1": sharing_chunks})
    assert {given for *_, given in cluster.audits} == {share}
    assert most <= PER_ADDRESS
