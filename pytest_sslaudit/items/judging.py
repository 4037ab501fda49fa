"""Judges one check of one endpoint, unless another process has; for every kind of test that reports it."""

from __future__ import annotations

from functools import partial
from typing import Final

import pytest

from audit.checks import Check, check_of
from audit.endpoint import Endpoint
from audit.evaluation.chains import JudgedChain, combined
from audit.evaluation.evaluate import CheckFunction, judge_chains
from pytest_sslaudit.outcome import Decision, decide, decide_error, decide_given, outcome_of_test
from pytest_sslaudit.run_state import Run

ENDS: Final = (Exception, pytest.fail.Exception, pytest.skip.Exception)
"""The exceptions that end one check. Others end the run."""


def decide_check(run: Run, function: CheckFunction, endpoint: Endpoint) -> Decision:
    """Return the decision on a check of an endpoint; a bug of ours is one too."""
    check = check_of_test(function)
    try:
        given = run.given_result(check.id, endpoint)
        if given is not None:
            return decide_given(run, endpoint, given)
        decisive, outcome = combined(judge(run, function, endpoint), partial(outcome_of_test, function))
        return decide(run, decisive.facts, check, outcome)
    except Exception as failure:  # noqa: BLE001 - the boundary of one result: pytest would end the whole run
        return decide_error(run, endpoint, check, failure)


def judge(run: Run, function: CheckFunction, endpoint: Endpoint) -> tuple[JudgedChain, ...]:
    """Return what a check raises for each chain of an endpoint."""
    return judge_chains(check_of_test(function), function, run.facts_of(endpoint), run.evaluation, ENDS)


def check_of_test(function: CheckFunction) -> Check:
    """Return the check that a function is; raises TypeError if it is none."""
    check = check_of(function)
    if check is None:
        raise TypeError(f"{function!r} is not marked with @check")
    return check
