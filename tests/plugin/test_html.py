"""The HTML report as it is written: order of rows, totals, and text of others as text."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from audit.evaluation.result import Result, WaiverNote
from audit.observation import Observation, ProbeFailure
from audit.verdict import Remedy, Severity, Verdict
from pytest_sslaudit.reports.carried_results import ROW, as_properties
from pytest_sslaudit.reports.html import COLUMNS, HtmlReport
from pytest_sslaudit.reports.totals import RunTotals
from pytest_sslaudit.run_state import KEY
from tests.support.evidence import NOW, A, B, keep, unreachable
from tests.support.html_page import Page

CHECKS = """
import pytest
from audit import check, inconclusive, not_applicable, require

@check("acme.passes", severity="high")
def test_passes(endpoint): pass

@check("acme.does-not-apply", severity="high")
def test_does_not_apply(endpoint): not_applicable("no such thing here")

@check("acme.low", severity="low")
def test_low(endpoint): require(False, "little")

@check("acme.follows", severity="critical")
def test_follows(endpoint): inconclusive("not seen", because="acme.high")

@check("acme.untold", severity="critical")
def test_untold(endpoint): inconclusive("permission denied")

@check("acme.high", severity="high")
def test_high(endpoint): require(False, "much", observed=["a", "b"], required=3)

@check("acme.waived", severity="critical")
def test_waived(endpoint): require(False, "known")

@check("acme.breaks", severity="low")
def test_breaks(endpoint):
    print("<b>said before</b>")
    raise KeyError("bug")

def test_plain(): pass
"""
WAIVERS = """
[[waiver]]
check = "acme.waived"
endpoint = "*"
reason = "until the move"
owner = "ops@example.com"
expires = 2027-01-31
"""


@pytest.fixture
def page(pytester: pytest.Pytester) -> Page:
    """Judge an endpoint by checks that end in every way there is."""
    pytester.makepyfile(test_own=CHECKS)
    (pytester.path / "waivers.toml").write_text(WAIVERS)
    keep(pytester.path / "kept", [unreachable(A)])
    given = ("--audit-from-evidence=kept", "--audit-waivers=waivers.toml", "--html=report.html")
    pytester.runpytest("test_own.py", *given)
    return Page(pytester.path / "report.html")


def test_worst_result_is_the_first_row(page: Page) -> None:
    assert [row.get("check", "") for row in page.rows if row.get("check") != "ops.waiver-stale"] == [
        "acme.breaks",
        "acme.untold",
        "acme.high",
        "acme.low",
        "acme.waived",
        "",  # the test that is not a check
        "acme.passes",
        "acme.does-not-apply",
    ]


def test_totals_are_those_of_the_verdicts(page: Page) -> None:
    text = " ".join(page.words)
    assert "1 error 2 findings 1 inconclusive 1 waived" in text
    assert "1 follow from a finding" in text
    assert "1 endpoint; findings: 1 high, 1 low; 1 inconclusive; 1 inconclusive because of another finding" in text


def test_row_of_a_finding_says_whether_it_counts(page: Page) -> None:
    cells = {row.get("check"): row["resultsTableRow"][4] for row in page.rows}
    assert "waived by ops@example.com until 2027-01-31: known" in cells["acme.waived"]
    assert "below the level that fails the run: little" in cells["acme.low"]
    assert "acme.follows" not in cells
    assert "does not apply: no such thing here" in cells["acme.does-not-apply"]


def test_error_row_has_its_trace_and_finding_row_its_facts(page: Page) -> None:
    logs = {row.get("check"): row["log"] for row in page.rows}
    assert "KeyError" in logs["acme.breaks"]
    assert "&lt;b&gt;said before" in logs["acme.breaks"]
    assert "observed  a, b\nrequired  3\n" in logs["acme.high"]


def test_markup_of_a_server_is_escaped(pytester: pytest.Pytester) -> None:
    markup = "<script>alert('1')</script>\"><img src=x>"
    failure = ProbeFailure("starttls", "garbage", f"no greeting: {markup}", "192.0.2.1")
    keep(pytester.path / "kept", [Observation(B, NOW, ("192.0.2.1",), failures=(failure,))])
    pytester.runpytest("--pyargs", "audit", "--audit-from-evidence=kept", "--html=report.html")
    page = Page(pytester.path / "report.html")
    told = json.dumps(page.blob)
    assert "&lt;script&gt;" in told
    assert "<script" not in told
    assert "<img" not in told


FOUND = Result(
    "web1/https://a.example:443+192.0.2.1", "ssh://root@web1", "nginx", "cert.expired", Verdict.FAIL, Severity.HIGH,
    "it <expired>", {}, Remedy.REISSUE, "RFC 5280 4.1.2.5", ("SC-17",), "webpki",
    not_after=datetime(2026, 11, 20, 7, 30, tzinfo=UTC),
)  # fmt: skip
PASSED = replace(FOUND, verdict=Verdict.PASS, message="")


def report_of(result: Result | None, *, before: Result | None = None, outcome: Any = "failed", name: str = "t") -> Any:  # noqa: ANN401 - a report of pytest
    """Return pytest's report about a result."""
    given = as_properties(result, before) if result else []
    return pytest.TestReport(name, ("", 0, ""), {}, outcome, None, "call", user_properties=given)


