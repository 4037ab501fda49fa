"""The state of one audit: its settings, its observations, and the facts of the endpoint that is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Final

import pytest

from audit.checks import Scope
from audit.config import BadConfiguration, read_anchors, read_ct_logs
from audit.endpoint import RUN, Endpoint
from audit.engine import AuditSettings, make_run
from audit.evaluation.check_pairs import CheckPairs
from audit.evaluation.facts import Facts
from audit.evaluation.key_index import SharingOf
from audit.evaluation.result import Result
from audit.evaluation.run import AuditRun, EvaluationRun
from audit.evaluation.waivers import expired_waivers
from audit.observation import Observation
from audit.x509.path.trust_store import TrustAnchors
from audit.x509.transparency.log_list import LogList
from pytest_sslaudit.evidence import EvidenceStore, Inventory
from pytest_sslaudit.settings import Settings

KEY: Final = pytest.StashKey["Run"]()
STALE_WAIVER: Final = "ops.waiver-stale"  # judged at the very end, in the controller


GivenResults = Callable[[Endpoint], Mapping[str, Result]]


def nothing_given(_endpoint: Endpoint) -> Mapping[str, Result]:
    """Return no results: every check is judged in this process."""
    return {}


@dataclass
class Run:
    """One audit in one process. `selected` are the checks that were collected, with their endpoints.

    `state_fault` as in `AuditRun`.
    """

    settings: Settings
    store: EvidenceStore
    inventory: Inventory
    now: datetime
    sharing_of: SharingOf
    state_fault: str | None = None
    selected: CheckPairs = field(default_factory=CheckPairs)
    collected: set[str] = field(default_factory=set)  # the ids of all checks that were collected
    usage_errors: list[str] = field(default_factory=list)
    stale_waivers: tuple[str, ...] = ()
    judged_again: frozenset[str] = frozenset()  # the ids of the endpoints that a repair affected
    observe: Callable[[Endpoint], object] = id  # observes an endpoint again; `id`: the observations are given
    record: Callable[[Result, str], None] | None = None  # receives results, with pytest's outcome, before their report
    given_results: GivenResults = nothing_given  # of an endpoint by check id: what other processes have judged
    lost: dict[Endpoint, Observation] = field(default_factory=dict)  # in place of evidence that no worker could judge
    collecting: Inventory | None = None  # the hosts whose tests are collected while others run; None: the inventory
    awaits_hosts: bool = False  # whether hosts are still inspected, whose tests are collected later
    has_named_checks: bool = False  # whether `--audit-check` has named a test
    _last: Facts | None = None
    _given: tuple[Endpoint, Mapping[str, Result]] | None = None  # of the endpoint that is judged
    _judged_here: set[str] = field(default_factory=set)  # the ids of the endpoints that were observed again

    @cached_property
    def anchors(self) -> TrustAnchors:
        """The trust anchors; read once, when they are first needed."""
        try:
            return read_anchors(self.settings.trust)
        except BadConfiguration as error:
            raise pytest.UsageError(str(error)) from error

    @cached_property
    def log_list(self) -> LogList | None:
        """The certificate transparency logs; read once, when they are first needed."""
        try:
            return read_ct_logs(self.settings.configuration)
        except BadConfiguration as error:
            raise pytest.UsageError(str(error)) from error

    @cached_property
    def evaluation(self) -> EvaluationRun:
        """The values that every check is evaluated with; made again when one of them changes."""
        return replace(
            make_run(self.for_engine, self.sharing_of),
            itself=self.about_itself(),
            is_judged=self.is_judged,
            judged_again=self.judged_again,
        )

    @property
    def for_engine(self) -> AuditSettings:
        """The settings of the run, as `audit.engine` takes them."""
        return self.settings.for_engine(self.anchors, self.log_list, self.now)

    def observation_of(self, endpoint: Endpoint) -> Observation:
        """Return the observation of an endpoint or host; the observation of the run itself is empty."""
        if endpoint == RUN:
            return Observation(RUN, self.now)
        return self.lost.get(endpoint) or self.store.observation_or_accident(endpoint)

    def facts_of(self, endpoint: Endpoint) -> Facts:
        """Return the facts of an endpoint; tests come ordered by endpoint, so the last one is kept."""
        if self._last is None or self._last.endpoint != endpoint:
            self._last = Facts(self.observation_of(endpoint), self.evaluation)
        return self._last

    def given_result(self, check: str, endpoint: Endpoint) -> Result | None:
        """Return what another process has judged; None if this one judges: the endpoint may be observed again."""
        if self.given_results is nothing_given or str(endpoint) in self._judged_here | self.judged_again:
            return None
        if self._given is None or self._given[0] != endpoint:
            self._given = endpoint, self.given_results(endpoint)
        return self._given[1].get(check)

    def judge_facts(self, facts: Facts) -> None:
        """Judge these facts from now on: those of another chain of the same endpoint."""
        self._last = facts

    def observe_again(self, endpoint: Endpoint) -> None:
        """Observe an endpoint again, because a test of it runs again."""
        self.observe(endpoint)
        self._judged_here.add(str(endpoint))
        self._last = None

    def judge_again(self, endpoints: frozenset[str], now: datetime) -> None:
        """Judge these endpoints as of now: they were observed again."""
        self.judged_again, self.now = endpoints, now
        self._forget()

    def judge_stale_waivers(self, stale: tuple[str, ...]) -> None:
        """Judge these waivers as stale: every other result is known."""
        self.stale_waivers = stale
        self._forget()

    def _forget(self) -> None:
        self._last = None
        self.__dict__.pop("evaluation", None)

    def endpoints(self, scopes: tuple[Scope, ...]) -> tuple[Endpoint, ...]:
        """Return the endpoints that a check of these scopes runs for, in order."""
        has_files = self.settings.endpoints_files or self.settings.waivers or self.inventory.unusable
        itself = (RUN,) if (has_files or self.state_fault) and self.collecting is None else ()
        inventory = self.collecting or self.inventory
        chosen = {"endpoint": inventory.endpoints, "host": inventory.hosts, "run": itself}
        return tuple(endpoint for scope in ("run", "host", "endpoint") if scope in scopes for endpoint in chosen[scope])

    def about_itself(self) -> AuditRun:
        """Return the facts of the run itself."""
        expired = expired_waivers(self.settings.waivers, self.now)
        return AuditRun(self.inventory.unusable, expired, self.stale_waivers, self.state_fault)

    def is_of_last_phase(self, result: Result) -> bool:
        """Return whether a result is one of after the repair, if there was one."""
        return not self.judged_again or result.phase == "after"

    def is_judged(self, check: str, endpoint: Endpoint) -> bool:
        """Return whether the collected tests include that check for that endpoint."""
        return self.selected.has(check, str(endpoint))


def current_run(config: pytest.Config) -> Run:
    """Return the audit of this pytest run."""
    return config.stash[KEY]


def is_in_worker(config: pytest.Config) -> bool:
    """Return whether this is a process of xdist, whose reports are read in another one."""
    return hasattr(config, "workerinput")
