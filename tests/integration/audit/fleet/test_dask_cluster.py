"""Endpoints are audited by the workers of a real Dask cluster: workers are killed, hostile, old, or there are none."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit.checks import built_in_checks, check_of
from audit.endpoint import parse_endpoint
from audit.engine import AuditSettings, RevocationSettings
from audit.fleet import Chunk, ChunkAuditor, ChunkTarget, EndpointReply, results_in, worker_settings
from audit.fleet.untrusted_reply import ReplyRules
from audit.observation import DnsView, Observation
from audit.probe import Limits
from tests.support.dask_cluster import RunningCluster, running_cluster
from tests.support.endpoint_facts import public
from tests.support.probe.tls_servers import Count, both, serving, tls
from tests.support.x509.certificates import leaf

pytest.importorskip("distributed")

from pytest_sslaudit.fleet import dask_cluster
from pytest_sslaudit.fleet.cluster import FleetFault, Present
from pytest_sslaudit.fleet.dask_fleet import DaskFleet, Receiver, Work
from pytest_sslaudit.fleet.schedulers import DaskCluster

CHECKS = {check.id: check for function in built_in_checks() if (check := check_of(function))}
JUDGED = ("cert.self-signed", "svc.unreachable", "proto.version")
NOW = datetime.now(UTC)
SETTINGS = worker_settings(
    AuditSettings(public(), NOW, limits=Limits(concurrency=2), revocation=RevocationSettings(is_on=False)), NOW
)
CHUNKS, SIZE = 6, 4


@dataclass
class Received:
    """What a run receives: every endpoint once, from whichever worker."""

    replies: dict[str, EndpointReply] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    after: Callable[[int], object] = id  # called with the number of endpoints received

    def keep(self, reply: EndpointReply, observation: Observation) -> None:
        assert reply.endpoint == str(observation.endpoint)
        assert reply.endpoint not in self.replies, "an endpoint was received twice"
        self.replies[reply.endpoint] = reply
        self.after(len(self.replies))

    def give_up(self, chunk: Chunk, reason: str) -> None:
        for target in chunk.targets:
            assert str(target.endpoint) not in self.replies, "an endpoint was received and given up"
            self.reasons[str(target.endpoint)] = reason


@dataclass(frozen=True)
class Servers:
    """One server for each chunk, and the chunks."""

    counts: tuple[Count, ...]
    chunks: tuple[Chunk, ...]
    folder: Path

    @property
    def connections(self) -> int:
        return sum(count.connections for count in self.counts)

    def audit(self, cluster: DaskCluster, received: Received) -> tuple[str, ...]:
        """Audit all chunks, of which each has its own address; return what the user should know."""
        fleet = DaskFleet(cluster, (), self.folder)
        try:
            rules = ReplyRules(CHECKS, (), NOW, 128)
            receiver = Receiver(received.keep, received.give_up, lambda: True)
            fleet.distribute(Work(SETTINGS, iter(self.chunks), rules, {}), receiver)
        finally:
            fleet.close()
        return fleet.notes


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    script = tls(both(leaf("www.example.com")))

    def slow(connected: object) -> None:
        time.sleep(0.05)
        script(connected)  # type: ignore[arg-type]  # a socket

    with ExitStack() as opened:
        places = [f"127.0.3.{1 + number}" for number in range(CHUNKS)]
        counts = tuple(opened.enter_context(serving(slow, address=place)) for place in places)
        chunks = tuple(
            Chunk(number, tuple(target(number, index, place, count.port) for index in range(SIZE)))
            for number, (place, count) in enumerate(zip(places, counts, strict=True))
        )
        yield Servers(counts, chunks, tmp_path)


def target(number: int, index: int, place: str, port: int) -> ChunkTarget:
    endpoint = parse_endpoint(f"https://n{number}-{index}.example.com:{port}?address={place}")
    return ChunkTarget(endpoint, JUDGED, dns=DnsView("not-asked"))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RunningCluster]:
    with running_cluster(tmp_path) as running:
        yield running


def test_verdicts_are_those_of_this_process(cluster: RunningCluster, servers: Servers) -> None:
    own, received = list[EndpointReply](), Received()
    for chunk in servers.chunks:
        ChunkAuditor(SETTINGS).audit(chunk, own.append)
    with cluster.worker(), cluster.worker():
        notes = servers.audit(cluster.named(), received)
    assert (notes, received.reasons) == ((), {})
    assert received.replies.keys() == {reply.endpoint for reply in own}
    for reply in own:
        expected = {result.check: (result.verdict, result.message) for result in results_in(reply.results).values()}
        found = results_in(received.replies[reply.endpoint].results)
        assert {check: (result.verdict, result.message) for check, result in found.items()} == expected


def test_killed_worker_costs_no_more_than_its_chunk(cluster: RunningCluster, servers: Servers) -> None:
    with cluster.worker() as doomed, cluster.worker():

        def kill_at_half_time(count: int) -> None:
            if count == CHUNKS * SIZE // 2:
                doomed.kill()

        received = Received(after=kill_at_half_time)
        servers.audit(cluster.named(), received)
    assert received.reasons == {}
    assert len(received.replies) == CHUNKS * SIZE
    once = sum(reply.connections for reply in received.replies.values())
    assert once <= servers.connections <= once + once // CHUNKS


def test_lost_scheduler_leaves_the_rest_with_the_reason(cluster: RunningCluster, servers: Servers) -> None:
    received = Received(after=lambda count: cluster.scheduler.kill() if count == SIZE else None)
    with cluster.worker():
        servers.audit(cluster.named(), received)
    assert len(received.replies) + len(received.reasons) == CHUNKS * SIZE
    assert SIZE <= len(received.replies) < CHUNKS * SIZE
    assert {reason[: reason.index(" was lost")] for reason in received.reasons.values()} == {str(cluster.named())}


def test_busy_scheduler_is_not_lost(cluster: RunningCluster, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    def suspend(count: int) -> None:
        if count == SIZE:
            monkeypatch.setattr(dask_cluster, "_CONNECT_S", 0.2)
            cluster.scheduler.send_signal(signal.SIGSTOP)
            threading.Timer(2.5, cluster.scheduler.send_signal, (signal.SIGCONT,)).start()  # a look is each second

    received = Received(after=suspend)
    with cluster.worker():
        servers.audit(cluster.named(), received)
    assert received.reasons == {}
    assert len(received.replies) == CHUNKS * SIZE


def test_cluster_without_workers_is_an_error(cluster: RunningCluster, servers: Servers) -> None:
    with pytest.raises(FleetFault, match=r"the Dask scheduler tls://127.* had no worker for 0\.5 s: start workers"):
        servers.audit(cluster.named(wait_s=0.5), Received())


def test_missing_scheduler_is_an_error(
    servers: Servers, cluster: RunningCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_cluster, "_CONNECT_S", 0.5)
    cluster.scheduler.kill()
    cluster.scheduler.wait()
    with pytest.raises(FleetFault, match=r"the Dask scheduler tls://127.* cannot be used: "):
        servers.audit(cluster.named(), Received())


OLD = """
import dataclasses
import audit.fleet.remote_worker as remote_worker

