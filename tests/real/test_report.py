"""The HTML report of an audit of a real host, looked at in a browser that has no network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.real.browser import running_browser
from tests.real.daemons import Names
from tests.real.lab import NAMES, running_lab
from tests.real.pki import Authority, Credential

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.real, pytest.mark.browser]

WEB1 = NAMES["main"].main


@pytest.fixture(scope="module")
def report(overlays: None, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001 - skips or fails first
    """Audit a host whose nginx has an expired certificate, and return the report."""

    def issue(daemon: str, names: Names) -> tuple[Credential, Credential]:
        begins = -80 if daemon == "nginx" else -1
        return authority.issue(names.main, begins=begins, lasts=60), authority.issue(names.second, lasts=60)

    with running_lab(authority, issue, "main") as lab:
        run = lab.audit(f"--hosts=ssh://root@{WEB1}", "--html=/run/audit/report.html", "--self-contained-html")
        assert run.with_verdict("fail") == {(f"{WEB1}/https://{WEB1}:443", "cert.expired")}, run.explain()
        file = tmp_path_factory.mktemp("report") / "report.html"
        file.write_text(lab.auditor.read("/run/audit/report.html"))
    return file


@pytest.fixture(scope="module")
def page(report: Path) -> Iterator[Page]:
    with running_browser() as browser:
        opened = browser.new_page(viewport={"width": 1280, "height": 800})
        errors: list[str] = []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.goto(report.as_uri())
        opened.wait_for_selector("#results-table tbody tr")
        yield opened
        assert errors == []


def test_the_report_has_a_column_for_each_thing_an_operator_asks(page: Page) -> None:
    headers = page.locator("#results-table-head th").all_inner_texts()
    assert [header.strip() for header in headers[:7]] == [
        "Result",
        "Severity",
        "Endpoint",
        "Check",
        "Finding",
        "Expiry",
        "Remedy",
    ]


def test_what_failed_stands_first_with_finding_and_remedy(page: Page) -> None:
    cells = page.locator("#results-table tbody tr").first.locator("td").all_inner_texts()
    assert cells[0].strip().lower() == "failed"
    assert cells[1:4] == ["critical", f"{WEB1}/https://{WEB1}:443", "cert.expired"]
    assert cells[4].startswith("expired ")
    assert cells[6] == "reissue"


def test_the_totals_on_top_are_the_runs(page: Page) -> None:
    totals = page.locator(".sslaudit").inner_text()
    assert "17 endpoints; findings: 1 critical" in totals


def test_the_report_needs_nothing_from_elsewhere(report: Path) -> None:
    text = report.read_text()
    assert 'src="http' not in text
    assert '<link href="http' not in text
