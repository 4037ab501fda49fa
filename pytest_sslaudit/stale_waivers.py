"""Waivers that waived nothing: judged last, in the controller, when every result is known.

Only a run that nothing restricted can tell; then the check is judged like any other and stands in every report.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from audit.checks import check_of, test_run
from audit.endpoint import RUN
from audit.evaluation.outcome import outcome_of
from audit.evaluation.run import AuditRun
from audit.evaluation.waivers import stale_waivers
from audit.verdict import Judgement
from pytest_sslaudit.activation import audit_folder, checks_folder
from pytest_sslaudit.built_in_checks import NARROWING
from pytest_sslaudit.outcome import Decision, decide
from pytest_sslaudit.reports.results_file import as_properties
from pytest_sslaudit.reports.totals import Tally
from pytest_sslaudit.run_state import Run
from pytest_sslaudit.runtest import apply


def judge_stale_waivers(run: Run, config: pytest.Config, tally: Tally) -> None:
    """Judge the check and report it, where there are waivers and nothing restricted the run."""
    if not run.settings.waivers or _is_restricted(config):
        return
    waived = {(result.check, result.endpoint) for result in tally.waived}
    run.judge_stale_waivers(stale_waivers(run.settings.waivers, waived, run.now))
    function: Callable[[AuditRun], None] = test_run.test_no_waiver_stale
    started = time.perf_counter()
    error: Judgement | None = None
    try:
        function(run.about_itself())
    except Judgement as judgement:
        error = judgement
    decision = decide(run, run.facts_of(RUN), check_of(function), outcome_of(error))
    _report(config, decision, time.perf_counter() - started)


def _is_restricted(config: pytest.Config) -> bool:
    option = config.option
    narrowed = any(getattr(option, name, None) for name in NARROWING)
    folder = audit_folder()
    return narrowed or any(argument.split("::")[0] not in ("audit", str(folder)) for argument in _about_audit(config))


def _about_audit(config: pytest.Config) -> list[str]:
    return [argument for argument in config.args if argument.startswith("audit") or str(audit_folder()) in argument]


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
