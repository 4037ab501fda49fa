"""`--audit-items`: a test for each result, endpoint or check; results, exit status and repairs are the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import pytest

from tests.lab.demo import served
from tests.support.evidence import A, B, host, keep, unreachable

ITEMS: Final = ("each", "endpoint", "check")
GROUPED: Final = ("endpoint", "check")
OWN: Final = """
import pytest
from audit import check, require

@check("acme.compared", severity="low")
def test_compared(endpoint): assert endpoint.port == 993

@check("acme.required", severity="high")
def test_required(observation): require(not observation.failures, "reached", observed="refused")

@check("acme.broken", severity="low")
def test_broken(endpoint): raise ZeroDivisionError("a bug")

@check("acme.skipped", severity="low")
def test_skipped(endpoint): pytest.skip("not here")

@pytest.fixture
def database(): yield "open"

@check("acme.fixture", severity="low")
def test_fixture(endpoint, database): assert database == "open"

def test_beside(): pass
"""
WAIVERS: Final = """
[[waiver]]
check = "svc.unreachable"
endpoint = "*a.example*"
reason = "switched off"
owner = "ops"
expires = 2030-01-01
"""
CHANGING: Final = ("duration_s", "elapsed_s", "started", "observed_at")


@pytest.fixture
def audit(pytester: pytest.Pytester) -> pytest.Pytester:
    """Keep evidence with findings, and write own checks and waivers."""
    keep(pytester.path / "kept", [host(), unreachable(A), unreachable(B)])
    (pytester.path / "waivers.toml").write_text(WAIVERS)
    pytester.makepyfile(test_own=OWN)
    pytester.syspathinsert()
    return pytester


def audited(audit: pytest.Pytester, items: str, *given: str) -> tuple[pytest.RunResult, list[str]]:
    """Audit the evidence; return the run and its results without what differs between any two runs."""
    file = audit.path / f"{items}.jsonl"
    kept = ("--audit-from-evidence=kept", "--audit-waivers=waivers.toml", f"--audit-results={file}")
    run = audit.runpytest("--pyargs", "audit", "test_own.py", *kept, f"--audit-items={items}", *given)
    return run, lines_of(file)


def lines_of(file: Path) -> list[str]:
    """Return the lines of a results file without what differs between any two runs, in one order."""
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for row in rows:
        if row.get("verdict") == "error":
            row["detail"] = {**row["detail"], "trace": ""}  # its frames depend on what called the check
    return sorted(json.dumps({k: v for k, v in row.items() if k not in CHANGING}, sort_keys=True) for row in rows)


def cases_in(file: Path) -> Iterator[ET.Element]:
    """Yield the test cases of a JUnit report."""
    return ET.parse(file).iter("testcase")  # noqa: S314 - pytest has written it


SELECTIONS: Final = {
    "whole": (),
    "reported": ("--audit-inconclusive=report", "--audit-fail-on=critical"),
    "keyword": ("-k", "svc.unreachable or (acme.compared and b.example)"),
    "not-keyword": ("-k", "not a.example"),
    "marker": ("-m", "sslaudit"),
    "check": ("--audit-check=svc.*", "--audit-check=acme.*"),
    "deselected": ("--deselect=test_own.py::test_required[web1/x]", "--deselect", f"test_own.py::test_compared[{A}]"),
    "deselected-check": ("--deselect=test_own.py::test_broken",),
}


@pytest.mark.parametrize("given", SELECTIONS.values(), ids=SELECTIONS)
def test_results_and_exit_status_are_the_same(audit: pytest.Pytester, given: tuple[str, ...]) -> None:
    each, results = audited(audit, "each", *given)
    assert len(results) > 4  # else nothing is compared
    for items in GROUPED:
        run, same = audited(audit, items, *given)
        assert same == results
        assert run.ret == each.ret


def test_results_are_the_same_with_processes_of_xdist(audit: pytest.Pytester) -> None:
    each, results = audited(audit, "each")
    run, same = audited(audit, "endpoint", "-n", "2")
    assert (run.ret, same) == (each.ret, results)


def test_one_test_for_each_endpoint_lists_its_findings(audit: pytest.Pytester) -> None:
    audited(audit, "endpoint", "--junit-xml=junit.xml")
    cases = {case.get("name"): case for case in cases_in(audit.path / "junit.xml")}
    failure = cases[str(B)].find("failure")
    assert failure is not None
    assert "acme.required: high: reached" in str(failure.text)
    assert {str(A), "test_beside", f"test_fixture[{A}]"} <= cases.keys()


def test_one_test_for_each_check_lists_its_endpoints(audit: pytest.Pytester) -> None:
    run, _ = audited(audit, "check", "--junit-xml=junit.xml")
    cases = Counter(case.get("name") for case in cases_in(audit.path / "junit.xml"))
    assert cases["test_required"] == 1
    assert f"{B}: high: reached" in (audit.path / "junit.xml").read_text()
    assert cases[f"test_fixture[{A}]"] == cases["test_beside"] == 1  # tests with fixtures of their own
    run.stdout.fnmatch_lines(["*ZeroDivisionError: a bug*"])


def test_plain_assertion_is_explained_in_every_form(audit: pytest.Pytester) -> None:
    for items in ITEMS:
        _, results = audited(audit, items, "--audit-check=acme.compared", "--audit-fail-on=low")
        assert sum("assert 443 == 993" in line for line in results) == 1


def test_endpoint_is_one_row_of_the_html_report(audit: pytest.Pytester) -> None:
    audited(audit, "endpoint", "--html=report.html")
    report = (audit.path / "report.html").read_text()
    assert "1 error, " in report
    assert "endpoints::" not in report.partition("data-jsonblob")[0]


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        (("--audit-items=host",), "*--audit-items 'host': use one of each, endpoint, check*"),
        (("--audit-items=check", "-n", "2"), "*--audit-items check with -n: one process judges a check of all*"),
    ],
    ids=["unknown", "processes"],
)
def test_use_that_makes_no_sense_is_refused(audit: pytest.Pytester, given: tuple[str, ...], refusal: str) -> None:
    run = audit.runpytest("--pyargs", "audit", "--audit-from-evidence=kept", *given)
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines([refusal])


def test_configuration_chooses_the_tests(audit: pytest.Pytester) -> None:
    (audit.path / "sslaudit.toml").write_text('items = "check"\n')
    run = audit.runpytest("--pyargs", "audit", "--audit-from-evidence=kept", "--collect-only", "-q")
    assert f"[{A}]" not in run.stdout.str()


def test_failed_group_is_run_again_by_lf(audit: pytest.Pytester) -> None:
    audited(audit, "endpoint")
    run, _ = audited(audit, "endpoint", "--lf", "--collect-only", "-q")
    run.stdout.fnmatch_lines([f"endpoints::{B}"])


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Serve the same two endpoints for each form."""
    with ExitStack() as stack:
        folders = {items: tmp_path_factory.mktemp(items) for items in ITEMS}
        yield {items: stack.enter_context(served(folders[items], "expired-mail", "sha1")) for items in ITEMS}


