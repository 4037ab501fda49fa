"""Has the endpoints of a run audited by its workers. The run itself observes those of hosts that it has logged into."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from audit.checks import built_in_checks, check_of
from audit.endpoint import Endpoint
from audit.engine import Observer
from audit.evaluation.evaluate import CheckFunction, parameters_of
from audit.evaluation.key_index import KeyIndex
from audit.fleet import ChunkTarget, EndpointReply, WorkerSettings, worker_settings
from audit.fleet.shared_slots import SharedSlots
from audit.observation import Accident, Observation
from audit.probe import Target
from pytest_sslaudit.fleet.local_fleet import Delivery
from pytest_sslaudit.fleet.local_worker import WorkerSetup
from pytest_sslaudit.fleet.plan import Batch, batches, resolved
from pytest_sslaudit.fleet.result_spool import ResultSpool
from pytest_sslaudit.run_state import Run


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What the run does with each endpoint that is audited."""

    replied: Callable[[EndpointReply], None]  # a worker has observed or judged it
    lost: Callable[[Endpoint, Accident], None]  # no worker could audit it
    observed: Callable[[Observation], None]  # the run has its observation, from itself or from another machine
    take: Callable[[EndpointReply], str]  # takes results of a worker; returns those that the run takes later


class Fleet(Protocol):
    """The workers of a run; with `is_here` they share the machine of the run, with its files."""

    @property
    def size(self) -> int:
        """The number of workers."""
        ...

    @property
    def is_here(self) -> bool:
        """Whether they share the machine of the run, with its folder for CRLs and its limits."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user of the run should know about them."""
        ...

    def audit(self, setup: WorkerSetup, batches: Iterable[Batch], delivery: Delivery, stop: threading.Event) -> None:
        """Have all chunks audited; return early if `stop` is set."""
        ...

    def close(self) -> None:
        """End the workers."""
        ...


class ParallelAudit:
    """The workers of a run, and the results that they have returned."""

    def __init__(self, fleet: Fleet, run: Run, keys: KeyIndex, added: Sequence[CheckFunction], folder: Path) -> None:
        """Take over the workers; `added` are the checks of other distributions, `folder` is for files of the run."""
        self._run = run
        self._modules = tuple(dict.fromkeys(function.__module__ for function in added))
        self._slots_file = folder / "address-slots"
        self._spool = ResultSpool(folder / "worker-results", keys.has_shared_key, _on_sharing(added))
        self.slots = SharedSlots(self._slots_file, run.settings.limits.per_address)
        self._fleet = fleet
        run.given_results = self._spool.results_of

    def observe(self, targets: Sequence[Target], observer: Observer, outcomes: Outcomes, stop: threading.Event) -> None:
        """Have these targets audited. Those of a host that the run has logged into are observed by the run."""
        outside = [target for target in targets if target == Target(target.endpoint)]
        beside = _Beside(observer, [target for target in targets if target != Target(target.endpoint)], outcomes)
        chunk_targets = resolved(self._chunk_targets(target.endpoint for target in outside), observer.limits, stop)
        self._audit(chunk_targets, self._slots_file, outcomes, (beside.advance, stop))

    def judge(self, endpoints: Iterable[Endpoint], outcomes: Outcomes, stop: threading.Event) -> None:
        """Have the stored observations of these endpoints judged."""
        self._audit(self._chunk_targets(endpoints), None, outcomes, (lambda: False, stop))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user of the run should know about the workers."""
        return self._fleet.notes

    def close(self) -> None:
        """End the processes."""
        self._fleet.close()
        self.slots.close()
        self._spool.close()

    def _audit(
        self,
        targets: Sequence[ChunkTarget],
        slots: Path | None,
        outcomes: Outcomes,
        loop: tuple[Callable[[], bool], threading.Event],
    ) -> None:
        def replied(reply: EndpointReply) -> None:
            outcomes.replied(reply)
            self._spool.add(reply.endpoint, outcomes.take(reply))

        def observed(reply: EndpointReply, observation: Observation) -> None:
            outcomes.observed(observation)
            self._spool.add(reply.endpoint, outcomes.take(reply))

        meanwhile, stop = loop
        setup = WorkerSetup(self._settings(), self._run.store, slots)
        delivery = Delivery(replied, observed, outcomes.lost, meanwhile)
        self._fleet.audit(setup, batches(targets, self._fleet.size), delivery, stop)

    def _settings(self) -> WorkerSettings:
        """Return the settings of each worker; all those of this machine together have the limit of a run."""
        settings, for_engine = self._run.settings, self._run.for_engine
        if not self._fleet.is_here:
            return worker_settings(for_engine, self._run.now, None, self._modules)
        limits = for_engine.limits
        share = replace(limits, concurrency=max(1, limits.concurrency // self._fleet.size))
        return worker_settings(
            replace(for_engine, limits=share), self._run.now, settings.state / "revocation", self._modules
        )

    def _chunk_targets(self, endpoints: Iterable[Endpoint]) -> tuple[ChunkTarget, ...]:
        """Return the endpoints with the checks that were collected for each, and for its host."""
        checks = self._run.selected.checks_of
        return tuple(
            ChunkTarget(endpoint, checks(str(endpoint)), checks(f"{endpoint.host}/") if endpoint.host else ())
            for endpoint in endpoints
        )


def _on_sharing(added: Iterable[CheckFunction]) -> Collection[str]:
    """Return the ids of the checks that compare the key of an endpoint with those of others."""
    functions = (function for function in (*built_in_checks(), *added) if "key_sharing" in parameters_of(function))
    return frozenset(check.id for function in functions if (check := check_of(function)))


class _Beside:
    """Targets that a thread of the run observes while its workers audit others."""

    def __init__(self, observer: Observer, targets: Sequence[Target], outcomes: Outcomes) -> None:
        """Start the thread, if there are targets."""
        self._outcomes = outcomes
        self._seen = queue.SimpleQueue[Observation]()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._observe, args=(observer, targets), daemon=True)
        if targets:
            self._thread.start()

    def _observe(self, observer: Observer, targets: Sequence[Target]) -> None:
        try:
            observer.observe(targets, self._seen.put)
        except BaseException as error:  # noqa: BLE001 - raised in the main thread
            self._error = error

    def advance(self) -> bool:
        """Pass on what was observed; return whether more will come."""
        is_alive = self._thread.is_alive()  # before the queue is read: the thread may end meanwhile
        while not self._seen.empty():
            self._outcomes.observed(self._seen.get())
        if self._error:
            raise self._error
        return is_alive
