"""Finds at the end of a run the waivers that cover no finding, and the built-in checks without a result.

A run that is restricted to some tests or endpoints does not judge waivers, and says that it is a partial audit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Final

import pytest

from audit.checks import Check, built_in_checks, check_ids, check_of, test_run
from audit.endpoint import RUN
from audit.evaluation.outcome import outcome_of
from audit.evaluation.run import AuditRun
from audit.evaluation.waivers import stale_waivers
from audit.verdict import Judgement
from pytest_sslaudit.activation import (
    ADDED_CHECKS,
    NARROWING,
    audit_folder,
    checks_folder,
    is_restricted,
    options_given,
)
from pytest_sslaudit.outcome import Decision, apply, decide
from pytest_sslaudit.reports.carried_results import as_properties
from pytest_sslaudit.reports.totals import RunTotals
from pytest_sslaudit.run_state import STALE_WAIVER, Run

_NAMED: Final = 3  # endpoints or hosts in a message


def judge_stale_waivers(run: Run, config: pytest.Config, totals: RunTotals) -> None:
    """Judge the waivers and report the result, if there are waivers and the run is not restricted."""
    if not run.settings.waivers or _selects_tests(config):
        return
    waived = {(result.check, result.endpoint) for result in totals.waived}
    run.judge_stale_waivers(stale_waivers(run.settings.waivers, waived, run.now, check_ids()))
    function: Callable[[AuditRun], None] = test_run.test_no_waiver_stale
    started = time.perf_counter()
    error: Judgement | None = None
    try:
        function(run.about_itself())
    except Judgement as judgement:
        error = judgement
    decision = decide(run, run.facts_of(RUN), check_of(function), outcome_of(error))
    _report(config, decision, time.perf_counter() - started)


def _selects_tests(config: pytest.Config) -> bool:
    option = config.option
    narrowed = any(getattr(option, name, None) for name in NARROWING)
    folder = audit_folder()
    return narrowed or any(argument.split("::")[0] not in ("audit", str(folder)) for argument in _about_audit(config))


def _about_audit(config: pytest.Config) -> list[str]:
    added = {str(file) for file in config.stash.get(ADDED_CHECKS, {})}
    arguments = (argument for argument in config.args if argument not in added)
    return [argument for argument in arguments if argument.startswith("audit") or str(audit_folder()) in argument]


def _report(config: pytest.Config, decision: Decision, duration_s: float) -> None:
    file = checks_folder() / "test_run.py"
    location = (str(file), 0, f"test_no_waiver_stale[{RUN}]")
    nodeid = f"{file.relative_to(file.parent.parent).as_posix()}::{location[2]}"
    config.hook.pytest_runtest_logstart(nodeid=nodeid, location=location)
    for when in ("setup", "call", "teardown"):
        report = pytest.TestReport(
            nodeid, location, {}, "passed", None, when, duration=duration_s if when == "call" else 0
        )
        report.user_properties = as_properties(decision.result) if decision.result and when != "setup" else []
        if when == "call":
            apply(decision, location, report)
        config.hook.pytest_runtest_logreport(report=report)
    config.hook.pytest_runtest_logfinish(nodeid=nodeid, location=location)


def _required_checks(config: pytest.Config) -> Iterator[Check]:
    """Yield the checks of a whole audit: the built-in ones, and those of extensions that the configuration names."""
    added = (function for functions in config.stash.get(ADDED_CHECKS, {}).values() for function in functions)
    yield from (check for function in (*built_in_checks(), *added) if (check := check_of(function)))


def missing_results(config: pytest.Config, run: Run, totals: RunTotals) -> tuple[tuple[str, str], ...]:
    """Return check and endpoint of each result that a whole audit has and this one has not."""
    checks = [check for check in _required_checks(config) if check.id != STALE_WAIVER]
    wanted = ((check.id, str(endpoint)) for check in checks for endpoint in run.endpoints(check.scopes))
    of_whole_audit = chain(wanted, totals.deselected)
    return tuple(dict.fromkeys(pair for pair in of_whole_audit if not totals.judged.has(*pair)))


def completeness_messages(
    config: pytest.Config, missing: Sequence[tuple[str, str]], totals: RunTotals
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return messages on missing results that fail the run, and on those that the user or a plugin left out."""
    if is_restricted(config):
        shown = missing[:0] if config.option.collectonly else missing[:1]
        return (), tuple(f"partial audit: the command line left out {_counted(missing)}" for _ in shown)
    elsewhere = options_given(config.option, NARROWING)
    required = {check.id for check in _required_checks(config)}
    left_out = [] if elsewhere else [pair for pair in missing if totals.deselected.has(*pair)]
    unexplained = [(check, endpoint) for check, endpoint in missing
                   if not totals.deselected.has(check, endpoint) or (elsewhere and check in required)]  # fmt: skip
    return (
        tuple(_missing(unexplained, elsewhere) for _ in unexplained[:1]),
        tuple(f"partial audit: a plugin left out {_counted(left_out)}" for _ in left_out[:1]),
    )


def outdated_messages(totals: RunTotals) -> tuple[str, ...]:
    """Return a message if checks were not judged because of a finding that was gone when its test ran again."""
    outdated = totals.outdated()
    pairs = [(check, endpoint) for check, endpoint, _ in outdated]
    causes = sorted({because for *_, because in outdated})
    return tuple(
        f"the audit is incomplete: {_counted(pairs)} followed from {', '.join(causes)}, which passed when its test ran "
        "again: run the audit again"
        for _ in pairs[:1]
    )


def messages_of_hosts(not_judged: Sequence[str]) -> tuple[str, ...]:
    """Return a message if the run ended before these hosts were judged."""
    more = f" and {len(not_judged) - _NAMED} more" if len(not_judged) > _NAMED else ""
    names = f"{', '.join(not_judged[:_NAMED])}{more}"
    return (f"partial audit: the run ended before these hosts were judged: {names}",) if not_judged else ()


def _missing(gaps: Sequence[tuple[str, str]], elsewhere: tuple[str, ...]) -> str:
    cause = f"; addopts or PYTEST_ADDOPTS sets {', '.join(elsewhere)}: give it on the command line" if elsewhere else ""
    return f"the audit is incomplete: there is no result of {_counted(gaps)}{cause}"


def _counted(gaps: Sequence[tuple[str, str]]) -> str:
    checks, endpoints = (list(dict.fromkeys(column)) for column in zip(*gaps, strict=True))
    more = f" and {len(endpoints) - _NAMED} more" if len(endpoints) > _NAMED else ""
    counted = f"the check {checks[0]}" if len(checks) == 1 else f"{len(checks)} checks, such as {checks[0]},"
    return f"{counted} for {', '.join(endpoints[:_NAMED])}{more}"
