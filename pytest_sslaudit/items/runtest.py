"""The hooks that run one test: the exception that it raises becomes a verdict, and the verdict pytest's outcome.

What a fixture raises is judged like what the test itself raises: a fact that was not observed is an
outcome of the test, not an error of its set-up. A test that uses `certificate` or `chain`, itself or through a fixture,
is called once for every distinct chain that its endpoint serves, with all of its fixtures set up again.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from functools import partial
from typing import Final

import pytest

from audit.endpoint import Endpoint
from audit.evaluation.chains import JudgedChain, combined
from audit.evaluation.evaluate import require_enabled, require_observed
from audit.evaluation.facts import OF_ONE_CHAIN, Facts
from audit.evaluation.result import Result
from audit.verdict import Inconclusive, Judgement, Verdict
from audit.x509.loading import UnreadableField
from pytest_sslaudit.activation import is_built_in
from pytest_sslaudit.items.check_item import JUDGED_CHAINS
from pytest_sslaudit.items.grouped_items import CheckOfAll, EndpointItem, GroupedItem
from pytest_sslaudit.items.grouped_results import GroupedResults
from pytest_sslaudit.items.judging import ENDS
from pytest_sslaudit.items.pairs import endpoint_of, judged
from pytest_sslaudit.outcome import Decision, apply, decide, decide_error, outcome_of_test
from pytest_sslaudit.reports.carried_results import (
    as_properties,
    describe_group,
    grouped_property,
    keep_results,
    without_row_of_pass,
)
from pytest_sslaudit.run_state import Run, current_run, is_in_worker

RAISED: Final = pytest.StashKey[Judgement | UnreadableField]()
UNJUDGED: Final = pytest.StashKey[Iterable[tuple[str, object]]]()
"""The user properties of a test before it was judged. A test that has them runs again."""
RESULT_BEFORE: Final = pytest.StashKey[Result]()
"""The result of a test before the repair, on the item that is judged again."""
_FACTS: Final = "sslaudit_facts"


class Judging:
    """The hooks of the test protocol, in the process that runs the test."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        """Store the verdict that a fixture raises until the test itself is called."""
        endpoint = endpoint_of(item)
        if endpoint is None:
            return (yield)
        if UNJUDGED in item.stash:  # a plugin such as rerunfailures repeats it: nothing was repaired since
            item.user_properties = list(item.stash.get(UNJUDGED, ()))
            current_run(item.config).observe_again(endpoint)
            if isinstance(item, pytest.Function):
                _forget_facts(item)
        try:
            return (yield)
        except (Judgement, UnreadableField) as raised:
            item.stash[RAISED] = raised
            return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Raise the verdict of a fixture; call the test here if it is judged for several chains."""
        check, endpoint = judged(pyfuncitem)
        run = current_run(pyfuncitem.config)
        if endpoint is not None:
            require_observed(run.facts_of(endpoint), check, run.evaluation)
        raised = pyfuncitem.stash.get(RAISED, None)
        if raised is not None:
            del pyfuncitem.stash[RAISED]  # its traceback holds frames, and pytest keeps the item
        chains = _chains_to_judge(pyfuncitem, run, endpoint)
        if len(chains) > 1:
            decisive, _ = combined(_judge_each(pyfuncitem, run, chains), partial(outcome_of_test, pyfuncitem.obj))
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
        """Turn the verdict into pytest's outcome, and attach the result to the user properties."""
        if isinstance(item, GroupedItem):
            report = yield
            if call.when == "call" and not call.excinfo:
                _report_group(item, report)
            report.keywords = {}
            return report
        decision = _decision(item, call)
        if decision and decision.result:
            item.stash[UNJUDGED] = tuple(item.user_properties)
            item.user_properties.extend(as_properties(decision.result, finding_before(item)))
        is_for_debugger = item.config.getoption("usepdb", default=False) and decision and decision.outcome != "passed"
        if decision and decision.outcome != "error" and not is_for_debugger:
            call.excinfo = None  # else pytest formats a stack trace for each, at ten times the cost of the judgement
        report = yield
        if decision:
            apply(decision, item.location, report)
        if endpoint_of(item) is not None:
            report.keywords = {}  # pytest keeps every report to the end, about forty for each endpoint
            if call.when == "teardown":  # whose properties go into the JUnit report
                report.user_properties = without_row_of_pass(report.user_properties)
        return report


