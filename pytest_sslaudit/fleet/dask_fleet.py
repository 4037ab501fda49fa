"""Audits chunks of endpoints with the workers of a Dask cluster.

What a worker replies is hostile input. Hosts that are logged into, secrets, repairs and the checks of the user stay in
this process.
"""

from __future__ import annotations

import json
import pickle
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audit.checks import built_in_checks, check_of
from audit.evaluation.evaluate import CheckFunction
from audit.fleet import Chunk, EndpointReply, WorkerSettings
from audit.fleet.remote_worker import NOT_PREPARED, audit_chunk, own_versions, prepare, stop_run, versions_in, warm_up
from audit.fleet.untrusted_reply import ReplyRules, read_untrusted_reply
from audit.json_codec import BadRecord, to_json
from audit.observation import Accident, Observation
from pytest_sslaudit.fleet.cluster import BadReply, Event, Portion
from pytest_sslaudit.fleet.dask_cluster import ClusterClient
from pytest_sslaudit.fleet.dispatch import Dispatcher
from pytest_sslaudit.fleet.local_fleet import Delivery
from pytest_sslaudit.fleet.local_worker import WorkerSetup
from pytest_sslaudit.fleet.plan import Batch, addresses_of, shared_addresses
from pytest_sslaudit.fleet.schedulers import DaskCluster

_LOOK_S: Final = 0.1
_PREPARATION_S: Final = 120.0  # of a chunk: the first import of the checks, and the way there and back
_SHARE_OF_ENDPOINT: Final = 8.0  # deadlines of a probe that one endpoint may take, with greeting and revocation


@dataclass(frozen=True, slots=True)
class Receiver:
    """The functions that take what is known of an endpoint, and why the endpoints of a chunk were not audited.

    `meanwhile` is called between replies, and returns whether the audit goes on.
    """

    keep: Callable[[EndpointReply, Observation], object]
    give_up: Callable[[Chunk, str], object]
    meanwhile: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Work:
    """What the workers do: the settings, the chunks, and the rules for the replies.

    `shared` are the addresses that several chunks have, with the number of chunks. A chunk is taken from the iterator
    when a worker is free for it.
    """

    settings: WorkerSettings
    chunks: Iterator[Chunk]
    rules: ReplyRules
    shared: Mapping[str, int]


class DaskFleet:
    """The workers of a cluster. `notes` is what the user should know about them."""

    def __init__(self, cluster: DaskCluster, added: Iterable[CheckFunction], folder: Path) -> None:
        """Connect, or start the workers with their files in a folder; raises FleetFault.

        `added` are the checks of other distributions.
        """
        self.is_here = cluster.url is None
        self.notes: tuple[str, ...] = ()
        self._cluster = cluster
        self._checks = {check.id: check for function in (*built_in_checks(), *added) if (check := check_of(function))}
        self._run = f"sslaudit-{secrets.token_hex(8)}"
        self._client = ClusterClient(cluster, self._run, folder, warm_up)

    @property
    def size(self) -> int:
        """The number of workers that there are now, or for which the work is divided if there are none yet."""
        return max(1, self._client.workers)

    def audit(self, setup: WorkerSetup, batches: Iterable[Batch], delivery: Delivery, stop: threading.Event) -> None:
        """Have all chunks audited. It returns early if `stop` is set; raises FleetFault."""
        settings, planned = setup.settings, [chunk for batch in batches for chunk in batch]

        def give_up(chunk: Chunk, reason: str) -> None:
            for target in chunk.targets:
                delivery.lost(target.endpoint, Accident(reason))

        def meanwhile() -> bool:
            delivery.meanwhile()
            return not stop.is_set()

        rules = ReplyRules(self._checks, settings.waivers, settings.now, settings.limits.max_certificates)
        self.distribute(
            Work(settings, iter(planned), rules, shared_addresses(planned)),
            Receiver(delivery.observed, give_up, meanwhile),
        )
        while delivery.meanwhile() and not stop.is_set():
            stop.wait(_LOOK_S)

    def distribute(self, work: Work, receiver: Receiver) -> None:
        """Have all chunks audited or given up; raises FleetFault."""
        workers, limits = _Workers(self._client, self._run, pickle.dumps(work.settings)), work.settings.limits
        intake = _Intake(receiver, work)
        dispatcher = Dispatcher(
            workers, intake, str(self._cluster), per_address=limits.per_address, wait_s=self._cluster.wait_s
        )
        try:
            dispatcher.run(map(intake.portion, work.chunks), receiver.meanwhile)
        finally:
            self.notes = dispatcher.notes

    def close(self) -> None:
        """End what the workers do for the run, the connection, and the processes of the run."""
        self._client.close(stop_run)


class _Workers:
    """The workers as the dispatcher uses them."""

    def __init__(self, client: ClusterClient, run: str, settings: bytes) -> None:
        self._client, self._run, self._settings = client, run, settings
        self._versions = json.dumps(to_json(own_versions()))

    def next_event(self, timeout_s: float) -> Event | None:
        return self._client.next_event(timeout_s)

    def prepare(self, worker: str, job: int) -> None:
        self._client.call(worker, job, prepare, self._run, self._versions, self._settings)

    def audit(self, worker: str, job: int, portion: Portion, per_address: int) -> None:
        self._client.submit(worker, job, audit_chunk, self._run, portion.content, per_address)

    def drop(self, job: int) -> None:
        self._client.drop(job)


class _Intake:
    """Reads the replies of workers, and passes on what is valid. It holds the chunks that have not ended."""

    def __init__(self, receiver: Receiver, work: Work) -> None:
        self._receiver, self._work = receiver, work
        self._versions = own_versions()
        self._chunks: dict[int, Chunk] = {}

    def portion(self, chunk: Chunk) -> Portion:
        """Return a chunk as it is sent."""
        self._chunks[chunk.number] = chunk
        longest_s = _PREPARATION_S + len(chunk.targets) * _SHARE_OF_ENDPOINT * self._work.settings.limits.address_s
        shared = self._work.shared
        of_others = {address: shared[address] for address in addresses_of(chunk) if address in shared}
        return Portion(chunk.number, pickle.dumps(chunk), longest_s, of_others)

    def require_same_versions(self, reply: object) -> None:
        """Raise BadReply if a worker has other versions than this run."""
        try:
            differences = self._versions.differences(versions_in(reply))
        except BadRecord as error:
            raise BadReply(str(error)) from error
        if differences:
            raise BadReply(f"it has {differences}: install the same versions on all workers")

    def is_prepared(self, reply: object) -> bool:
        """Return whether the worker had the settings of the run; not if its process was started again."""
        return reply != NOT_PREPARED

    def accept(self, number: int, reply: object) -> None:
        """Pass on the endpoints of a chunk; raises BadReply before any is."""
        try:
            endpoints = read_untrusted_reply(reply, self._chunks[number], self._work.rules)
        except BadRecord as error:
            raise BadReply(str(error)) from error
        del self._chunks[number]
        for endpoint, observation in endpoints:
            self._receiver.keep(endpoint, observation)

    def give_up(self, number: int, reason: str) -> None:
        """Pass on why a chunk was not audited."""
        self._receiver.give_up(self._chunks.pop(number), reason)
