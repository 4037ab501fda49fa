"""Tests that report many results at once: one for each endpoint, or one for each check (`--audit-items`).

They judge what the tests of single results judge, and their results have the same ids. A test for each check judges
all endpoints when the first of them runs, endpoint by endpoint, so that each observation is read once. While further
hosts are awaited, both kinds judge in advance what does not depend on these hosts.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

import pytest

from audit.checks import Check
from audit.endpoint import Endpoint
from audit.evaluation.evaluate import CheckFunction, parameters_of
from audit.evaluation.result import from_row
from pytest_sslaudit.activation import audit_folder
from pytest_sslaudit.items.check_item import parameter_of
from pytest_sslaudit.items.grouped_results import GroupedResults
from pytest_sslaudit.items.judging import decide_check
from pytest_sslaudit.outcome import Decision, decide_given
from pytest_sslaudit.reports.carried_results import ENDPOINTS
from pytest_sslaudit.run_state import Run, current_run

COMPARING: Final = frozenset({"key_sharing"})
"""The facts that depend on all endpoints of a run."""


class CheckOfAll(pytest.Item):
    """A check of all its endpoints, hosts, or the run: the test of `--audit-items=check`."""

    def __init__(
        self,
        *,
        function: CheckFunction,
        check: Check,
        endpoints: tuple[Endpoint, ...],
        **given: Any,  # noqa: ANN401 - as pytest.Item
    ) -> None:
        """Keep what is judged."""
        super().__init__(**given)
        self.function, self.check, self.endpoints = function, check, endpoints
        self.results = GroupedResults()
        self.judged = 0  # how many of its endpoints are judged, from the first on
        self._has_run = False

    @property
    def compares_endpoints(self) -> bool:
        """Whether it depends on all endpoints of the run."""
        return not COMPARING.isdisjoint(parameters_of(self.function))

    def runtest(self) -> None:
        """Judge all checks of the run if this one is the first; if it runs again, its failing endpoints."""
        run, all_judged = current_run(self.config), self.config.stash[ALL_JUDGED]
        failing = self.results.failing if self._has_run and not run.judged_again else frozenset()
        self._has_run = True
        all_judged.judge(run)
        for endpoint in self.endpoints:
            if str(endpoint) in failing:  # a plugin such as rerunfailures repeats it
                run.observe_again(endpoint)
                all_judged.judge_one(run, self, endpoint)

    def reportinfo(self) -> tuple[str, int, str]:
        """Return the file, the line and the name."""
        code = self.function.__code__
        return code.co_filename, code.co_firstlineno - 1, self.name

    def limited_to(self, endpoints: Sequence[Endpoint]) -> CheckOfAll:
        """Return the test of this check for some of its endpoints."""
        given = {"function": self.function, "check": self.check, "endpoints": tuple(endpoints)}
        parent: Any = self.parent  # the module: only a session has none
        return CheckOfAll.from_parent(parent, name=self.name, nodeid=self.nodeid, **given)

    def node_of(self, endpoint: Endpoint) -> str:
        """Return the id that the test of this check for one endpoint has."""
        return f"{self.nodeid}[{parameter_of(endpoint)}]"

    def decide(self, run: Run, endpoint: Endpoint) -> Decision:
        """Return the decision on this check of one endpoint, with the id that its own test has."""
        before = time.perf_counter()
        decision = decide_check(run, self.function, endpoint)
        if decision.result is None:
            return decision
        duration = round(time.perf_counter() - before, 6)
        result = replace(decision.result, nodeid=self.node_of(endpoint), duration_s=duration)
        return replace(decision, result=result)

    def _initrequest(self) -> None:
        """Do nothing: as for the test of one check."""


class EndpointItem(pytest.Item):
    """All checks of one endpoint or host: the test of `--audit-items=endpoint`."""

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        checks: tuple[CheckOfAll, ...],
        **given: Any,  # noqa: ANN401 - as pytest.Item
    ) -> None:
        """Keep what is judged."""
        super().__init__(**given)
        self.endpoint, self.checks = endpoint, checks
        self.results = GroupedResults()
        self._is_begun = False

    def runtest(self) -> None:
        """Judge all checks, or those that were not judged in advance; a repeated test judges all of them again."""
        run, is_begun = current_run(self.config), self._is_begun
        self._is_begun = False
        if not is_begun:
            self.results = GroupedResults()
        for check in self.checks:
            if not is_begun or check.compares_endpoints:
                self.results.add(check.decide(run, self.endpoint))

    @property
    def compares_endpoints(self) -> bool:
        """Whether one of its checks depends on all endpoints of the run."""
        return any(check.compares_endpoints for check in self.checks)

    def judge_in_advance(self) -> None:
        """Judge the checks that do not compare endpoints, and record their results."""
        run = current_run(self.config)
        for check in self.checks:
            if not check.compares_endpoints:
                self.results.take(check.decide(run, self.endpoint), run.record)
        self._is_begun = True

    def reportinfo(self) -> tuple[str, int | None, str]:
        """Return the folder of the audit, no line, and the name."""
        return str(audit_folder()), None, self.name

    @cached_property
    def location(self) -> tuple[str, int | None, str]:
        """The place that reports show: the same for all endpoints."""
        return ENDPOINTS, None, self.name

    def _initrequest(self) -> None:
        """Do nothing: as for the test of one check."""


GroupedItem = CheckOfAll | EndpointItem


def endpoint_items(
    session: pytest.Session, checks: Sequence[CheckOfAll], in_order: Iterable[Endpoint]
) -> Iterator[EndpointItem]:
    """Yield the test of each endpoint that one of these checks has."""
    chosen = _by_endpoint((check, check.endpoints) for check in checks)
    shared = dict[tuple[CheckOfAll, ...], tuple[CheckOfAll, ...]]()
    for endpoint in in_order:
        if endpoint in chosen:
            of_endpoint = tuple(chosen.pop(endpoint))
            name = parameter_of(endpoint)
            yield EndpointItem.from_parent(
                session,
                name=name,
                nodeid=f"{ENDPOINTS}::{name}",
                endpoint=endpoint,
                checks=shared.setdefault(of_endpoint, of_endpoint),
            )


def judged_in_advance(items: Iterable[EndpointItem]) -> Iterator[EndpointItem]:
    """Judge each of these tests in advance, and yield it."""
    for item in items:
        item.judge_in_advance()
        yield item


def _by_endpoint(due: Iterable[tuple[CheckOfAll, Iterable[Endpoint]]]) -> dict[Endpoint, list[CheckOfAll]]:
    """Return the checks of each endpoint."""
    checks_by_endpoint = dict[Endpoint, list[CheckOfAll]]()
    for check, endpoints in due:
        for endpoint in endpoints:
            checks_by_endpoint.setdefault(endpoint, []).append(check)
    return checks_by_endpoint


class AllJudged:
    """Judges all tests of `--audit-items=check` of a run, endpoint by endpoint."""

    def __init__(self, checks: Iterable[CheckOfAll]) -> None:
        """Take the tests that run."""
        self._checks = {check.nodeid: check for check in checks}
        self._judged_again = frozenset[str]()  # as of the last time
        self._taken: dict[str, frozenset[str]] = {}  # by endpoint: the checks whose results another process has given
        self._sets: dict[frozenset[str], frozenset[str]] = {}  # most endpoints share one

    def join(self, items: Iterable[pytest.Item]) -> Iterator[pytest.Item]:
        """Add the endpoints of these tests to the known tests of their checks; yield the tests that are new."""
        for item in items:
            known = self._checks.get(item.nodeid)
            if known and isinstance(item, CheckOfAll):
                known.endpoints += item.endpoints
                continue
            if isinstance(item, CheckOfAll):
                self._checks[item.nodeid] = item
                self.__dict__.pop("_by_id", None)
            yield item

    def judge(self, run: Run) -> None:
        """Judge what is not judged yet; after a repair, the endpoints that it affected once more."""
        again = run.judged_again
        if self._judged_again != again:
            self._judged_again = again
            due = [(check, tuple(e for e in check.endpoints if str(e) in again)) for check in self._checks.values()]
        else:
            due = [(check, self._not_judged(check)) for check in self._checks.values()]
        for _ in self._judge(run, due):
            pass

    def judge_in_advance(self, run: Run) -> Iterator[Endpoint]:
        """Judge the checks that do not compare endpoints; yield each endpoint that is judged."""
        chosen = (check for check in self._checks.values() if not check.compares_endpoints)
        yield from self._judge(run, [(check, self._not_judged(check)) for check in chosen])

    def take_given(self, run: Run, endpoint: Endpoint, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Record the results that another process has given, while others are observed; return the rows that are left.

        Those are the results that depend on other endpoints, and all of them if the run does not record results.
        """
        taken = {row["check"] for row in rows if run.record and self._take(run, endpoint, row)}
        if taken:
            self._taken[str(endpoint)] = self._sets.setdefault(frozenset(taken), frozenset(taken))
        return [row for row in rows if row["check"] not in taken]

    def _take(self, run: Run, endpoint: Endpoint, row: dict[str, Any]) -> bool:
        check = self._by_id.get(row["check"])
        if check is None or check.compares_endpoints:
            return False
        try:
            result = from_row({**row, "nodeid": check.node_of(endpoint)})
        except (KeyError, TypeError, ValueError):  # the test reports it
            return False
        check.results.take(decide_given(run, endpoint, result), run.record)
        return True

    @cached_property
    def _by_id(self) -> dict[str, CheckOfAll]:
        return {check.check.id: check for check in self._checks.values()}

    def _not_judged(self, check: CheckOfAll) -> tuple[Endpoint, ...]:
        """Return the endpoints of a check that are not judged yet."""
        endpoints = check.endpoints[check.judged :]
        if not self._taken:
            return endpoints
        return tuple(e for e in endpoints if check.check.id not in self._taken.get(str(e), ()))

    def _judge(self, run: Run, due: Sequence[tuple[CheckOfAll, tuple[Endpoint, ...]]]) -> Iterator[Endpoint]:
        for endpoint, checks in _by_endpoint(due).items():
            for check in checks:
                self.judge_one(run, check, endpoint)
            yield endpoint
        for check, _ in due:
            check.judged = len(check.endpoints)

    def judge_one(self, run: Run, check: CheckOfAll, endpoint: Endpoint) -> None:
        """Judge one check of one endpoint; its result is recorded at once if the run records results."""
        check.results.take(check.decide(run, endpoint), run.record)


ALL_JUDGED: Final = pytest.StashKey[AllJudged]()