def _report_group(item: GroupedItem, report: pytest.TestReport) -> None:
    """Give a report the worst outcome of many results, the first findings, and the results themselves."""
    decision = item.results.decision(names_endpoint=isinstance(item, CheckOfAll))
    apply(decision, item.location, report)
    describe_group(report, decision.line, has_bug=decision.outcome == "error")
    results = [(kept.result, kept.outcome) for kept in item.results.kept.values() if kept.result]
    if isinstance(item, EndpointItem):
        item.results = GroupedResults()  # the report has them now; a repeated test judges all of them again
    item.stash[UNJUDGED] = tuple(item.user_properties)
    if is_in_worker(item.config):
        report.user_properties.append(grouped_property(results))
    else:
        keep_results(report, results)


def _chains_to_judge(item: pytest.Function, run: Run, endpoint: Endpoint | None) -> tuple[Facts, ...]:
    """Return the facts of every chain of an endpoint if a test uses a chain, else nothing."""
    if endpoint is None or not OF_ONE_CHAIN & set(item.fixturenames):
        return ()
    return run.facts_of(endpoint).of_each_chain


def _judge_each(item: pytest.Function, run: Run, chains: Sequence[Facts]) -> tuple[JudgedChain, ...]:
    """Call a test for each chain; return the exceptions that it raised, and keep them on the item."""
    main = run.facts_of(chains[0].endpoint)
    try:
        judged_chains = tuple(JudgedChain(facts, _error(item, run, facts)) for facts in chains)
    finally:
        run.judge_facts(main)
        _forget_facts(item)
    item.stash[JUDGED_CHAINS] = judged_chains
    return judged_chains


def _error(item: pytest.Function, run: Run, facts: Facts) -> BaseException | None:
    """Return the exception that a test raises for one chain; its fixtures are set up again."""
    run.judge_facts(facts)
    _forget_facts(item)
    item._initrequest()  # noqa: SLF001 - what pytest itself does before it sets up a test
    try:
        item.setup()
        _prepare(item)
        item.obj(**{name: item.funcargs[name] for name in item._fixtureinfo.argnames})  # noqa: SLF001 - as pytest does
    except (KeyboardInterrupt, pytest.exit.Exception):
        raise
    except ENDS as error:
        return error
    return None


def _forget_facts(item: pytest.Function) -> None:
    """Drop the cached facts, and with them every fixture that was set up from them."""
    for definition in item._fixtureinfo.name2fixturedefs.get(_FACTS, ()):  # noqa: SLF001 - pytest has no public way
        definition.finish(item._request)  # type: ignore[arg-type]  # noqa: SLF001 - any request: for its hooks only


def _prepare(item: pytest.Function) -> None:
    """Raise NotApplicable if every profile disables the check; else keep only the profiles that enable it."""
    check, endpoint = judged(item)
    if check is not None and endpoint is not None:
        facts = current_run(item.config).facts_of(endpoint)
        require_enabled(check, facts)
        if "policy" in item.funcargs:
            item.funcargs["policy"] = facts.policy.having(check.id)


def _decision(item: pytest.Item, call: pytest.CallInfo[None]) -> Decision | None:
    is_last_phase = call.when == "call" or (call.when == "setup" and call.excinfo is not None)
    check, endpoint = judged(item) if is_last_phase else (None, None)
    if endpoint is None:
        return None
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, KeyboardInterrupt | pytest.exit.Exception):
        return None
    try:
        return _decided(item, error)
    except Exception as failure:  # noqa: BLE001 - the boundary of one result: pytest would end the whole run
        return decide_error(current_run(item.config), endpoint, check, failure)


def _decided(item: pytest.Item, error: BaseException | None) -> Decision | None:
    check, endpoint = judged(item)
    run, judged_chains = current_run(item.config), item.stash.get(JUDGED_CHAINS, None)
    if endpoint is None:
        return None
    if isinstance(error, pytest.skip.Exception) and is_built_in(item.path):  # no built-in check skips itself
        error = Inconclusive(f"it was skipped by code outside the audit: {error.msg}")
    if judged_chains is None:
        facts, outcome = run.facts_of(endpoint), outcome_of_test(_function_of(item), error)
    else:
        del item.stash[JUDGED_CHAINS]
        decisive, outcome = combined(judged_chains, partial(outcome_of_test, _function_of(item)))
        facts = decisive.facts
    if check is None and outcome.verdict in (Verdict.PASS, Verdict.FAIL, Verdict.ERROR):
        return None  # the outcome of a test that is not a check is pytest's own
    return decide(run, facts, check, outcome)


def _function_of(item: pytest.Item) -> object:
    return getattr(item, "function", None)


def finding_before(item: pytest.Item) -> Result | None:
    """Return the result of a test before the repair; None without one, or if it needs no repair."""
    result = item.stash.get(RESULT_BEFORE, None)
    is_well = result is None or result.verdict in (Verdict.PASS, Verdict.NOT_APPLICABLE)
    return None if is_well else result
