"""Judges hosts as they are discovered: the tests of hosts that are slow to respond are collected and run later.

The tests of the first wave are collected and selected as in every run. Those of a further wave are made from the same
functions, and go through the same selection. Checks that compare endpoints run after the last wave. So do tests that
report many results, if one of these depends on later hosts; the others are judged and recorded in their wave.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Literal, Protocol

import pytest
from _pytest.warnings import catch_warnings_for_item

from audit.checks import check_of
from audit.evaluation.evaluate import parameters_of
from pytest_sslaudit import fixtures
from pytest_sslaudit.evidence import Inventory
from pytest_sslaudit.items.grouped_items import ALL_JUDGED, COMPARING, CheckOfAll, EndpointItem, judged_in_advance
from pytest_sslaudit.items.pairs import endpoints_of, pairs_of
from pytest_sslaudit.reports.progress import INTERVAL_S
from pytest_sslaudit.run_state import Run
from pytest_sslaudit.settings import Settings

_COMPARING_TESTS: Final = ("lf", "failedfirst", "newfirst", "stepwise", "stepwise_skip")
"""The options of pytest that choose or sort tests by all tests of a run."""


class Hosts(Protocol):
    """The hosts of a run that have not ended when its first tests are collected."""

    def further(self) -> Inventory | None:
        """Wait until some have ended; return them with their endpoints, None if there are none left."""

    def probe(self, items: list[pytest.Item]) -> None:
        """Observe the endpoints that these tests need."""

    def note(self) -> None:
        """Show which hosts have ended, between two tests."""


def judges_in_waves(config: pytest.Config, settings: Settings) -> bool:
    """Return whether this run may judge some hosts before others are discovered.

    It may not if its tests are shared among processes, compared, named or not run, or if a repair follows.
    """
    is_run = not config.option.collectonly and not getattr(config.option, "setuponly", False)
    is_alone = is_run and not config.pluginmanager.hasplugin("dsession")
    chooses_tests = any(getattr(config.option, name, False) for name in _COMPARING_TESTS)
    names_tests = any("::" in argument for argument in config.args)
    return is_alone and settings.repair == "no" and not (chooses_tests or names_tests)


@dataclass(frozen=True, slots=True)
class _Place:
    """A function whose tests depend on the endpoints."""

    collector: pytest.Module | pytest.Class
    name: str
    function: Any

    def tests(self) -> Iterator[pytest.Item]:
        """Yield its tests for the endpoints that the run names now."""
        hook = self.collector.ihook.pytest_pycollect_makeitem
        made = hook(collector=self.collector, name=self.name, obj=self.function)
        for item in made if isinstance(made, list) else [made]:
            if isinstance(item, pytest.Item):
                item.ihook.pytest_itemcollected(item=item)
                yield item


class NextWave(pytest.Item):
    """Stands for the first test of the next wave: fixtures of the session are kept for it."""

    def runtest(self) -> None:
        """Do nothing: it is never run."""


class Waves:
    """The hooks of a run in which hosts are still inspected when the first tests run."""

    def __init__(self, run: Run, hosts: Hosts) -> None:
        """Begin with the first wave, which is not collected yet."""
        self._run, self._hosts = run, hosts
        self._places: list[_Place] = []
        self._without_tests: dict[int, _Place] = {}  # by their number
        self._last: list[pytest.Item] = []  # the tests that run after the last wave
        self._wave: Literal["first", "further", "last"] = "first"
        run.awaits_hosts = True

    @pytest.hookimpl(wrapper=True)
    def pytest_pycollect_makeitem(
        self,
        collector: pytest.Module | pytest.Class,
        name: str,
        obj: Any,  # noqa: ANN401 - a value of a module
    ) -> Generator[None, Any, Any]:
        """Keep each function whose tests depend on the endpoints; leave out tests that stand for no endpoint."""
        made = yield
        items: list[pytest.Item] = made if isinstance(made, list) else []
        if self._wave == "first" and (check_of(obj) is not None or any(map(_is_parametrized, items))):
            place = _Place(collector, name, obj)
            if not any(map(endpoints_of, items)):
                self._without_tests[len(self._places)] = place
            self._places.append(place)
        if self._wave == "last" or not items:
            return made
        return [item for item in items if not _is_parametrized(item) or endpoints_of(item)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Run the tests of each wave, then the checks that compare endpoints."""
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            return None  # pytest ends the run
        self._run_first(session, session.items)
        self._wave = "further"
        while (wave := self._hosts.further()) is not None:
            items = self._collected(session, wave)
            self._hosts.probe(items)
            self._run_first(session, self._joined(session, items))
        self._wave, self._run.awaits_hosts = "last", False
        self._run_tests(session, [*self._last, *self._without_endpoints(session)], None)
        return True

    def _run_first(self, session: pytest.Session, items: Iterable[pytest.Item]) -> None:
        """Run the tests of a wave, and keep those that run at the end; what they report is judged in advance."""
        now, last = list[pytest.Item](), list[pytest.Item]()
        for item in items:
            (last if _depends_on_further(item) else now).append(item)
        self._last += last
        if self._last and self._run.settings.items != "each":
            self._judge_in_advance(last, self._last[0])
        self._run_tests(session, now, NextWave.from_parent(session, name="tests of further hosts"))

    def _judge_in_advance(self, items: Iterable[pytest.Item], shown: pytest.Item) -> None:
        """Judge what these tests report and does not depend on further hosts; output is shown with `shown`."""
        of_endpoints = (item for item in items if isinstance(item, EndpointItem))
        steps = chain(shown.config.stash[ALL_JUDGED].judge_in_advance(self._run), judged_in_advance(of_endpoints))
        is_unfinished = True
        while is_unfinished:
            with _captured(shown):
                is_unfinished = _advance(steps)
            self._hosts.note()

    def _run_tests(self, session: pytest.Session, items: Sequence[pytest.Item], then: pytest.Item | None) -> None:
        """Run tests as pytest does; `then` follows them."""
        for item, following in zip(items, [*items[1:], then], strict=False):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
            self._hosts.note()

    def _collected(self, session: pytest.Session, wave: Inventory) -> list[pytest.Item]:
        """Return the tests of further hosts and their endpoints, selected as those of the first wave are."""
        self._run.collecting = wave
        try:
            items = list(self._tests())
            self._select(session, items)
        finally:
            self._run.collecting = None
        return items

    def _tests(self) -> Iterator[pytest.Item]:
        for number, place in enumerate(self._places):
            for item in place.tests():
                self._without_tests.pop(number, None)
                yield item

    def _without_endpoints(self, session: pytest.Session) -> list[pytest.Item]:
        """Return the tests of functions that had no endpoint in any wave; raises pytest.UsageError.

        The errors are those of a run of one wave: nothing has the chosen checks, or no endpoint was found on a host.
        """
        items = [item for place in self._without_tests.values() for item in place.tests()]
        self._select(session, items)
        return self._joined(session, items)

    def _select(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Deselect tests as in every collection."""
        session.config.hook.pytest_collection_modifyitems(session=session, config=session.config, items=items)
        self._run.selected.update(pairs_of(items))

    def _joined(self, session: pytest.Session, items: list[pytest.Item]) -> list[pytest.Item]:
        """Add tests to those of the session; return them without those whose endpoints an earlier test has now."""
        new = list(session.config.stash[ALL_JUDGED].join(items))
        session.items += new
        session.testscollected = len(session.items)
        return new


def _is_parametrized(item: pytest.Item | pytest.Collector) -> bool:
    """Return whether a test depends on the endpoints, also if there are none."""
    callspec = getattr(item, "callspec", None)
    if callspec is not None:
        return fixtures.OURS in callspec.params
    return isinstance(item, pytest.Item) and bool(endpoints_of(item))


def _depends_on_further(item: pytest.Item) -> bool:
    """Return whether the report of a test depends on hosts that have not ended."""
    if isinstance(item, CheckOfAll):
        return True
    if isinstance(item, EndpointItem):
        return item.compares_endpoints
    function = getattr(item, "function", None)
    of_function = parameters_of(function) if function else ()
    return not COMPARING.isdisjoint(getattr(item, "fixturenames", of_function))


@contextmanager
def _captured(item: pytest.Item) -> Iterator[None]:
    """Capture what is printed for the report of a test, and handle warnings as while it runs."""
    manager = item.config.pluginmanager.getplugin("capturemanager")
    capture = manager.item_capture("call", item) if manager else nullcontext()
    with catch_warnings_for_item(item.config, item.ihook, "runtest", item), capture:
        yield


def _advance(steps: Iterator[object]) -> bool:
    """Take steps until it is time to show which hosts have ended; return whether some may be left."""
    until = time.monotonic() + INTERVAL_S
    return any(time.monotonic() >= until for _ in steps)
