"""Has the endpoints of a run audited by its workers. The run itself observes those of hosts that it has logged into."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from audit.checks import built_in_checks, check_of
from audit.endpoint import Endpoint
from audit.engine import Observer
from audit.evaluation.evaluate import CheckFunction, parameters_of
from audit.evaluation.key_index import KeyIndex
from audit.fleet import ChunkTarget, EndpointReply, WorkerSettings, worker_settings
from audit.fleet.shared_slots import SharedSlots
from audit.observation import Accident, Observation
from audit.probe import Target
from pytest_sslaudit.fleet.local_fleet import Delivery, LocalFleet
from pytest_sslaudit.fleet.local_worker import WorkerSetup
from pytest_sslaudit.fleet.plan import batches, resolved
from pytest_sslaudit.fleet.result_spool import ResultSpool
from pytest_sslaudit.run_state import Run


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What the run does with each endpoint that is audited."""

    replied: Callable[[EndpointReply], None]  # a worker has observed or judged it
    lost: Callable[[Endpoint, Accident], None]  # no worker could audit it
    observed: Callable[[Observation], None]  # the run itself has observed it


class ParallelAudit:
    """The workers of a run, and the results that they have returned."""

    def __init__(self, size: int, run: Run, keys: KeyIndex, added: Sequence[CheckFunction], folder: Path) -> None:
        """Start the processes; `added` are the checks of other distributions, and `folder` is for files of the run."""
        self._run = run
        self._modules = tuple(dict.fromkeys(function.__module__ for function in added))
        self._slots_file = folder / "address-slots"
        self._spool = ResultSpool(folder / "worker-results", keys.has_shared_key, _on_sharing(added))
        self.slots = SharedSlots(self._slots_file, run.settings.limits.per_address)
        self._fleet = LocalFleet(size)
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
            self._spool.add(reply.endpoint, reply.results)
            outcomes.replied(reply)

        meanwhile, stop = loop
        setup = WorkerSetup(self._settings(), self._run.store, slots)
        delivery = Delivery(replied, outcomes.lost, meanwhile)
        self._fleet.audit(setup, batches(targets, self._fleet.size), delivery, stop)

    def _settings(self) -> WorkerSettings:
        """Return the settings of each worker; all of them together have the limit of connections of a run."""
        settings = self._run.settings
        for_engine, folder = self._run.for_engine, settings.state / "revocation"
        limits = for_engine.limits
        share = replace(limits, concurrency=max(1, limits.concurrency // self._fleet.size))
        return worker_settings(replace(for_engine, limits=share), self._run.now, folder, self._modules)

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
