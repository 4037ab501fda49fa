"""Observes what the tests of a run need, here or by its workers, and writes each observation once."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import pytest

from audit.endpoint import Endpoint
from audit.engine import Observer, make_observer
from audit.evaluation.facts import Facts
from audit.evaluation.key_index import KeyIndex
from audit.evaluation.observation_row import observation_row
from audit.evaluation.result import Phase
from audit.fleet import EndpointReply
from audit.json_codec import compact
from audit.observation import Accident, Observation
from audit.probe import Target
from pytest_sslaudit.controller.hosts import AuditedHosts
from pytest_sslaudit.evidence import CollectedTests
from pytest_sslaudit.fleet.cluster import FleetFault
from pytest_sslaudit.fleet.parallel import Outcomes, ParallelAudit
from pytest_sslaudit.items.grouped_items import ALL_JUDGED
from pytest_sslaudit.reports.progress import Progress
from pytest_sslaudit.reports.results_file import ResultsFile
from pytest_sslaudit.reports.totals import RunTotals
from pytest_sslaudit.run_state import Run


@dataclass
class Observations:
    """The observations of a run: each is counted, and written to the results if there are any.

    `parallel` are the workers of the run, if it has any: they observe what is needed first.
    """

    config: pytest.Config
    run: Run
    hosts: AuditedHosts
    keys: KeyIndex
    totals: RunTotals
    results: ResultsFile | None
    stop: threading.Event
    parallel: ParallelAudit | None = None
    is_complete: bool = False  # whether everything that the tests of the first hosts need was observed
    _observer: Observer | None = None
    _observed_at: dict[str, datetime] = field(default_factory=dict)  # of each endpoint, as last written
    _with_revocation: set[str] = field(default_factory=set)  # the ids of the endpoints whose revocation is judged

    def observe_needed(self, collected: CollectedTests) -> None:
        """Observe every endpoint that these tests need; evidence of an earlier run is only judged."""
        ids = frozenset(collected.endpoints)
        if self.run.settings.from_evidence:
            self._judge_stored([endpoint for endpoint in self.run.inventory.endpoints if str(endpoint) in ids])
            return
        judged = self._with_revocation
        judged.update(collected.revocation)
        self._observer = observer = make_observer(
            self.run.evaluation,
            self.run.for_engine,
            lambda seen: str(seen.endpoint) in judged,
            self.stop,
            slots=self.parallel.slots if self.parallel else None,
        )
        targets = [target for target in self.hosts.targets if str(target.endpoint) in ids]
        if self.parallel is None or self.is_complete:  # those of further hosts are observed in this process
            self.observe(targets)
            return
        with self.hosts.shown(), Progress(self.config, len(targets)) as progress:
            try:
                self.parallel.observe(targets, observer, self._outcomes(progress), self.stop)
            except FleetFault as error:
                raise pytest.UsageError(str(error)) from error

    def _judge_stored(self, endpoints: Sequence[Endpoint]) -> None:
        """Write the observations of these endpoints, which workers may judge at the same time."""
        if self.parallel is None:
            for endpoint in endpoints:
                self.write(self.run.observation_of(endpoint))
            return
        with Progress(self.config, len(endpoints)) as progress:
            self.parallel.judge(endpoints, self._outcomes(progress), self.stop)

    def _outcomes(self, progress: Progress) -> Outcomes:
        """Return what is done with the endpoints that workers audit."""

        def replied(reply: EndpointReply) -> None:
            self._write_reply(reply)
            progress.advance(reply.endpoint)

        def lost(endpoint: Endpoint, accident: Accident) -> None:
            if self.run.settings.from_evidence:
                blank = self.run.lost[endpoint] = Observation(endpoint, self.run.inventory.started, accident=accident)
                self.write(blank)
            else:
                self.keep(Observation(endpoint, datetime.now(UTC), accident=accident))
            progress.advance(str(endpoint))

        def observed(observation: Observation) -> None:
            self.keep(observation)
            progress.advance(str(observation.endpoint), observation.elapsed_s)

        return Outcomes(replied, lost, observed, self._take)

    def _take(self, reply: EndpointReply) -> str:
        """Record the results of a reply, if no test has to report them first; return those that are left."""
        endpoint = self._endpoints_by_id.get(reply.endpoint)
        if endpoint is None or self.run.settings.items != "check":
            return reply.results
        rows = json.loads(reply.results)
        left = self.config.stash[ALL_JUDGED].take_given(self.run, endpoint, rows)
        return compact(left)

    def _write_reply(self, reply: EndpointReply) -> None:
        """Write the observation that a worker has stored."""
        if not reply.row:  # an exception of ours, which has to be raised here to be reported
            self.write(self.run.observation_of(self._endpoints_by_id[reply.endpoint]))
            return
        self.totals.connections += reply.connections
        self._observed_at[reply.endpoint] = reply.observed_at
        self.keys.add_uses(reply.endpoint, reply.uses)
        if self.results:
            self.results.write_json("observation", reply.row)

    @cached_property
    def _endpoints_by_id(self) -> dict[str, Endpoint]:
        return {str(endpoint): endpoint for endpoint in self.run.inventory.endpoints}

    def observe_again(self, endpoint: Endpoint) -> None:
        """Observe an endpoint again. A host is not: that would be another login."""
        target = self.hosts.targets_by_id.get(str(endpoint))
        if target and self._observer:
            self._observer.observe([target], self.keep)

    def observe(self, targets: Sequence[Target], phase: Phase = "before") -> None:
        """Observe these targets and keep their observations."""
        with self.hosts.shown(), Progress(self.config, len(targets)) as progress:

            def keep(observation: Observation) -> None:
                self.keep(observation, phase)
                progress.advance(str(observation.endpoint), observation.elapsed_s)

            if self._observer:
                self._observer.observe(targets, keep)

    def keep(self, observation: Observation, phase: Phase = "before") -> None:
        """Store the observation of an endpoint or host."""
        self.run.store.keep(observation)
        self.write(observation, phase)

    def write(self, observation: Observation, phase: Phase = "before") -> None:
        """Write an observation that is stored already."""
        self.totals.connections += observation.connections
        self._observed_at[str(observation.endpoint)] = observation.observed_at
        try:
            self.keys.add(observation)
            row = observation_row(Facts(observation, self.run.evaluation), phase)
        except Exception as error:  # noqa: BLE001 - the boundary of one endpoint: the others are still written
            row = self._row_of_accident(observation, Accident.of(error), phase)
        if self.results:
            self.results.write("observation", **row)

    def _row_of_accident(self, seen: Observation, accident: Accident, phase: Phase) -> dict[str, Any]:
        """Record an observation that cannot be written as an accident; return its row."""
        blank = Observation(seen.endpoint, seen.observed_at, accident=accident)
        if not self.run.settings.from_evidence:
            self.run.store.keep(replace(seen, accident=seen.accident or accident))
        self.totals.accidents.append(f"{seen.endpoint}: {accident.reason}\n{accident.trace}")
        return observation_row(Facts(blank, self.run.evaluation), phase)

    def write_renewed(self, endpoint: str) -> None:
        """Write what a worker of xdist has observed for a test that ran again; the worker only stores it."""
        target = self.hosts.targets_by_id.get(endpoint)
        seen = self.run.store.observation_or_accident(target.endpoint) if target else None
        if seen and seen.observed_at > self._observed_at.get(endpoint, seen.observed_at):
            self.write(seen)
