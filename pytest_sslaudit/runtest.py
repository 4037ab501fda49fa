"""The hooks that run one test: what it raised becomes a verdict, and the verdict pytest's outcome.

What a fixture raises is judged like what the test itself raises: a fact that could not be had is the test's own
outcome, not an error of its set-up.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Final

import pytest
from _pytest._code.code import ExceptionChainRepr, ReprFileLocation, ReprTracebackNative

from audit.verdict import Inconclusive, Judgement, NotApplicable, Verdict
from pytest_sslaudit.accidents import require_whole
from pytest_sslaudit.built_in_checks import is_built_in
from pytest_sslaudit.collection import endpoint_of, judged
from pytest_sslaudit.every_chain import JUDGED, chains_to_judge, combined, judge_each
from pytest_sslaudit.outcome import Ending, Ruling, broken, ending_of, rule
from pytest_sslaudit.remediation.first_pass import found_before
from pytest_sslaudit.reports.results_file import as_properties
from pytest_sslaudit.run_state import current_run

RAISED: Final = pytest.StashKey[Judgement]()


class Judging:
    """The hooks of the test protocol, in whichever process runs the test."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        """Keep what a fixture judged until the test's own turn."""
        if endpoint_of(item) is None:
            return (yield)
        try:
            return (yield)
        except Judgement as judgement:
            item.stash[RAISED] = judgement
            return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Raise what a fixture judged; call the test here if it is judged for more than one chain, else let pytest."""
        check, endpoint = judged(pyfuncitem)
        if endpoint is not None:
            require_whole(current_run(pyfuncitem.config), endpoint, check)
        raised = pyfuncitem.stash.get(RAISED, None)
        if raised is not None:
            del pyfuncitem.stash[RAISED]  # its traceback holds frames, and pytest holds the item
        run = current_run(pyfuncitem.config)
        chains = chains_to_judge(pyfuncitem, run, endpoint_of(pyfuncitem))
        if len(chains) > 1:
            of_each = judge_each(pyfuncitem, run, chains, partial(_prepare, pyfuncitem))
            decisive, _ = combined(of_each, partial(_ending, pyfuncitem))
            if decisive.error is not None:
                raise decisive.error
            return True
        if raised is not None:
            raise raised
        _prepare(pyfuncitem)
        return None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Turn the verdict into pytest's outcome, and let the result travel on the user properties."""
        ruling = _ruling(item, call)
        if ruling and ruling.result:
            item.user_properties.extend(as_properties(ruling.result, found_before(item)))
        if ruling and ruling.outcome != "error" and not item.config.getoption("usepdb", default=False):
            call.excinfo = None  # or pytest draws a stack trace for each, at ten times the cost of the judgement
        report = yield
        if ruling:
            apply(ruling, item.location, report)
        if endpoint_of(item) is not None:
            report.keywords = {}  # pytest keeps every report to the end, some forty to an endpoint
        return report


def _prepare(item: pytest.Function) -> None:
    """Raise that no policy of this endpoint has the check, or let those judge that have it."""
    check, endpoint = judged(item)
    if check is not None and endpoint is not None:
        policy = current_run(item.config).facts_of(endpoint).policy
        if not policy.applies(check.id):
            raise NotApplicable(f"the policy {policy.name} does not have this check: {policy.why_not(check.id)}")
        if "policy" in item.funcargs:
            item.funcargs["policy"] = policy.having(check.id)


def _ruling(item: pytest.Item, call: pytest.CallInfo[None]) -> Ruling | None:
    ends_here = call.when == "call" or (call.when == "setup" and call.excinfo is not None)
    check, endpoint = judged(item) if ends_here else (None, None)
    if endpoint is None:
        return None
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, KeyboardInterrupt | pytest.exit.Exception):
        return None
    try:
        return _ruled(item, error)
    except Exception as failure:  # noqa: BLE001 - the boundary of one result: pytest would end the whole run
        return broken(current_run(item.config), endpoint, check, failure)


def _ruled(item: pytest.Item, error: BaseException | None) -> Ruling | None:
    check, endpoint = judged(item)
    run, of_each = current_run(item.config), item.stash.get(JUDGED, None)
    if endpoint is None:
        return None
    if isinstance(error, pytest.skip.Exception) and is_built_in(item.path):  # no built-in check skips itself
        error = Inconclusive(f"it was skipped by what is not part of the audit: {error.msg}")
    if of_each is None:
        facts, ending = run.facts_of(endpoint), _ending(item, error)
    else:
        del item.stash[JUDGED]
        decisive, ending = combined(of_each, partial(_ending, item))
        facts = decisive.facts
    if check is None and ending.verdict in (Verdict.PASS, Verdict.FAIL, Verdict.ERROR):
        return None  # a test that is no check passes and fails as pytest says
    return rule(run, facts, check, ending)


def _ending(item: pytest.Item, error: BaseException | None) -> Ending:
    """Return how a test ended that raised this."""
    is_plain = isinstance(error, AssertionError | pytest.fail.Exception) and not isinstance(error, Judgement)
    said = pytest.ExceptionInfo.from_exception(error).exconly() if is_plain and error else ""
    return ending_of(error, _without_type(said, item))


def _without_type(explanation: str, item: pytest.Item) -> str:
    """Return a plain assertion's explanation, told by the requirement it belongs to."""
    text = explanation.removeprefix("AssertionError: ").removeprefix("Failed: ")
    doc = (getattr(getattr(item, "function", None), "__doc__", None) or "").strip().partition("\n")[0]
    return f"{doc.rstrip('.')}: {text}" if text.startswith("assert ") and doc else text


def apply(ruling: Ruling, location: tuple[str, int | None, str], report: pytest.TestReport) -> None:
    """Give the report the outcome of the ruling; a bug of ours keeps its trace."""
    path, line_number, _ = location
    match ruling.outcome:
        case "passed":
            return
        case "error":
            report.outcome = "failed"
            if ruling.trace:
                report.longrepr = ruling.trace
        case "failed":
            report.outcome = "failed"
            place = ReprFileLocation(path, (line_number or 0) + 1, ruling.line)
            report.longrepr = ExceptionChainRepr([(ReprTracebackNative([ruling.line + "\n"]), place, None)])
        case "xfailed":
            report.outcome = "skipped"
            report.wasxfail = ruling.line
            report.longrepr = ruling.line
        case "skipped":
            report.outcome = "skipped"
            report.longrepr = (path, (line_number or 0) + 1, ruling.line)
