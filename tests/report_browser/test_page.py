"""What an operator sees of a report, and does with it: order, filters, sorting, details, at two widths."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import pytest

from pytest_sslaudit.reports.repairs import RepairRow, repair_table
from tests.report_browser.conftest import IMAGE, SUBJECT

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.system, pytest.mark.browser]


def column(page: Page, name: str) -> list[str]:
    cells = page.locator(f".collapsible td.col-{name}").all_inner_texts()
    return [cell.replace("\n", " ").strip("\u200b ") for cell in cells]


def click_header(page: Page, name: str) -> None:
    page.locator(f"th[data-column-type={name}]").click()


def row_of(page: Page, check: str, endpoint: str) -> Locator:
    row = page.locator("tbody", has=page.locator("td.col-check", has_text=check))
    return row.filter(has=page.locator("td.col-endpoint", has_text=endpoint))


def runs(values: list[str]) -> list[str]:
    return [value for value, _ in groupby(values)]


def test_worst_rows_are_first_and_their_consequences_are_a_count(page: Page) -> None:
    kinds = column(page, "result")
    assert runs(kinds) == ["Failed", "XFailed", "Passed", "Skipped"]
    assert not any(finding.startswith("inconclusive, follows") for finding in column(page, "finding"))
    assert "follow from a finding" in page.locator(".sslaudit-follows").inner_text()
    failed = column(page, "severity")[: kinds.index("XFailed")]
    assert runs(failed) == ["", "critical", "high"]  # first the test that is not a check


def test_findings_of_each_check_have_a_header_with_title_and_count(page: Page) -> None:
    headers = page.locator(".sslaudit-group th")
    parts = [tuple(header.locator("> *").all_inner_texts()) for header in headers.all()]
    assert ("cert.expired", "The certificate must not be expired", "1") in parts
    assert ("acme.hostile", "", "5") in parts
    assert len({check for check, _, _ in parts}) == len(parts) == 4
    page.locator("input[data-test-result=passed]").click()
    assert headers.count() == 4
    click_header(page, "expiry")
    assert headers.count() == 0  # the rows of a check are not together


def test_filter_hides_only_its_rows(page: Page) -> None:
    before = column(page, "result")
    page.locator("input[data-test-result=passed]").click()
    assert column(page, "result") == [result for result in before if result != "Passed"]
    page.locator("input[data-test-result=passed]").click()
    assert column(page, "result") == before


def test_severities_sort_by_rank(page: Page) -> None:
    click_header(page, "severity")
    worst_first = [level for level in column(page, "severity") if level]
    assert runs(worst_first) == ["critical", "high", "low"]
    assert column(page, "severity")[-1] == ""
    click_header(page, "severity")
    assert [level for level in column(page, "severity") if level] == worst_first[::-1]


def test_expiries_sort_by_time_and_unknown_ones_last(page: Page) -> None:
    click_header(page, "expiry")
    expiries = column(page, "expiry")
    known = [expiry for expiry in expiries if expiry]
    assert known == sorted(known)
    assert known[0] == "2026-11-21 10:00"
    assert expiries[len(known) :] == [""] * (len(expiries) - len(known))


def test_row_unfolds_at_a_click_anywhere_in_it(page: Page) -> None:
    row = row_of(page, "cert.expired", "expired.example")
    assert not row.locator(".log").is_visible()
    row.locator("td.col-severity span").click(force=True)  # the cell is what takes the click
    log = row.locator(".log").inner_text()
    assert "source    RFC 5280 4.1.2.5" in log
    assert "test_certificate.py::test_not_expired[https://expired.example:443]" in log


def test_markup_sent_by_hosts_is_shown_as_text(page: Page) -> None:
    assert SUBJECT in row_of(page, "cert.self-signed", "hostile.example").locator("td.col-finding").inner_text()
    assert IMAGE[:80] in row_of(page, "svc.unreachable", "dead.example").locator("td.col-finding").inner_text()
    page.locator("#show_all_details").click()
    assert page.locator("table script, table svg, table img[src=x], table b").count() == 0


@pytest.mark.parametrize("width", [1280, 800])
def test_page_fits_the_width_of_the_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.locator("#show_all_details").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    widths = page.evaluate("[...document.querySelectorAll('th')].map(th => [th.scrollWidth, th.clientWidth])")
    assert [needed for needed, given in widths if needed > given] == []


@pytest.mark.parametrize("width", [390, 360])
def test_cells_are_wide_enough_to_read_on_a_phone(page: Page, width: int) -> None:
    narrow = "cells => cells.filter(cell => cell.innerText.trim()).map(cell => cell.getBoundingClientRect().width)"
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    endpoints, findings = (
        page.locator(f"#results-table td.col-{name}").evaluate_all(narrow) for name in ("endpoint", "finding")
    )
    assert min(endpoints) > 300
    assert min(findings) > 300
    page.locator("td.col-result").first.click()
    assert page.locator("#results-table .extras-row:not(.hidden)").count() == 1


def test_table_of_repairs_can_be_read_on_a_phone(page: Page) -> None:
    row = RepairRow("not repaired", "reissue", "ssh://root@web1", "a.example, " * 20, "verify: " + "x" * 200, "1f0c")
    add = "(top, table) => top.insertAdjacentHTML('beforeend', table)"
    page.locator(".sslaudit").evaluate(add, repair_table([row]))
    page.set_viewport_size({"width": 360, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    boxes = [cell.bounding_box() for cell in page.locator(".sslaudit-repairs td").all()]
    assert [box["width"] > 300 for box in boxes if box] == [True] * len(boxes)
    assert len(boxes) >= 6


def test_totals_are_first_and_the_environment_is_last(page: Page) -> None:
    top = {name: page.locator(name).bounding_box() for name in (".sslaudit", "#results-table", "#environment-header")}
    heights = [box["y"] for box in top.values() if box]
    assert len(heights) == len(top)
    assert heights == sorted(heights)
    assert "5 endpoints; findings: " in page.locator(".sslaudit").inner_text()


def test_report_of_too_many_tests_shows_findings_by_check_and_no_table(long_page: Page) -> None:
    lists = long_page.locator(".sslaudit-findings")
    headers = lists.locator("summary").all_inner_texts()
    assert headers[0] == "other tests"
    assert "cert.expired (1 finding): The certificate must not be expired" in headers
    assert lists.locator("td", has_text="https://expired.example:443").first.is_visible()
    assert not long_page.locator("#results-table").is_visible()
    assert not long_page.locator(".controls").is_visible()
    assert "the HTML report lists findings and not all" in long_page.locator(".sslaudit").inner_text()
