"""Runs a built-in check in one step, with one report for pytest's three phases, and all checks of an endpoint together.

pytest's own protocol costs five times what a check costs. It is used where something else may depend on it: another
plugin that wraps the phases of a test, a marker that someone has added, a debugger, or fixtures to tear down. Those
hooks of pytest that surround a test surround the checks of an endpoint once.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import pluggy
import pytest
from _pytest.terminal import TerminalReporter

from pytest_sslaudit.activation import is_built_in
from pytest_sslaudit.items.check_item import CheckItem
from pytest_sslaudit.items.judging import decide_check
from pytest_sslaudit.items.pairs import endpoint_of
from pytest_sslaudit.items.runtest import finding_before
from pytest_sslaudit.outcome import apply
from pytest_sslaudit.reports.carried_results import as_properties, keep_result, main_properties
from pytest_sslaudit.run_state import current_run, is_in_worker

_HOOKS: Final = tuple(
    f"pytest_{name}"
    for name in ("runtest_setup", "runtest_call", "runtest_teardown", "runtest_makereport",
                 "exception_interact", "fixture_setup")
)  # fmt: skip
_NEEDING_NO_PHASES: Final = ("_pytest", "pytest_html", "pytest_metadata", "pytest_sslaudit", "testinfra", "xdist")
"""The packages whose hooks need no phases of a test: they work on reports alone."""
_NEEDING_PHASES: Final = ("usepdb", "trace", "setuponly", "setupshow", "setupplan")
"""The options of pytest that work on phases."""


@dataclass(frozen=True, slots=True)
class _Hooks:
    """What is called for the tests of a file."""

    relay: pluggy.HookRelay
    of_end: pluggy.HookCaller  # for the report with which a test ends


class CheckProtocol:
    """The hooks that run tests."""

    def __init__(self, config: pytest.Config) -> None:
        """Read the options."""
        self._has_options = any(config.getoption(name, False) for name in _NEEDING_PHASES)
        self._hooks: dict[pytest.Collector | None, _Hooks | None] = {}
        self._following: dict[pytest.Item, list[pytest.Item]] = {}  # by the first test of an endpoint
        self._by_pytest: pytest.Item | None = None  # the test that pytest is to run in its own phases

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Let pytest run the first test of each endpoint, and those that follow it together with it."""
        items = session.items
        if _is_in_order(session):
            self._following = self._together(items)
            session.items = list(self._following)
        try:
            return (yield)
        finally:
            session.items, self._following = items, {}

    def _together(self, items: Sequence[pytest.Item]) -> dict[pytest.Item, list[pytest.Item]]:
        """Return the tests by the one with which they run."""
        following: dict[pytest.Item, list[pytest.Item]] = {}
        first: pytest.Item | None = None
        for item in items:
            is_in_one_step = self._hooks_of(item) is not None
            if first is not None and is_in_one_step and endpoint_of(item) == endpoint_of(first):
                following[first].append(item)
            else:
                following[item] = []
                first = item if is_in_one_step else None
        return following

    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a built-in check, and those of its endpoint that follow."""
        if item is self._by_pytest:
            return None
        following = self._following.get(item, ())
        if not following:
            return self._run(item, nextitem)
        for test, then in pairwise((item, *following, nextitem)):
            if test is not None and not self._run(test, then):
                self._run_by_pytest(test, then)
            if item.session.shouldfail or item.session.shouldstop:
                break
        return True

    def _run_by_pytest(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        self._by_pytest = item
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
        self._by_pytest = None

    def _run(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a test in one step and report it; return None if it needs pytest's phases."""
        hooks = self._hooks_of(item)
        if not isinstance(item, CheckItem) or hooks is None or _needs_teardown(item, nextitem):
            return None
        reports = _reports_of(item)
        if reports is None:
            return None
        result, end = reports
        hooks.relay.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        hooks.relay.pytest_runtest_logreport(report=result)
        hooks.of_end(report=end)
        hooks.relay.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _hooks_of(self, item: pytest.Item) -> _Hooks | None:
        """Return the hooks of a test that can be run in one step; None if something needs its phases."""
        if not isinstance(item, CheckItem) or len(item.own_markers) > 1:
            return None
        if item.parent not in self._hooks:
            self._hooks[item.parent] = self._hooks_of_file(item)
        return self._hooks[item.parent]

    def _hooks_of_file(self, item: pytest.Item) -> _Hooks | None:
        nodes = item.listchain()[:-1]
        if self._has_options or not is_built_in(item.path) or any(node.own_markers for node in nodes):
            return None
        hooks = item.ihook
        of_a_test = (getattr(hooks, name) for name in _HOOKS)
        callers = (item.config.hook.pytest_runtest_protocol, *of_a_test)
        implementations = [hook for caller in callers for hook in caller.get_hookimpls()]
        owners = {hook.function.__module__.partition(".")[0] for hook in implementations}
        return _Hooks(hooks, _of_end(item)) if owners.issubset(_NEEDING_NO_PHASES) else None


def _of_end(item: pytest.Item) -> pluggy.HookCaller:
    """Return the hook for the reports with which tests end, of which pytest's own terminal prints nothing."""
    manager, hooks = item.config.pluginmanager, item.ihook
    terminal = manager.getplugin("terminalreporter")
    prints_nothing = type(terminal) is TerminalReporter and hooks is item.config.hook
    name = "pytest_runtest_logreport"
    return manager.subset_hook_caller(name, [terminal]) if prints_nothing else getattr(hooks, name)


def _needs_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Return whether something that earlier tests have set up is not needed by the next test."""
    set_up = item.session._setupstate.stack  # noqa: SLF001 - pytest has no public way to read it
    return bool(set_up) and not set(set_up).issubset(nextitem.listchain() if nextitem else ())


def _reports_of(item: CheckItem) -> tuple[pytest.TestReport, pytest.TestReport] | None:
    """Judge a check; return the report of its result, and the one with which it ends.

    None if it has no result because of an exception of ours: pytest shows where that was raised.
    """
    start, began = time.time(), time.perf_counter()
    decision = decide_check(current_run(item.config), item.function, item.endpoint)
    duration = time.perf_counter() - began
    if decision.outcome == "error":
        return None
    properties, before = list(item.user_properties), finding_before(item)
    if decision.result:
        properties += main_properties(decision.result, before)
    name = getattr(item, "id", item.nodeid)
    report = pytest.TestReport(
        name, item.location, {}, "passed", None, "call", (), duration, start, start + duration,
        user_properties=properties,
    )  # fmt: skip
    end = _end_of(report)
    apply(decision, item.location, report)
    if decision.result and not is_in_worker(item.config):
        keep_result(report, decision.result)
    elif decision.result:
        report.user_properties = [*item.user_properties, *as_properties(decision.result, before)]
    return report, end


def _end_of(report: pytest.TestReport) -> pytest.TestReport:
    """Return the report with which a test ends; copying the fields is faster than making a report of them."""
    end = pytest.TestReport.__new__(pytest.TestReport)
    end.__dict__.update(report.__dict__, when="teardown", duration=0.0, start=report.stop)
    return end


def _is_in_order(session: pytest.Session) -> bool:
    """Return whether pytest runs the tests of a session one after the other, in this process, and all of them once."""
    config, run = session.config, current_run(session.config)
    is_shared = config.pluginmanager.hasplugin("dsession") or is_in_worker(config)
    return not (is_shared or run.awaits_hosts or run.settings.repair != "no" or config.option.collectonly)
