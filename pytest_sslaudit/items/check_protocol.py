"""Runs a built-in check in one step, with one report for pytest's three phases.

pytest's own protocol costs five times what a check costs. It is used where something else may depend on it: another
plugin that wraps the phases of a test, a marker that someone has added, a debugger, or fixtures to tear down.
"""

from __future__ import annotations

import time
from typing import Final, Literal

import pluggy
import pytest

from pytest_sslaudit.activation import is_built_in
from pytest_sslaudit.items.check_item import CheckItem
from pytest_sslaudit.items.judging import decide_check
from pytest_sslaudit.items.runtest import finding_before
from pytest_sslaudit.outcome import apply
from pytest_sslaudit.reports.results_file import as_properties, without_row_of_pass
from pytest_sslaudit.run_state import current_run

_HOOKS: Final = tuple(
    f"pytest_{name}"
    for name in ("runtest_setup", "runtest_call", "runtest_teardown", "runtest_makereport",
                 "exception_interact", "fixture_setup")
)  # fmt: skip
_NEEDING_NO_PHASES: Final = ("_pytest", "pytest_html", "pytest_metadata", "pytest_sslaudit", "testinfra", "xdist")
"""The packages whose hooks need no phases of a test: they work on reports alone."""
_NEEDING_PHASES: Final = ("usepdb", "trace", "setuponly", "setupshow", "setupplan")
"""The options of pytest that work on phases."""


class CheckProtocol:
    """The hook that runs one test."""

    def __init__(self, config: pytest.Config) -> None:
        """Read the options."""
        self._has_options = any(config.getoption(name, False) for name in _NEEDING_PHASES)
        self._hooks: dict[pytest.Collector | None, pluggy.HookRelay | None] = {}

    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a built-in check, and report it."""
        if not isinstance(item, CheckItem):
            return None
        hooks = self._hooks_for(item, nextitem)
        if hooks is None:
            return None
        reports = _reports_of(item)
        if reports:
            hooks.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for report in reports:
                hooks.pytest_runtest_logreport(report=report)
            hooks.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True if reports else None

    def _hooks_for(self, item: CheckItem, nextitem: pytest.Item | None) -> pluggy.HookRelay | None:
        """Return the hooks of a test that can be run in one step; None if it cannot."""
        if len(item.own_markers) > 1:
            return None
        if item.parent not in self._hooks:
            self._hooks[item.parent] = self._hooks_of_file(item)
        return None if _needs_teardown(item, nextitem) else self._hooks[item.parent]

    def _hooks_of_file(self, item: pytest.Item) -> pluggy.HookRelay | None:
        nodes = item.listchain()[:-1]
        if self._has_options or not is_built_in(item.path) or any(node.own_markers for node in nodes):
            return None
        hooks = item.ihook
        of_a_test = (getattr(hooks, name) for name in _HOOKS)
        callers = (item.config.hook.pytest_runtest_protocol, *of_a_test)
        implementations = [hook for caller in callers for hook in caller.get_hookimpls()]
        owners = {hook.function.__module__.partition(".")[0] for hook in implementations}
        return hooks if owners.issubset(_NEEDING_NO_PHASES) else None


def _needs_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Return whether something that earlier tests have set up is not needed by the next test."""
    set_up = item.session._setupstate.stack  # noqa: SLF001 - pytest has no public way to read it
    return bool(set_up) and not set(set_up).issubset(nextitem.listchain() if nextitem else ())


def _reports_of(item: CheckItem) -> tuple[pytest.TestReport, pytest.TestReport] | None:
    """Judge a check; return the report of its result, and the one with which it ends.

    None if it has no result because of an exception of ours: pytest shows where that was raised.
    """
    start, before = time.time(), time.perf_counter()
    decision = decide_check(current_run(item.config), item.function, item.endpoint)
    duration = time.perf_counter() - before
    if decision.outcome == "error":
        return None
    properties = list(item.user_properties)
    if decision.result:
        properties += as_properties(decision.result, finding_before(item))
    report = _report(item, "call", start, duration, properties)
    apply(decision, item.location, report)
    end = _report(item, "teardown", report.stop, 0.0, without_row_of_pass(properties))
    return report, end


def _report(
    item: CheckItem,
    phase: Literal["call", "teardown"],
    start: float,
    duration: float,
    properties: list[tuple[str, object]],
) -> pytest.TestReport:
    """Return a report of a test that passed."""
    name, stop = getattr(item, "id", item.nodeid), start + duration
    return pytest.TestReport(
        name, item.location, {}, "passed", None, phase, (), duration, start, stop, user_properties=properties
    )
