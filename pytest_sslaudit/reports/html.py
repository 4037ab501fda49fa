"""The HTML report: the table of pytest-html with columns of the audit, worst rows first, and the totals on top.

Texts from hosts, servers and certificates are escaped, because they are hostile input.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any, Final

import pytest

from audit.evaluation.result import Result
from audit.observation import Accident
from audit.policy import Profile
from audit.verdict import Severity, Verdict
from pytest_sslaudit.reports import long_html
from pytest_sslaudit.reports.carried_results import (
    ENDPOINTS,
    FINAL,
    first_of,
    first_verdict_of,
    group_text,
    result_of,
)
from pytest_sslaudit.reports.groups import group_script
from pytest_sslaudit.reports.long_html import PageWithoutTable, lists_of_findings, take_over
from pytest_sslaudit.reports.policy_notes import PolicyNotes
from pytest_sslaudit.reports.repairs import refused_contacts, repair_table
from pytest_sslaudit.reports.summary import lines_of_totals
from pytest_sslaudit.reports.totals import RunTotals
from pytest_sslaudit.run_state import KEY, Run

COLUMNS: Final = ("Severity", "Endpoint", "Check", "Finding", "Expiry", "Remedy")
SORTED: Final = frozenset({"Severity", "Endpoint", "Check", "Expiry", "Remedy"})
COUNTED: Final = {
    Verdict.ERROR: "errors",
    Verdict.FAIL: "findings",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.WAIVED: "waived",
    Verdict.PASS: "passed",
    Verdict.NOT_APPLICABLE: "not applicable",
}
FINDINGS: Final = frozenset({Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.WAIVED})
GOOD: Final = frozenset({Verdict.PASS, Verdict.NOT_APPLICABLE})
BREAK: Final = "<wbr>"  # an id may be broken into lines here
_NOT_DRAWN: Final = "this row could not be drawn: see the end of the output of the run"
EMPTY: Final = "\N{ZERO WIDTH SPACE}"  # sorts after other characters and comments


class HtmlReport:
    """The hooks of pytest-html."""

    def __init__(self, totals: RunTotals, title: str, profiles: Sequence[Profile] = ()) -> None:
        """Keep the totals of the run, and the profiles that the user named."""
        self._totals, self._title, self._notes = totals, title, PolicyNotes(profiles)
        self._page: PageWithoutTable | None = None  # of a run with too many tests for a table
        self._places: dict[str, tuple[int, int, str, str, str]] = {}
        self._report: Any = None
        self._has_failed = False

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Have no table if there are too many tests."""
        self._count_tests(session.config, len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:  # noqa: ANN401 - xdist has no types
        """Have no table if a worker has collected too many tests; every worker has collected the same."""
        self._count_tests(node.config, len(ids))

    def _count_tests(self, config: pytest.Config, tests: int) -> None:
        if tests > long_html.MOST_ROWS and self._page is None:
            self._page = take_over(config.pluginmanager, tests, config.stash[KEY].settings.results)

    def pytest_html_report_title(self, report: Any) -> None:  # noqa: ANN401 - pytest-html has no types
        """Set the title, keep the order of the rows, and fold the explanation of each row."""
        self._report = report
        report.title = self._title
        report.data["initialSort"] = "original"
        report.data["renderCollapsed"] = ["all"]
        report.outcomes["skipped"]["label"] = "Skipped (does not apply, or follows from a finding: without a row)"
        report.outcomes["xfailed"]["label"] = "Waived or below the level"

    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Add the columns of the audit after the result."""
        cells[1:] = [_header(name) for name in COLUMNS]

    def pytest_html_results_table_row(self, report: pytest.TestReport, cells: list[str]) -> None:
        """Fill the columns; leave out what follows from another row, and earlier attempts."""
        is_empty = report.when in ("setup", "teardown") and report.passed and not report.sections
        if is_empty or report.outcome not in FINAL:
            cells.clear()
            return
        try:
            if _follows(report):
                cells.clear()
            else:
                self._fill(report, cells)
        except Exception as error:  # noqa: BLE001 - the boundary of one row: the others are still drawn
            self._note(error, report.nodeid)
            cells[1:] = map(_cell, COLUMNS, (EMPTY, _id(report.nodeid), "", _NOT_DRAWN, EMPTY, EMPTY))
            self._places[report.nodeid] = (0, 0, "", "", report.nodeid)

    def _note(self, error: Exception, source: str) -> None:
        """Record the exception, which sets the exit status; the trace of the first row is enough."""
        if not self._has_failed:
            self._has_failed = True
            self._totals.accidents.append(f"HTML report, {source}: {Accident.of(error).trace}")

    def _fill(self, report: pytest.TestReport, cells: list[str]) -> None:
        result = _result(report)
        values = _values(result, report) if result else (EMPTY, _id(_name(report)), "", _counts(report), EMPTY, EMPTY)
        cells[1:] = map(_cell, COLUMNS, values)
        endpoint = result.endpoint if result else ""
        place = (
            *_rank(result, report),
            result.check if result else "",
            endpoint,
            report.nodeid,
        )  # not in the order of reports: workers differ in speed
        self._places[report.nodeid] = min(place, self._places.get(report.nodeid, place))

    def pytest_html_results_table_html(self, report: pytest.TestReport, data: list[str]) -> None:
        """Explain a result when it is unfolded; a test that is not a check, and an error, keep their log and trace."""
        try:
            self._explain(report, data)
        except Exception as error:  # noqa: BLE001 - as above
            self._note(error, report.nodeid)

    def _explain(self, report: pytest.TestReport, data: list[str]) -> None:
        result = _result(report)
        if result and result.verdict is not Verdict.ERROR:
            first = first_of(report)
            notes = [f"{name:9} {text}" for name, text in self._notes.lines(result)]
            lines = [*_explained(result), *notes, *([f"{'before':9} {first}"] if first else [])]
            data[:] = [escape("\n".join(lines))]

    def pytest_html_results_summary(self, prefix: list[str], session: pytest.Session) -> None:
        """Put the totals of all results on top, and the worst rows first."""
        css = files("pytest_sslaudit.reports").joinpath("html.css").read_text(encoding="utf-8")
        follows = {Verdict.INCONCLUSIVE: self._totals.consequential}
        counts = "".join(
            _count(verdict, self._totals.verdicts[verdict.value] - follows.get(verdict, 0)) for verdict in COUNTED
        )
        if self._totals.consequential:
            counts += f'<li class="sslaudit-follows"><b>{self._totals.consequential}</b> follow from a finding</li>'
        lines = [
            *lines_of_totals(self._totals),
            *_lines_of_run(session.config.stash.get(KEY, None)),
            *self._totals.evidence,
        ]
        lines += [self._page.line] if self._page else []
        warnings = (*self._totals.services_down, *self._totals.gaps, *self._totals.notes)
        warned = "".join(f'<p class="sslaudit-warning">{escape(line)}</p>' for line in warnings)
        text = "".join(f"<p>{escape(line)}</p>" for line in lines)
        repairs = f"{repair_table(self._totals.repairs)}{refused_contacts(self._totals.refused_contacts)}"
        findings = lists_of_findings(self._totals, session.config) if self._page else ""
        tables = f"{text}{repairs}{self._notes.table()}{findings}"
        name = "sslaudit sslaudit-long" if self._page else "sslaudit"
        top = f'<style>{css}</style><div class="{name}">{warned}<ul>{counts}</ul>{tables}</div>'
        prefix.append(top if self._page else f"{top}{group_script()}")
        self._order_rows(self._report.data["tests"])

    def _order_rows(self, tests: dict[str, list[Any]]) -> None:
        """Put the worst checks first, the rows of one together; a row that was left out is an empty list."""
        worst = dict[tuple[int, str], int]()
        for rank, badness, check, *_ in self._places.values():
            worst[rank, check] = min(badness, worst.get((rank, check), badness))

        def place(nodeid: str) -> tuple[int, int, str, int, str, str]:
            rank, badness, check, endpoint, _ = self._places[nodeid]
            return rank, worst[rank, check], check, badness, endpoint, nodeid

        ordered = sorted(filter(tests.__getitem__, tests), key=place)
        rows = {nodeid: tests[nodeid] for nodeid in ordered}
        tests.clear()
        tests.update(rows)


def _result(report: pytest.TestReport | pytest.CollectReport) -> Result | None:
    return result_of(report) if isinstance(report, pytest.TestReport) else None


def _name(report: pytest.TestReport) -> str:
    """Return the id of a test, or the endpoint that it reports."""
    return report.nodeid.removeprefix(f"{ENDPOINTS}::")


def _counts(report: pytest.TestReport) -> str:
    """Return the counts of a test that reports many results: they are the first line of its text."""
    text = group_text(report)
    return escape(text.partition("\n")[0])


def _follows(report: pytest.TestReport) -> bool:
    """Return whether a result follows from a finding that has a row: all of these are a count at the top."""
    result = _result(report)
    is_consequence = result is not None and result.verdict is Verdict.INCONCLUSIVE and "because" in result.detail
    return is_consequence and not report.failed


def _header(name: str) -> str:
    sortable = ' class="sortable"' if name in SORTED else ""
    return f'<th{sortable} data-column-type="{name.lower()}">{name}</th>'


def _cell(name: str, value: str) -> str:
    empty = " sslaudit-empty" if value in ("", EMPTY) else ""
    return f'<td class="col-{name.lower()}{empty}">{value}</td>'


def _values(result: Result, report: pytest.TestReport) -> tuple[str, ...]:
    remedy = "" if result.remedy.value == "none" or result.verdict in GOOD else result.remedy.value
    expiry = f"<span>{result.not_after:%Y-%m-%d}</span> {result.not_after:%H:%M}" if result.not_after else ""
    finding = f"{escape(_finding(result, report))}{_before(result, report)}"
    return _severity(result), _id(result.endpoint), escape(result.check), finding, expiry or EMPTY, remedy or EMPTY


def _severity(result: Result) -> str:
    """Return a cell that sorts by rank: pytest-html compares the text of cells, comments included."""
    if result.verdict not in FINDINGS:
        return EMPTY
    level = result.severity
    mark = f"sslaudit-{level.value}" if result.verdict is Verdict.FAIL else "sslaudit-reported"
    return f'<!--{len(Severity) - level.rank}--><span class="{mark}">{level.value}</span>'


def _id(text: str) -> str:
    """Return an id that may be broken behind its scheme, before the port and before the address."""
    return escape(text).replace("://", f"://{BREAK}").replace("+", f"{BREAK}+")


def _finding(result: Result, report: pytest.TestReport) -> str:
    match result.verdict:
        case Verdict.INCONCLUSIVE:
            cause = result.detail.get("because")
            return f"inconclusive{f', follows from {cause}' if cause else ''}: {result.message}"
        case Verdict.WAIVED if result.waiver:
            return f"waived by {result.waiver.owner} until {result.waiver.expires}: {result.message}"
        case Verdict.FAIL if not report.failed:
            return f"below the level that fails the run: {result.message}"
        case Verdict.NOT_APPLICABLE:
            return f"does not apply: {result.message}"
    return result.message


def _before(result: Result, report: pytest.TestReport) -> str:
    """Return the finding before the repair, and whether it is repaired."""
    first = first_of(report)
    if not first:
        return ""
    mark = '<span class="sslaudit-repaired">repaired</span> ' if _is_repaired(result, report) else ""
    return f' {mark}<span class="sslaudit-before">before: {escape(first)}</span>'


def _is_repaired(result: Result, report: pytest.TestReport) -> bool:
    """Return whether a finding is repaired."""
    return result.verdict in GOOD and first_verdict_of(report) is Verdict.FAIL


def _rank(result: Result | None, report: pytest.TestReport) -> tuple[int, int]:
    """Return the rank of a row: errors, failed, repaired, consequences, waived, passed."""
    if result is None:
        return (0 if report.failed else 5), 0
    worst_first = -result.severity.rank
    match result.verdict:
        case Verdict.ERROR:
            return 0, 0
        case Verdict.INCONCLUSIVE if "because" in result.detail and not report.failed:
            return 3, worst_first
        case Verdict.FAIL | Verdict.INCONCLUSIVE:
            return 1, worst_first
        case Verdict.WAIVED:
            return 4, worst_first
    if _is_repaired(result, report):
        return 2, worst_first
    return (5 if result.verdict is Verdict.PASS else 6), 0


def _explained(result: Result) -> list[str]:
    """Return the lines of an unfolded row, one fact each."""
    severity = result.detail.get("severity_policy")
    waiver = result.waiver and f"{result.waiver.reason} ({result.waiver.owner}, until {result.waiver.expires})"
    facts = {
        "finding": result.message,
        "observed": _text(result.detail.get("observed")),
        "required": _text(result.detail.get("required")),
        "source": result.source,
        "policy": result.policy,
        "severity": severity and f"{result.severity.value}, set by the policy {severity}",
        "controls": ", ".join(result.controls),
        "waiver": waiver,
        "host": result.host,
        "service": result.service,
        "leaf": result.leaf_sha256 and f"sha256 {result.leaf_sha256}",
        "test": result.nodeid,
    }
    return [f"{name:9} {value}" for name, value in facts.items() if value]


def _text(value: object) -> str:
    """Return a JSON value as plain text."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _lines_of_run(run: Run | None) -> list[str]:
    if run is None:  # the session ended before the audit started
        return []
    policies = ", ".join(profile.name for profile in run.settings.policy) or "by kind of certificate"
    trust, level = ", ".join(run.settings.trust), run.settings.fail_on.value
    policy = f"policy: {policies}; trust anchors: {trust}; the run fails from {level} on"
    extensions = [f"extension: {extension}" for extension in run.settings.extensions]
    return [f"judged as of {run.now:%Y-%m-%d %H:%M} UTC; {policy}", *extensions]


def _count(verdict: Verdict, count: int) -> str:
    word = COUNTED[verdict].removesuffix("s" if count == 1 else "")
    return f'<li class="sslaudit-{verdict.value}"><b>{count}</b> {word}</li>' if count else ""