versions = remote_worker.own_versions()
remote_worker.own_versions = lambda: dataclasses.replace(versions, product="0.0.9")
"""


def test_worker_with_another_version_is_named_before_anything_is_observed(
    cluster: RunningCluster, servers: Servers
) -> None:
    with (
        cluster.worker(OLD),
        pytest.raises(FleetFault, match=r"worker tls://\S+: it has pytest-sslaudit 0\.0\.9 \(this run: "),
    ):
        servers.audit(cluster.named(), Received())
    assert servers.connections == 0


SWAPPED = """
import zlib
import audit.fleet.remote_worker as remote_worker

kept = []
honest = remote_worker.__dict__.setdefault("honest", remote_worker.audit_chunk)  # Dask executes this file twice

def audit_chunk(*arguments):
    kept.append(honest(*arguments))
    if len(kept) == 1:
        other = zlib.decompress(kept[0]).replace(b"//n", b"//of-another-chunk")
        return zlib.compress(other)
    return kept[0]

remote_worker.audit_chunk = audit_chunk
"""
EXECUTING = """
import contextlib
import os
import audit.fleet.remote_worker as remote_worker

class Executed(Exception):
    def __reduce__(self):
        return os.symlink, (f"{os.getpid()}", FILE)

def audit_chunk(*arguments):
    HOW Executed("a text")

remote_worker.audit_chunk = audit_chunk
"""


def test_rows_of_other_endpoints_are_refused_and_the_chunk_is_redone(cluster: RunningCluster, servers: Servers) -> None:
    received = Received()
    with cluster.worker(SWAPPED), cluster.worker():
        (note,) = servers.audit(cluster.named(), received)
    assert received.reasons == {}
    assert received.replies.keys() == {str(target.endpoint) for chunk in servers.chunks for target in chunk.targets}
    assert "is not used: its reply was refused: it has a line of https://of-another-chunk" in note


@pytest.mark.parametrize("how", ["return", "raise"])
def test_pickle_of_a_worker_runs_no_code_in_the_run(
    cluster: RunningCluster, servers: Servers, how: str, tmp_path: Path
) -> None:
    executed, received = tmp_path / "executed", Received()
    with cluster.worker(EXECUTING.replace("HOW", how).replace("FILE", repr(str(executed)))), cluster.worker():
        servers.audit(cluster.named(), received)
    assert len(received.replies) == CHUNKS * SIZE
    assert not executed.is_symlink() or executed.readlink() != Path(str(os.getpid()))


def test_interrupt_ends_the_chunks_of_the_workers(cluster: RunningCluster, servers: Servers) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with cluster.worker(), cluster.worker():
        with pytest.raises(KeyboardInterrupt):
            servers.audit(cluster.named(), Received(after=interrupt))
        assert not [thread for thread in threading.enumerate() if thread.name == "dask-client"]
        received = Received()
        servers.audit(cluster.named(), received)  # the workers are free again
    assert len(received.replies) == CHUNKS * SIZE


def test_workers_of_the_run_use_tls(tmp_path: Path) -> None:
    client = dask_cluster.ClusterClient(replace(DaskCluster(None, None, 60.0), processes=1), "a-run", tmp_path)
    try:
        event = client.next_event(60)
    finally:
        client.close()
    assert isinstance(event, Present)
    assert {worker.partition("://")[0] for worker in event.workers} == {"tls"}


def test_workers_of_the_run_end_with_it(servers: Servers) -> None:
    children = set[int]()
    received = Received(after=lambda _: children.update(workers_of_this_process()))
    servers.audit(replace(DaskCluster(None, None, 60.0), processes=2), received)
    assert len(received.replies) == CHUNKS * SIZE
    assert children
    assert not children & workers_of_this_process()


def workers_of_this_process() -> set[int]:
    """Return the ids of the processes that Dask has started."""
    found = set[int]()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"spawn_main" in (status.parent / "cmdline").read_bytes():
                found.add(int(status.parent.name))
    return found
