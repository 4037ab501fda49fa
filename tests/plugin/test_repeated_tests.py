"""A test that a plugin repeats observes its endpoint again, and counts once."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

import pytest

from tests.support.evidence import A, keep, rows, unreachable
from tests.support.probe.tls_servers import Script, context, in_turn, serving, tls

RERUNS: Final = """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    "Do what rerunfailures does with --reruns=1."
    for attempt in (1, 2):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        has_failed = any(report.failed for report in reports)
        for report in reports:
            if report.failed and attempt == 1:
                report.outcome = "rerun"
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        if not has_failed:
            break
        item._initrequest()
    return True
"""
EACH_TWICE: Final = """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    for _ in range(2):
        runtestprotocol(item, nextitem=nextitem)
    return True
"""
OWN: Final = """
from audit import check, inconclusive, require

attempts = []

@check("acme.follows", severity="high")
def test_follows(endpoint): inconclusive("not seen", because="acme.once")

@check("acme.once", severity="high")
def test_once(endpoint):
    attempts.append(endpoint)
    require(len(attempts) > 1, "only the first time")
"""


def then_tls() -> Script:
    """Return the script of a server that closes its first connection, and then speaks TLS."""
    return in_turn(lambda _: None, tls(context()))


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "-n1"])
def test_repeated_test_observes_again_and_counts_once(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makeconftest(RERUNS)
    with serving(lambda _: None) as server:
        given = (f"--audit-endpoint=https://127.0.0.1:{server.port}", "--audit-results=results.jsonl")
        result = pytester.runpytest("--pyargs", "audit", *given, "--html=report.html", *workers)
        seen_once = server.connections
        checks = Counter(row["check"] for row in rows(pytester.path / "results.jsonl"))
        pytester.makeconftest("")
        pytester.runpytest("--pyargs", "audit", *given)
        assert seen_once == 2 * (server.connections - seen_once)
    result.stdout.re_match_lines([r"1 endpoint; findings: 1 high; \d+ inconclusive because of another finding"])
    assert set(checks.values()) == {1}


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "-n2"])
def test_results_have_the_observation_of_the_last_attempt(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makeconftest(RERUNS)
    with serving(then_tls()) as server:
        given = (f"--audit-endpoint=https://127.0.0.1:{server.port}", "--audit-results=results.jsonl")
        result = pytester.runpytest("--pyargs", "audit", *given, "-k", "reachable or malformed", *workers)
        connections = server.connections
    seen = [row["failure"] is None for row in rows(pytester.path / "results.jsonl", "observation")]
    (summary,) = rows(pytester.path / "results.jsonl", "summary")
    assert (seen, summary["connections"]) == ([False, True], connections)
    result.assert_outcomes(passed=summary["verdicts"]["pass"], skipped=summary["verdicts"].get("inconclusive", 0))
    assert sum(summary["verdicts"].values()) == 2


@pytest.mark.parametrize("plugin", [RERUNS, EACH_TWICE], ids=["rerun", "each twice"])
def test_result_of_a_repeated_test_is_that_of_its_last_attempt(pytester: pytest.Pytester, plugin: str) -> None:
    pytester.makeconftest(plugin)
    pytester.makepyfile(test_own=OWN)
    keep(pytester.path / "kept", [unreachable(A)])
    given = ("--audit-from-evidence=kept", "--audit-results=results.jsonl")
    result = pytester.runpytest("test_own.py", *given)
    (summary,) = rows(pytester.path / "results.jsonl", "summary")
    assert summary["verdicts"] == {"inconclusive": 1, "pass": 1}
    last = {row["check"]: row["verdict"] for row in rows(pytester.path / "results.jsonl")}
    assert last == {"acme.follows": "inconclusive", "acme.once": "pass"}
    assert result.ret == pytest.ExitCode.TESTS_FAILED  # what followed from the finding was not judged again
    result.stdout.fnmatch_lines(["the audit is incomplete: * followed from acme.once, which passed when its test*"])


def test_reachability_is_judged_first_of_an_endpoint(pytester: pytest.Pytester) -> None:
    keep(pytester.path / "kept", [unreachable(A)])
    result = pytester.runpytest("--pyargs", "audit", "--audit-from-evidence=kept", "--collect-only", "-q")
    names = re.findall(r"::(\w+)\[", result.stdout.str())
    assert names[0] == "test_reachable"
    assert set(Counter(names).values()) == {1}