def cells_of(report: pytest.TestReport) -> list[str]:
    """Return the cells of a row, from the severity on, without their tags."""
    cells = ["<td>Failed</td>", "", ""]
    HtmlReport(RunTotals(), "TLS audit").pytest_html_results_table_row(report, cells)
    return [cell.partition(">")[2].removesuffix("</td>") for cell in cells[1:]]


def order_of(*reports: pytest.TestReport) -> list[str]:
    """Return the names of rows in the order in which the page has them."""
    html = HtmlReport(RunTotals(), "TLS audit")
    tests: dict[str, list[Any]] = {report.nodeid: [{}] for report in reports}
    page: Any = SimpleNamespace(data={"tests": tests}, outcomes={"skipped": {}, "xfailed": {}}, title="")
    html.pytest_html_report_title(page)
    for report in reports:
        html.pytest_html_results_table_row(report, ["", ""])
    session: Any = SimpleNamespace(config=SimpleNamespace(stash={}))
    html.pytest_html_results_summary([], session)
    return list(tests)


def test_header_row_sorts_by_every_column_but_the_finding() -> None:
    cells = ["<th>Result</th>", "<th>Test</th>", "<th>Duration</th>", "<th>Links</th>"]
    HtmlReport(RunTotals(), "TLS audit").pytest_html_results_table_header(cells)
    assert cells == [
        "<th>Result</th>",
        '<th class="sortable" data-column-type="severity">Severity</th>',
        '<th class="sortable" data-column-type="endpoint">Endpoint</th>',
        '<th class="sortable" data-column-type="check">Check</th>',
        '<th data-column-type="finding">Finding</th>',
        '<th class="sortable" data-column-type="expiry">Expiry</th>',
        '<th class="sortable" data-column-type="remedy">Remedy</th>',
    ]


def test_row_of_a_finding_has_all_its_fields() -> None:
    assert cells_of(report_of(FOUND)) == [
        '<!--2--><span class="sslaudit-high">high</span>',
        "web1/https://<wbr>a.example:443<wbr>+192.0.2.1",
        "cert.expired",
        "it &lt;expired&gt;",
        "<span>2026-11-20</span> 07:30",
        "reissue",
    ]


def test_row_of_a_pass_and_of_a_plain_test_has_empty_fields() -> None:
    empty = "\N{ZERO WIDTH SPACE}"
    severity, _, check, finding, expiry, remedy = cells_of(report_of(PASSED, outcome="passed"))
    assert (severity, check, finding, remedy) == (empty, "cert.expired", "", empty)
    assert expiry == "<span>2026-11-20</span> 07:30"
    plain = cells_of(report_of(None, outcome="passed", name="test_own.py::test_plain"))
    assert plain == [empty, "test_own.py::test_plain", "", "", empty, empty]


@pytest.mark.parametrize("level", list(Severity))
def test_row_of_a_severity_sorts_before_the_rows_of_lower_ones(level: Severity) -> None:
    shown = cells_of(report_of(replace(FOUND, severity=level)))[0]
    assert shown == f'<!--{5 - level.rank}--><span class="sslaudit-{level.value}">{level.value}</span>'


