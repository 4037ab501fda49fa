"""The summary, the exit status and the reports of a run are made from its results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.evaluation.result import Result
from audit.verdict import Remedy, Severity, Verdict
from pytest_sslaudit import session  # noqa: F401 - kept loaded: pytester drops what a run inside the process loads
from pytest_sslaudit.reports.groups import title_of
from pytest_sslaudit.reports.policy_notes import PolicyNotes
from pytest_sslaudit.reports.repairs import RepairRow, counted, refused_contacts, repair_table
from pytest_sslaudit.reports.summary import (
    MANY_ENDPOINTS,
    MOST_UNKNOWNS,
    failing_groups,
    lines_of_costs,
    lines_of_endpoints,
    lines_of_totals,
    lines_of_unknowns,
)
from pytest_sslaudit.reports.totals import BUG, RunTotals, SessionEnd, exit_status
from tests.support.x509.certificates import DAY, NOW

CLOSED = "https://127.0.0.1:1"
WWW = "web1/https://www.example.com:443"
FINDING = Result(
    WWW, "web1", "nginx", "cert.expired", Verdict.FAIL, Severity.CRITICAL, "it has expired", {}, Remedy.REISSUE, "", (),
    "webpki", not_after=NOW,
)  # fmt: skip
PASS = replace(FINDING, check="key.weak", verdict=Verdict.PASS)
UNKNOWN = replace(FINDING, check="cert.revoked", verdict=Verdict.INCONCLUSIVE, message="no response")
ENDED = SessionEnd(interrupted=False, broken_collection=False)


def totals(*results: Result, outcome: str = "failed", **further: Any) -> RunTotals:  # noqa: ANN401 - any count
    """Return the counts of these results."""
    counts = RunTotals(**further)
    for result in results:
        counts.add(result, outcome)
    return counts


def test_findings_are_grouped_by_check_below_the_title_and_the_count() -> None:
    minor = replace(FINDING, check="key.weak", severity=Severity.LOW)
    other = replace(FINDING, endpoint=CLOSED, severity=Severity.HIGH)
    unsure = replace(UNKNOWN, check="cert.expired", endpoint="web1/")
    groups = list(failing_groups(totals(minor, other, FINDING, unsure, replace(minor, check="acme.own"))))
    assert [group.header for group in groups] == [
        "cert.expired (2 findings, 1 inconclusive): The certificate must not be expired",
        "acme.own (1 finding)",
        f"key.weak (1 finding): {title_of('key.weak')}",
    ]
    assert [result.endpoint for result in groups[0].results] == [CLOSED, "web1/", WWW]


@pytest.mark.parametrize(
    ("counts", "pytest_status", "status"),
    [
        (totals(PASS), 0, 0),
        (totals(FINDING), 1, 1),
        (totals(replace(PASS, check="svc.unreachable")), 0, 1),
        (totals(PASS, failed_repairs=1), 0, 1),
        (totals(PASS, gaps=("no result",)), 0, 1),
        (totals(gaps=("no result",)), 5, 1),
        (totals(), 5, 5),
        (totals(PASS, repairs_broken=True), 0, BUG),
        (totals(replace(PASS, verdict=Verdict.ERROR)), 1, BUG),
        (totals(), 4, 4),
        (totals(), 0, 0),
        (totals(PASS), 3, 3),
        (totals(PASS, accidents=["a trace"]), 0, BUG),
        (totals(replace(PASS, verdict=Verdict.WAIVED)), 0, 0),
        (totals(replace(PASS, verdict=Verdict.NOT_APPLICABLE)), 0, 1),
        (totals(replace(PASS, endpoint="run/")), 0, 1),
        (totals(PASS, replace(PASS, check="svc.unreachable")), 0, 0),
    ],
)
def test_exit_status_of_a_run(counts: RunTotals, pytest_status: int, status: int) -> None:
    assert exit_status(pytest_status, ENDED, counts) == status


def test_results_are_counted_by_endpoint_host_and_expiry() -> None:
    later = replace(PASS, endpoint=CLOSED, not_after=NOW + DAY)
    counts = totals(later, PASS, later, replace(PASS, endpoint="web1/"), replace(PASS, endpoint="run/", not_after=None))
    assert (counts.endpoints, counts.hosts, counts.earliest) == ({WWW, CLOSED}, {"web1/"}, (NOW, WWW))
    assert (counts.connections, counts.failed_repairs, counts.findings_before) == (0, 0, None)
    counts.add(replace(FINDING, endpoint="https://c.example:443"), "failed")
    assert not counts.judged.has("key.weak", "https://c.example:443")
    assert counts.judged.has("key.weak", WWW)
    assert not counts.judged.has("key.weak", "https://b.example:443")
    assert not counts.judged.has("cert.expired", WWW)


def test_inconclusive_check_with_a_cause_is_a_consequence() -> None:
    counts = totals(
        UNKNOWN,
        replace(UNKNOWN, check="cert.sct", detail={"because": "svc.unreachable"}),
        replace(PASS, detail={"because": 1}),
    )
    assert (counts.consequential, len(counts.failing), counts.by_severity()) == (1, 2, [])


def test_waived_findings_are_listed_and_not_counted_as_findings() -> None:
    waived = replace(FINDING, check="cert.expiring", verdict=Verdict.WAIVED)
    counts = totals(PASS, waived, FINDING)
    assert (counts.waived, counts.by_severity()) == ([waived], [(Severity.CRITICAL, 1)])


def test_module_that_was_not_collected_is_a_bug_and_interruption_is_not() -> None:
    ended = replace(ENDED, broken_collection=True)
    assert exit_status(2, ended, totals()) == BUG
    assert exit_status(1, replace(ended, interrupted=True), totals(FINDING, repairs_broken=True)) == 2


def test_endpoint_has_a_line_with_its_worst_finding() -> None:
    minor = replace(FINDING, check="cert.expiring", severity=Severity.LOW)
    assert list(lines_of_endpoints(totals(minor, UNKNOWN, FINDING))) == [
        f"{WWW}  critical cert.expired: it has expired (and 2 more)"
    ]


def test_inconclusive_checks_are_listed_up_to_a_limit() -> None:
    results = (replace(UNKNOWN, endpoint=f"https://{number:02}.example:443") for number in range(MOST_UNKNOWNS + 2))
    first, *_, last = lines_of_unknowns(totals(*results, outcome="skipped"))
    assert first == "https://00.example:443  inconclusive cert.revoked: no response"
    assert last == "2 more inconclusive checks that fail nothing: see the results"


def test_many_endpoints_have_a_line_about_the_costs_of_their_tests() -> None:
    (line,) = lines_of_costs("each", 2 * MANY_ENDPOINTS)
    assert line == (
        "sslaudit: a test for each result of 4000 endpoints takes about 80 s and 700 MB; one for each endpoint "
        "(--audit-items=endpoint) 42 s and 308 MB, one for each check (--audit-items=check) 40 s and 160 MB"
    )
    assert not [*lines_of_costs("each", MANY_ENDPOINTS), *lines_of_costs("check", 2 * MANY_ENDPOINTS)]


def test_totals_count_findings_before_and_after_the_repairs() -> None:
    hidden = replace(UNKNOWN, detail={"because": "cert.expired"})
    counts = totals(FINDING, PASS, hidden, repairs=[REPAIRED, FAILED_REPAIR])
    counts.findings_before = 4
    assert list(lines_of_totals(counts)) == [
        "1 endpoint; findings: 1 critical; 1 inconclusive because of another finding",
        "findings before the repairs: 4, after them: 1; 1 failed, 1 repaired",
        f"earliest expiry: {NOW:%Y-%m-%d %H:%M} UTC ({WWW})",
    ]


REPAIRED = RepairRow("repaired", "reissue", "web1", "a.example", "", "1a2b3c4d")
FAILED_REPAIR = replace(REPAIRED, outcome="failed", happened="<b>refused</b>")


def test_repair_table_has_the_failed_repair_first_and_escapes_its_text() -> None:
    table = repair_table([REPAIRED, FAILED_REPAIR])
    assert table.index("&lt;b&gt;refused&lt;/b&gt;") < table.index('"sslaudit-repaired"')
    assert "<summary>Repairs: 1 failed, 1 repaired</summary>" in table
    assert table.count("<td>1a2b3c4d</td>") == 2


def test_run_without_repairs_has_no_repair_table() -> None:
    assert (counted([]), repair_table([])) == ("nothing to repair", "")


def test_long_repair_table_is_folded_if_all_is_repaired() -> None:
    assert " open>" not in repair_table([REPAIRED] * 12)
    assert " open>" in repair_table([*[REPAIRED] * 12, FAILED_REPAIR])


def test_contact_that_gets_no_email_is_escaped() -> None:
    assert refused_contacts(["<a@b>"]) == '<p class="sslaudit-contacts">&lt;a@b&gt;</p>'


def test_note_of_a_policy_is_under_the_result_and_in_the_table() -> None:
    notes = PolicyNotes()
    noted = dict(notes.lines(replace(FINDING, policy="webpki+cpanel", check="cert.revoked")))
    assert noted["rule"] == "A certificate that is revoked is replaced."
    assert "(BR 4.9.7, 4.9.9; " in noted["today"]
    assert "<summary>Policy cpanel: " in notes.table()
    assert noted["rule"] in notes.table()


def test_policy_without_notes_has_no_table() -> None:
    notes = PolicyNotes()
    assert (list(notes.lines(FINDING)), notes.table()) == ([], "")


def audit(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Audit an endpoint that refuses connections."""
    given = ("-p", "no:cacheprovider", "--pyargs", "audit", f"--audit-endpoint={CLOSED}")
    return pytester.runpytest_inprocess(*given, *arguments)


def test_waiver_that_covers_no_finding_is_reported(pytester: pytest.Pytester) -> None:
    waiver = f'[[waiver]]\ncheck = "cert.expired"\nendpoint = "{CLOSED}"\nreason = "test"\nowner = "me"\n'
    Path("own.toml").write_text(f"{waiver}expires = 2999-01-01\n", encoding="utf-8")
    ended = audit(pytester, "--audit-waivers=own.toml", "--html=report.html")
    ended.stdout.fnmatch_lines(["run/  *waiver*"])
    html = (pytester.path / "report.html").read_text(encoding="utf-8")
    assert "127.0.0.1, connect: connection refused" in html


def test_checks_that_addopts_leaves_out_make_the_audit_incomplete(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k test_reachable")
    ended = audit(pytester)
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    ended.stdout.fnmatch_lines(["the audit is incomplete: there is no result of *sets keyword*"])
