"""From verdict to pytest's outcome and exit status: the table of the interface."""

from __future__ import annotations

import json
import ssl
import xml.etree.ElementTree as ET

import pytest

from audit.observation import DnsView
from tests.support.endpoint_facts import GOOD, INTERMEDIATE, ROOT, observed, served
from tests.support.evidence import A, B, keep, rows, unreachable

CHECKS = """
import pytest
from audit import check, inconclusive, not_applicable, require

def holds(endpoint): pass
def fails(endpoint): require(False, "seen 1; 2 is required", observed=1, required=2)
def does_not_apply(endpoint): not_applicable("no such thing here")
def cannot_tell(endpoint): inconclusive("could not be read: permission denied")
def breaks(endpoint): raise KeyError("bug")
def asserts(endpoint): assert endpoint.port == 1

@check("acme.one", severity="{severity}", remedy="configure", source="Corp 3.1")
def test_one(endpoint):
    "Every port is right."
    {ending}(endpoint)
"""


class Audit:
    """A folder with evidence of one or more endpoints, and one check that ends as wished."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.evidence = keep(pytester.path / "evidence", [unreachable(A)])
        self.results = pytester.path / "results.jsonl"

    def run(self, ending: str, *arguments: str, severity: str = "high") -> pytest.RunResult:
        self.pytester.makepyfile(test_own=CHECKS.format(ending=ending, severity=severity))
        given = ("--audit-from-evidence", str(self.evidence), "--audit-results", str(self.results))
        return self.pytester.runpytest("test_own.py", "-p", "no:cacheprovider", *given, *arguments)

    def row(self) -> dict[str, object]:
        (row,) = rows(self.results)
        return row

    def status(self) -> int:
        (summary,) = rows(self.results, "summary")
        return int(summary["exit_status"])


@pytest.fixture
def audit(pytester: pytest.Pytester) -> Audit:
    return Audit(pytester)


WORKERS = pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "-n1"])


@pytest.mark.parametrize(
    ("ending", "verdict", "outcome", "status"),
    [
        ("holds", "pass", "passed", 0),
        ("fails", "fail", "failed", 1),
        ("asserts", "fail", "failed", 1),
        ("cannot_tell", "inconclusive", "failed", 1),
        ("breaks", "error", "failed", 3),
    ],
)
def test_verdict_has_its_outcome_and_exit_status(
    audit: Audit, ending: str, verdict: str, outcome: str, status: int
) -> None:
    result = audit.run(ending)
    result.assert_outcomes(**{outcome: 1})
    assert (result.ret, audit.row()["verdict"], audit.status()) == (status, verdict, status)


def test_check_that_does_not_apply_is_skipped(audit: Audit) -> None:
    keep(audit.evidence, [unreachable(A), unreachable(B)])
    ending = "(lambda e: does_not_apply(e) if e.port == 443 else holds(e))"
    result = audit.run(ending)
    result.assert_outcomes(passed=1, skipped=1)
    assert result.ret == 0


def test_finding_below_the_level_is_reported_without_failure(audit: Audit) -> None:
    keep(audit.evidence, [unreachable(A), unreachable(B)])
    result = audit.run("fails", "-rx", severity="low")
    result.assert_outcomes(xfailed=2)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*low: seen 1; 2 is required*"])


@pytest.mark.parametrize(("level", "status"), [("low", 1), ("medium", 1), ("high", 1), ("critical", 0)])
def test_level_decides_which_findings_fail(audit: Audit, level: str, status: int) -> None:
    assert audit.run("fails", "--audit-fail-on", level).ret == status


def test_reported_inconclusive_verdict_alone_never_passes_the_run(audit: Audit) -> None:
    result = audit.run("cannot_tell", "--audit-inconclusive", "report")
    result.assert_outcomes(skipped=1)
    assert result.ret == 1  # nothing at all could be audited
    result.stdout.fnmatch_lines(["*nothing was audited*"])


def test_finding_is_listed_once_with_its_source(audit: Audit) -> None:
    result = audit.run("fails")
    result.stdout.fnmatch_lines(
        ["https://a.example:443  high acme.one: seen 1; 2 is required [[]Corp 3.1[]]", "*1 failed*"]
    )
    assert result.stdout.str().count("seen 1; 2 is required") == 1
    assert "FAILED" not in result.stdout.str()


def test_finding_of_a_plain_assertion_begins_with_the_requirement(audit: Audit) -> None:
    audit.run("asserts")
    assert str(audit.row()["message"]).startswith("Every port is right: assert 443 == 1")


def test_bug_has_its_trace(audit: Audit) -> None:
    audit.run("breaks").stdout.fnmatch_lines(["*def breaks*", "E*KeyError: 'bug'"])


def test_result_has_all_fields_of_the_contract(audit: Audit) -> None:
    audit.run("fails")
    row = audit.row()
    assert row["endpoint"] == "https://a.example:443"
    assert row["check"] == "acme.one"
    assert row["detail"] == {"observed": 1, "required": 2}
    assert row["remedy"] == "configure"
    assert row["source"] == "Corp 3.1"
    assert row["phase"] == "before"
    assert row["waiver"] is None
    assert row["observed_at"] == "2026-11-23T10:00:00Z"
    assert str(row["nodeid"]).endswith("test_one[https://a.example:443]")


def test_junit_report_has_the_same_result(audit: Audit) -> None:
    audit.run("fails", "--junitxml", "junit.xml")
    case = ET.parse(audit.pytester.path / "junit.xml").find(".//testcase")  # noqa: S314 - our own file
    assert case is not None
    found = {item.get("name"): item.get("value") for item in case.iter("property")}
    row = audit.row()
    assert {name: found[name] for name in ("check", "verdict", "severity", "endpoint", "message", "remedy")} == {
        name: row[name] for name in ("check", "verdict", "severity", "endpoint", "message", "remedy")
    }
    whole = json.loads(found["sslaudit"] or "")
    assert {name: value for name, value in row.items() if name not in ("kind", "nodeid", "duration_s")} == {
        name: value for name, value in whole.items() if name not in ("nodeid", "duration_s")
    }
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message", "").startswith("high: seen 1; 2 is required")


def test_junit_report_of_an_endpoint_that_passes_is_small(pytester: pytest.Pytester) -> None:
    keep(pytester.path / "kept", [observed(served(GOOD, INTERMEDIATE), dns=DnsView("ok", ("192.0.2.7",)))])
    (pytester.path / "root.pem").write_text(ssl.DER_cert_to_PEM_cert(ROOT.der))
    given = ("--audit-from-evidence=kept", "--audit-trust=root.pem", "--junit-xml=junit.xml")
    result = pytester.runpytest("--pyargs", "audit", *given)
    assert result.ret == 0
    cases = ET.parse(pytester.path / "junit.xml").findall(".//testcase")  # noqa: S314 - our own file
    assert len(cases) > 30
    assert (pytester.path / "junit.xml").stat().st_size < 10_000


@WORKERS
def test_two_checks_with_one_id_are_a_usage_error(audit: Audit, workers: tuple[str, ...]) -> None:
    audit.pytester.makepyfile(test_other=CHECKS.format(ending="holds", severity="high"))
    result = audit.run("holds", "test_other.py", *workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "two checks have the id 'acme.one'" in result.stderr.str()


@WORKERS
def test_collection_error_is_a_bug(audit: Audit, workers: tuple[str, ...]) -> None:
    audit.pytester.makepyfile(test_broken="def test_x(:")
    assert audit.run("holds", "test_broken.py", *workers).ret == 3


def test_derived_inconclusive_verdict_fails_nothing_more(audit: Audit) -> None:
    audit.pytester.makepyfile(
        test_cause="""
        from audit import check, require
        @check("acme.cause", severity="high")
        def test_cause(endpoint): require(False, "the cause")
        """
    )
    result = audit.run("(lambda e: inconclusive('no fact', because='acme.cause'))", "test_cause.py")
    result.assert_outcomes(failed=1, skipped=1)
    verdicts = {row["check"]: row["verdict"] for row in rows(audit.results)}
    assert verdicts == {"acme.cause": "fail", "acme.one": "inconclusive"}


def test_derived_inconclusive_verdict_counts_if_its_cause_is_not_judged(audit: Audit) -> None:
    result = audit.run("(lambda e: inconclusive('no fact', because='acme.cause'))")
    result.assert_outcomes(failed=1)
    assert result.ret == 1


def test_server_text_cannot_control_the_terminal(audit: Audit) -> None:
    result = audit.run("(lambda e: require(False, 'seen \\x1b[2J\\nmore'))")
    assert "\x1b[2J" not in result.stdout.str()
    assert audit.row()["message"] == "seen \N{REPLACEMENT CHARACTER}[2J more"


def test_old_results_are_removed(audit: Audit) -> None:
    audit.results.write_text("old\n")
    audit.run("holds")
    assert "old" not in audit.results.read_text()