@pytest.mark.parametrize(
    ("result", "outcome", "text"),
    [
        (replace(FOUND, verdict=Verdict.INCONCLUSIVE), "failed", "inconclusive: it &lt;expired&gt;"),
        (
            replace(FOUND, verdict=Verdict.INCONCLUSIVE, detail={"because": "key.weak"}),
            "failed",
            "inconclusive, follows from key.weak: it &lt;expired&gt;",
        ),
        (
            replace(FOUND, verdict=Verdict.WAIVED, waiver=WaiverNote("moves", "ops", "2026-12-31")),
            "skipped",
            "waived by ops until 2026-12-31: it &lt;expired&gt;",
        ),
        (FOUND, "skipped", "below the level that fails the run: it &lt;expired&gt;"),
        (replace(FOUND, verdict=Verdict.NOT_APPLICABLE), "skipped", "does not apply: it &lt;expired&gt;"),
    ],
)
def test_row_of_a_verdict_says_how_it_counts(result: Result, outcome: str, text: str) -> None:
    assert cells_of(report_of(result, outcome=outcome))[3] == text


def test_row_of_a_repaired_finding_says_what_it_was_before() -> None:
    before = '<span class="sslaudit-before">before: fail (high): it &lt;expired&gt;</span>'
    repaired = cells_of(report_of(PASSED, before=FOUND, outcome="passed"))
    assert repaired[3] == f' <span class="sslaudit-repaired">repaired</span> {before}'
    assert cells_of(report_of(FOUND, before=FOUND))[3] == f"it &lt;expired&gt; {before}"


def test_row_order_is_errors_findings_repaired_waived_passed() -> None:
    follows = replace(FOUND, verdict=Verdict.INCONCLUSIVE, detail={"because": "key.weak"}, severity=Severity.CRITICAL)
    expected = [
        report_of(None, name="plain that failed"),
        report_of(replace(FOUND, verdict=Verdict.ERROR, severity=Severity.INFO), name="error"),
        report_of(follows, name="consequence that fails the run"),
        report_of(FOUND, name="finding"),
        report_of(replace(FOUND, severity=Severity.LOW), name="low finding", outcome="skipped"),
        report_of(PASSED, before=FOUND, name="repaired", outcome="passed"),
        report_of(replace(FOUND, verdict=Verdict.WAIVED), name="waived", outcome="skipped"),
        report_of(None, name="plain that passed", outcome="passed"),
        report_of(PASSED, name="passed", outcome="passed"),
        report_of(replace(FOUND, verdict=Verdict.NOT_APPLICABLE), name="not applicable", outcome="skipped"),
    ]
    assert order_of(*reversed(expected)) == [report.nodeid for report in expected]
    consequence = report_of(follows, name="consequence", outcome="skipped")
    HtmlReport(RunTotals(), "TLS audit").pytest_html_results_table_row(consequence, cells := ["<td>Skipped</td>", ""])
    assert cells == []


def test_unfolded_row_has_a_line_for_each_fact() -> None:
    judged = replace(
        FOUND, check="acme.own", severity=Severity.LOW, leaf_sha256="ab12", nodeid="t",
        detail={"observed": ["a", 2], "required": None, "severity_policy": "corp"},
        waiver=WaiverNote("moves", "ops", "2026-12-31"),
    )  # fmt: skip
    HtmlReport(RunTotals(), "TLS audit").pytest_html_results_table_html(report_of(judged), data := ["the log"])
    assert data[0].splitlines() == [
        "finding   it &lt;expired&gt;",
        "observed  a, 2",
        "source    RFC 5280 4.1.2.5",
        "policy    webpki",
        "severity  low, set by the policy corp",
        "controls  SC-17",
        "waiver    moves (ops, until 2026-12-31)",
        "host      ssh://root@web1",
        "service   nginx",
        "leaf      sha256 ab12",
        "test      t",
    ]


def test_unfolded_row_without_optional_facts_has_no_lines_for_them() -> None:
    bare = replace(FOUND, check="acme.own", host=None, service=None, controls=(), source="", message="")
    first = replace(bare, message="it expired")
    report = report_of(replace(bare, verdict=Verdict.PASS), before=first, outcome="passed")
    HtmlReport(RunTotals(), "TLS audit").pytest_html_results_table_html(report, data := ["the log"])
    assert data[0].splitlines() == ["policy    webpki", "test      t", "before    fail (high): it expired"]


