"""A built-in check runs in one step, and in pytest's three phases where a plugin, an option or a marker needs them."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import pytest
from _pytest import warnings

from audit.endpoint import Endpoint
from audit.evaluation.evaluate import CheckFunction
from pytest_sslaudit.items import check_protocol
from pytest_sslaudit.items.judging import decide_check
from pytest_sslaudit.outcome import Decision, decide_error
from pytest_sslaudit.run_state import Run
from tests.support.evidence import A, keep, rows, unreachable

REPORTS: Final = """
def pytest_runtest_logreport(report):
    print("report", report.when, report.nodeid)
"""
SETUPS: Final = """
def pytest_runtest_setup(item):
    print("set up", item.nodeid)
"""
SKIPPED: Final = """
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.skip(reason="not here"))
"""
BESIDE: Final = """
import pytest
from audit import check, require

@pytest.fixture(scope="module")
def database():
    yield
    print("database closed")

def test_beside(database): pass

@check("acme.facts", severity="low")
def test_facts(observation):
    print("printed by a check")
    require(observation.failures, "reached")

@check("acme.fixture", severity="low")
def test_fixture(observation, database): require(observation.failures, "reached")

@pytest.mark.skip(reason="marked")
@check("acme.marked", severity="low")
def test_marked(observation): pass
"""


@pytest.fixture
def audit(pytester: pytest.Pytester) -> pytest.Pytester:
    """Keep the evidence of an endpoint that refuses connections."""
    keep(pytester.path / "kept", [unreachable(A)])
    pytester.syspathinsert()
    return pytester


def audited(audit: pytest.Pytester, *given: str) -> tuple[pytest.RunResult, dict[str, str]]:
    """Audit the evidence; return the run and the verdict of each check."""
    run = audit.runpytest("--audit-from-evidence=kept", "--audit-results=results.jsonl", "-s", *given)
    return run, {row["check"]: row["verdict"] for row in rows(audit.path / "results.jsonl")}


def phases(run: pytest.RunResult) -> Counter[str]:
    """Return how many reports there were of each phase."""
    return Counter(word for line in run.outlines if "report " in line for word in [line.split("report ")[1].split()[0]])


def test_built_in_check_has_two_reports(audit: pytest.Pytester) -> None:
    audit.makepyfile(counting=REPORTS)
    run, verdicts = audited(audit, "--pyargs", "audit", "-p", "counting")
    assert phases(run) == {"call": len(verdicts), "teardown": len(verdicts)}


@pytest.mark.parametrize("given", [("-p", "setting_up"), ("--setup-show",)], ids=["hook", "option"])
def test_check_runs_in_three_phases_if_something_depends_on_them(
    audit: pytest.Pytester, given: tuple[str, ...]
) -> None:
    audit.makepyfile(counting=REPORTS, setting_up=SETUPS)
    _, alone = audited(audit, "--pyargs", "audit")
    run, verdicts = audited(audit, "--pyargs", "audit", "-p", "counting", *given)
    assert phases(run) == dict.fromkeys(("setup", "call", "teardown"), len(alone))
    assert verdicts == alone


def test_marker_that_a_plugin_adds_is_obeyed(audit: pytest.Pytester) -> None:
    audit.makepyfile(marking=SKIPPED)
    run, verdicts = audited(audit, "--pyargs", "audit", "-p", "marking")
    assert set(verdicts.values()) == {"inconclusive"}
    run.stdout.fnmatch_lines(["*it was skipped by code outside the audit: not here*"])


def test_own_checks_run_with_and_without_fixtures_of_their_own(audit: pytest.Pytester) -> None:
    audit.makepyfile(test_own=BESIDE)
    run, verdicts = audited(audit, "test_own.py", "audit", "--pyargs")
    own = {check: verdict for check, verdict in verdicts.items() if check.startswith("acme.")}
    assert own == {"acme.facts": "pass", "acme.fixture": "pass", "acme.marked": "not-applicable"}
    run.stdout.fnmatch_lines(["*printed by a check*", "*database closed*"])
    assert run.parseoutcomes().get("errors") is None


def test_fixtures_are_torn_down_before_a_check_of_another_file(audit: pytest.Pytester) -> None:
    audit.makepyfile(test_own=BESIDE)
    run, _ = audited(audit, "test_own.py::test_beside", "audit", "--pyargs", "-v")
    text = run.stdout.str()
    assert text.index("database closed") < text.index("checks/test_")


SERIALIZING: Final = """
import json

class Plugin:
    def __init__(self, config): self.config = config

    def pytest_runtest_logreport(self, report):
        values = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        print("serialized", len(json.dumps(values)) > 0)

def pytest_configure(config):
    config.pluginmanager.register(Plugin(config))
"""


def test_hooks_of_pytest_surround_all_checks_of_an_endpoint(
    audit: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    surrounding, surrounded = warnings.catch_warnings_for_item, list[str]()

    def counted(config: pytest.Config, ihook: Any, when: Any, item: pytest.Item | None, **rest: Any) -> Any:  # noqa: ANN401 - as pytest
        surrounded.extend([item.name] if item else [])
        return surrounding(config, ihook, when, item, **rest)

    monkeypatch.setattr(warnings, "catch_warnings_for_item", counted)
    _, verdicts = audited(audit, "--pyargs", "audit")
    assert len(verdicts) > 40
    assert [name.partition("[")[2] for name in surrounded] == ["https://a.example:443]"]


@pytest.mark.parametrize("items", ["each", "endpoint", "check"])
def test_reports_can_be_serialized(audit: pytest.Pytester, items: str) -> None:
    audit.makepyfile(serializing=SERIALIZING)
    run, verdicts = audited(audit, "--pyargs", "audit", "-p", "serializing", f"--audit-items={items}")
    assert sum("serialized True" in line for line in run.outlines) > 1
    assert len(verdicts) > 40
    run.stdout.no_fnmatch_line("*INTERNALERROR*")


def test_check_that_breaks_runs_in_phases_among_the_others_of_its_endpoint(
    audit: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(run: Run, function: CheckFunction, endpoint: Endpoint) -> Decision:
        is_chosen = function.__name__ == "test_reachable"
        return (
            decide_error(run, endpoint, None, KeyError("bug")) if is_chosen else decide_check(run, function, endpoint)
        )

    audit.makepyfile(counting=REPORTS)
    _, expected = audited(audit, "--pyargs", "audit")
    monkeypatch.setattr(check_protocol, "decide_check", broken)
    run, verdicts = audited(audit, "--pyargs", "audit", "-p", "counting")
    assert verdicts == expected
    # its module was set up for it, and the last test of that module tears it down
    assert phases(run) == {"setup": 2, "call": len(verdicts), "teardown": len(verdicts)}


def test_run_stops_at_the_first_failure_within_an_endpoint(audit: pytest.Pytester) -> None:
    run, verdicts = audited(audit, "--pyargs", "audit", "-x")
    assert run.ret == 1
    assert Counter(verdicts.values())["fail"] == 1
    run.stdout.fnmatch_lines(["*stopping after 1 failures*"])
    whole, _ = audited(audit, "--pyargs", "audit")
    assert sum(run.parseoutcomes().values()) < sum(whole.parseoutcomes().values())