def test_repair_is_the_same(pytester: pytest.Pytester, labs: dict[str, Any]) -> None:
    seen = {items: repaired(pytester, labs[items], items) for items in ITEMS}
    assert seen["each"]["fail", "cert.expired", "before"] == 1
    assert seen["each"]["pass", "cert.expired", "after"] == 1
    assert seen["endpoint"] == seen["each"]
    assert seen["check"] == seen["each"]


def repaired(pytester: pytest.Pytester, lab: Any, items: str) -> Counter[tuple[str, ...]]:  # noqa: ANN401 - JSON
    """Repair an endpoint; count what the results hold of each kind."""
    chosen = ("-k", "expired-mail.lab.test", f"--audit-items={items}")
    given = (*lab["arguments"], "--audit-results=repaired.jsonl", "--remediate", *chosen)
    run = pytester.runpytest("--pyargs", "audit", *given)
    assert run.ret == 0, run.stdout.str()
    rows = [json.loads(line) for line in (pytester.path / "repaired.jsonl").read_text().splitlines()]
    results = [row for row in rows if row["kind"] == "result"]
    counts = Counter[tuple[str, ...]]((row["verdict"], row["check"], row["phase"]) for row in results)
    counts.update((row["outcome"],) for row in rows if row["kind"] == "remediation")
    counts.update((verdict,) for verdict in rows[-1]["verdicts"])
    return counts