def test_row_of_an_error_and_of_a_plain_test_keeps_its_log() -> None:
    for report in (report_of(replace(FOUND, verdict=Verdict.ERROR)), report_of(None)):
        HtmlReport(RunTotals(), "TLS audit").pytest_html_results_table_html(report, data := ["the log"])
        assert data == ["the log"]


@pytest.mark.parametrize(
    ("when", "outcome", "log", "is_drawn"),
    [
        ("setup", "passed", "", False),
        ("teardown", "passed", "", False),
        ("setup", "passed", "said", True),
        ("teardown", "passed", "said", True),
        ("setup", "failed", "", True),
        ("teardown", "failed", "", True),
        ("call", "passed", "", True),
    ],
)
def test_row_of_a_set_up_or_clean_up_is_drawn_if_it_failed_or_has_a_log(
    when: Literal["setup", "call", "teardown"], outcome: Literal["passed", "failed"], log: str, *, is_drawn: bool
) -> None:
    sections = [("Captured log", log)] if log else []
    report = pytest.TestReport("t", ("", 0, ""), {}, outcome, None, when, sections=sections)
    HtmlReport(RunTotals(), "TLS audit").pytest_html_results_table_row(report, cells := ["<td>Result</td>", ""])
    assert bool(cells) is is_drawn


def test_row_that_cannot_be_drawn_says_so_and_the_first_one_is_an_accident() -> None:
    html = HtmlReport(totals := RunTotals(), "TLS audit")
    for name in ("first", "second"):
        broken = unreadable_report(name)
        html.pytest_html_results_table_row(broken, cells := ["<td>Failed</td>", ""])
        assert [cells[0], len(cells)] == ["<td>Failed</td>", 1 + len(COLUMNS)]
        assert f'<td class="col-endpoint">{name}</td>' in cells
        finding = "this row could not be drawn: see the end of the output of the run"
        assert f'<td class="col-finding">{finding}</td>' in cells
    (accident,) = totals.accidents
    assert accident.startswith("HTML report, first: ")
    assert "JSONDecodeError" in accident


def unreadable_report(name: str) -> Any:  # noqa: ANN401 - a report of pytest
    """Return pytest's report about a test, whose result cannot be read."""
    return pytest.TestReport(name, ("", 0, ""), {}, "failed", None, "call", user_properties=[(ROW, "{")])


def test_row_that_cannot_be_explained_is_an_accident() -> None:
    report = unreadable_report("broken")
    HtmlReport(totals := RunTotals(), "TLS audit").pytest_html_results_table_html(report, data := ["the log"])
    assert data == ["the log"]
    (accident,) = totals.accidents
    assert accident.startswith("HTML report, broken: ")


def test_row_that_cannot_be_drawn_is_among_the_errors() -> None:
    error = report_of(replace(FOUND, verdict=Verdict.ERROR), name="error")
    assert order_of(report_of(FOUND, name="finding"), error, unreadable_report("broken")) == [
        "broken",
        "error",
        "finding",
    ]


@pytest.mark.parametrize(
    ("profiles", "policies"), [((), "by kind of certificate"), (("webpki", "corp"), "webpki, corp")]
)
def test_lines_above_the_rows_say_how_the_run_judged(profiles: tuple[str, ...], policies: str) -> None:
    html = HtmlReport(totals := RunTotals(), "TLS audit")
    totals.verdicts.update({"fail": 1, "error": 2})
    page: Any = SimpleNamespace(data={"tests": {}}, outcomes={"skipped": {}, "xfailed": {}}, title="")
    html.pytest_html_report_title(page)
    policy = tuple(SimpleNamespace(name=name) for name in profiles)
    settings = SimpleNamespace(policy=policy, trust=("mozilla", "corp.pem"), fail_on=Severity.HIGH, extensions=())
    stash = {KEY: SimpleNamespace(settings=settings, now=NOW)}
    session: Any = SimpleNamespace(config=SimpleNamespace(stash=stash))
    prefix: list[str] = []
    html.pytest_html_results_summary(prefix, session)
    assert (
        f"<p>judged as of 2026-11-23 10:00 UTC; policy: {policies}; trust anchors: mozilla, corp.pem; "
        "the run fails from high on</p>"
    ) in prefix[0]
    counts = '<li class="sslaudit-error"><b>2</b> errors</li><li class="sslaudit-fail"><b>1</b> finding</li>'
    assert f"<ul>{counts}</ul>" in prefix[0]
