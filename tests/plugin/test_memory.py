"""What pytest keeps of each test to the end of a run is small, because an audit has millions of tests."""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.evidence import A, B, host, keep, rows, unreachable

KEPT: Final = """
import pytest
from pytest_sslaudit.reports.carried_results import result_of

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    for category, reports in reporter.stats.items():
        for report in reports:
            kept = sum(name == "sslaudit" for name, _ in report.user_properties) or result_of(report) is not None
            print("kept", category or "without a name", report.when, int(kept))
    first, second, *_ = (item for item in session.items if "test_reachable[" in item.name)
    print("shared", not hasattr(first, "id") or first.id.names is second.id.names)  # pytest before 9.2 has texts
    made = {name for item in session.items for name in vars(item)}
    print("made", sorted({"keywords", "extra_keyword_matches"} & made))
    print("marked", "sslaudit" in first.keywords, first.name in first.keywords, first.parent.name in first.keywords)
"""


def printed(pytester: pytest.Pytester, *given: str) -> set[str]:
    """Audit two endpoints and a host; return what a plugin prints of what pytest keeps, each line once."""
    keep(pytester.path / "kept", [unreachable(A), unreachable(B), host()])
    pytester.makepyfile(plugin=KEPT)
    pytester.syspathinsert()
    run = pytester.runpytest("--pyargs", "audit", "-p", "plugin", "--audit-from-evidence=kept", "-s", *given)
    return {line for line in run.outlines if line.startswith(("kept ", "shared ", "made ", "marked "))}


def test_only_reports_that_failed_keep_their_result(pytester: pytest.Pytester) -> None:
    lines = printed(pytester, "--audit-results=results.jsonl")
    assert {line for line in lines if line.startswith("kept")} == {
        "kept failed call 1", "kept passed call 0", "kept skipped call 0"
    }  # fmt: skip
    assert {row["verdict"] for row in rows(pytester.path / "results.jsonl")} > {"pass", "fail", "not-applicable"}


def test_tests_of_a_check_share_what_is_the_same(pytester: pytest.Pytester) -> None:
    lines = printed(pytester)
    assert {"shared True", "made []", "marked True True True"} <= lines


@pytest.mark.parametrize(("items", "count"), [("each", 1), ("endpoint", 0)])
def test_run_of_many_endpoints_prints_what_fewer_tests_would_cost(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, items: str, count: int
) -> None:
    monkeypatch.setattr("pytest_sslaudit.reports.summary.MANY_ENDPOINTS", 1)
    keep(pytester.path / "kept", [unreachable(A), unreachable(B)])
    run = pytester.runpytest("--pyargs", "audit", "--audit-from-evidence=kept", f"--audit-items={items}")
    assert sum("a test for each result of 2 endpoints takes about" in line for line in run.outlines) == count
