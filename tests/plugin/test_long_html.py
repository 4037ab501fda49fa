"""The HTML report of a run with more tests than a page can show: the findings of each check, and no row of a test."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from audit.endpoint import parse_endpoint
from audit.observation import Observation, ProbeFailure
from pytest_sslaudit.reports.long_html import MOST_OF_A_CHECK, MOST_ROWS
from tests.support.evidence import NOW, A, B, keep, rows, unreachable
from tests.support.html_page import Page

LIMIT: Final = "pytest_sslaudit.reports.long_html.MOST_ROWS"
AUDIT: Final = ("--pyargs", "audit", "-q", "--audit-from-evidence=kept", "--html=report.html")
MARKUP: Final = "<script>alert(1)</script>"
PLAIN: Final = "def test_plain(): assert False, '<b>own</b>'"
HOSTILE: Final = Observation(A, NOW, ("192.0.2.1",), failures=(ProbeFailure("starttls", "garbage", MARKUP),))


def page_of(pytester: pytest.Pytester) -> tuple[Page, str]:
    """Return the page, and its text."""
    file = pytester.path / "report.html"
    return Page(file), file.read_text()


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["one process", "xdist"])
def test_page_lists_findings_and_other_failures_and_no_rows(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    monkeypatch.setattr(LIMIT, 50)
    keep(pytester.path / "kept", [HOSTILE, unreachable(B)])
    pytester.makepyfile(test_plain=PLAIN)
    run = pytester.runpytest(*AUDIT, "test_plain.py", *workers)
    page, text = page_of(pytester)
    assert page.rows == []
    assert "<summary>svc.unreachable (2 findings): Every address of the endpoint" in text
    assert "<td>high</td><td>imaps://b.example:993</td><td>192.0.2.1, connect: connection refused" in text
    assert "<td>test_plain.py::test_plain</td>" in text
    assert MARKUP not in text
    tests = sum(run.parseoutcomes().values())
    line = f"not all {tests} results (limit 50): name a file for all of them with --audit-results"
    assert line in text
    run.stdout.fnmatch_lines([f"*{line}"])


def test_page_names_the_results_file(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LIMIT, 40)
    keep(pytester.path / "kept", [unreachable(A)])
    pytester.runpytest(*AUDIT, "--audit-results=results.jsonl")
    assert f"(limit 40): all are in {pytester.path / 'results.jsonl'}</p>" in page_of(pytester)[1]


def test_run_with_as_many_tests_as_the_limit_has_its_table(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(pytester.path / "kept", [unreachable(A)])
    pytester.runpytest(*AUDIT, "--audit-results=results.jsonl")
    monkeypatch.setattr(LIMIT, len(rows(pytester.path / "results.jsonl")))
    pytester.runpytest(*AUDIT)
    page, text = page_of(pytester)
    assert page.rows
    assert '<details class="sslaudit-findings"' not in text


def test_thousands_of_tests_make_a_small_page(pytester: pytest.Pytester) -> None:
    count = MOST_ROWS // 40
    keep(
        pytester.path / "kept", [unreachable(parse_endpoint(f"https://www{number}.example")) for number in range(count)]
    )
    run = pytester.runpytest(*AUDIT)
    assert sum(run.parseoutcomes().values()) > MOST_ROWS
    page, text = page_of(pytester)
    assert page.rows == []
    assert f"<p>and {count - MOST_OF_A_CHECK} more: see the results</p>" in text
    assert Path("report.html").stat().st_size < 200_000
