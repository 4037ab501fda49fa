"""Evaluates checks without pytest: calls each with the facts that it names, and makes the result of what it raised."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from audit.analysis.reachability import UNREACHABLE
from audit.checks import Check, check_of
from audit.endpoint import Endpoint
from audit.evaluation.chains import JudgedChain, combined
from audit.evaluation.facts import FACTS, OF_ONE_CHAIN, Facts
from audit.evaluation.outcome import FAILING_VERDICTS, BrokenObservation, CheckOutcome, bounded, outcome_of
from audit.evaluation.result import Result
from audit.evaluation.run import EvaluationRun
from audit.evaluation.waivers import Waiver, find_waiver
from audit.verdict import Inconclusive, NotApplicable, Remedy, Severity, Verdict

CheckFunction = Callable[..., None]
"""A function that `@check` marked; its parameters are names of `FACTS`."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """The outcome of a check within its bounds, with the severity and the waiver that apply to it."""

    outcome: CheckOutcome
    severity: Severity
    waiver: Waiver | None = None


def evaluate(checks: Iterable[CheckFunction], facts: Facts, run: EvaluationRun) -> list[Result]:
    """Return the result of every check whose scope includes this endpoint, in the order of the checks.

    Raises TypeError if a function is not a check, or has a parameter that is not a fact.
    """
    chosen = [(check, function) for function in checks if facts.scope in (check := _check(function)).scopes]
    judged = {check.id for check, _ in chosen}
    of_these = replace(run, is_judged=lambda check, _: check in judged)
    return [_result(check, function, facts, of_these) for check, function in chosen]


def require_observed(facts: Facts, check: Check | None, run: EvaluationRun) -> None:
    """Raise BrokenObservation or Inconclusive if an accident kept the endpoint from being observed.

    `svc.unreachable` reports the accident. If the run does not judge that check, every check of the endpoint does.
    """
    accident = facts.observation.accident
    if accident is None:
        return
    if (check is not None and check.id == UNREACHABLE) or not run.is_judged(UNREACHABLE, facts.endpoint):
        raise BrokenObservation(accident) if accident.trace else Inconclusive(accident.reason)
    if facts.observation.is_blank:
        raise Inconclusive(f"it was not observed: {accident.reason}", because=UNREACHABLE)


def require_enabled(check: Check, facts: Facts) -> None:
    """Raise NotApplicable if every profile of the endpoint's policy disables the check."""
    policy = facts.policy
    if not policy.applies(check.id):
        raise NotApplicable(f"disabled by the policy {policy.name}: {policy.why_not(check.id)}")


def assess(outcome: CheckOutcome, check: Check, facts: Facts, run: EvaluationRun) -> Assessment:
    """Return the outcome of a check with the severity that the policy gives it, and the waiver that covers it."""
    severity, whose = facts.policy.severity_of(check.id, check.severity)
    if whose and len(facts.policy.profiles) > 1 and outcome.verdict in FAILING_VERDICTS:
        outcome = replace(outcome, detail={**(outcome.detail or {}), "severity_policy": whose})
    outcome = bounded(outcome, facts)
    return Assessment(outcome, severity, _waiver(outcome, check, facts.endpoint, run))


def assess_error(error: Exception, check: Check | None) -> Assessment:
    """Return the assessment of a check that has no result because the evaluation itself raised an exception."""
    return Assessment(bounded(outcome_of(error), None), check.severity if check else Severity.MEDIUM)


def is_consequence(because: str | None, endpoint: Endpoint, run: EvaluationRun) -> bool:
    """Return whether a result of this cause follows from a finding of the endpoint or its host that the run judges."""
    if because is None:
        return False
    host = Endpoint.of_host(endpoint.host, endpoint.hostspec) if endpoint.host else endpoint
    return run.is_judged(because, endpoint) or run.is_judged(because, host)


def make_result(assessment: Assessment, check: Check, facts: Facts, run: EvaluationRun) -> Result:
    """Return the result of a check; raises what reading the facts of the endpoint raises."""
    return Result(
        **_common(assessment, check, facts.endpoint, run),
        controls=check.controls,
        policy=assessment.outcome.policy or facts.policy.having(check.id).name or facts.policy.name,
        leaf_sha256=facts.leaf_sha256,
        not_after=facts.leaf_not_after,
        observed_at=facts.observation.observed_at,
    )


def make_result_of_error(assessment: Assessment, check: Check, endpoint: Endpoint, run: EvaluationRun) -> Result:
    """Return the part of a result that needs no facts of the endpoint."""
    return Result(**_common(assessment, check, endpoint, run), controls=(), policy="")


def _common(assessment: Assessment, check: Check, endpoint: Endpoint, run: EvaluationRun) -> dict[str, Any]:
    """Return the fields of a result that need no facts of the endpoint."""
    outcome, waiver, name = assessment.outcome, assessment.waiver, str(endpoint)
    return {
        "endpoint": name,
        "host": endpoint.hostspec,
        "service": endpoint.service,
        "check": check.id,
        "verdict": Verdict.WAIVED if waiver else outcome.verdict,
        "severity": assessment.severity,
        "message": outcome.message,
        "detail": outcome.detail or {},
        "remedy": (outcome.remedy or check.remedy) if outcome.verdict is Verdict.FAIL else Remedy.NONE,
        "source": check.source,
        "phase": "after" if name in run.judged_again else "before",
        "waiver": waiver.note if waiver else None,
    }


def _check(function: CheckFunction) -> Check:
    """Return what `@check` keeps of a function; raises TypeError."""
    check = check_of(function)
    if check is None:
        raise TypeError(f"{function!r} is not marked with @check")
    unknown = [name for name in parameters_of(function) if name not in FACTS]
    if unknown:
        raise TypeError(f"the check {check.id} uses {unknown[0]!r}, which is not a fact: {', '.join(FACTS)}")
    return check


@cache
def parameters_of(function: CheckFunction) -> tuple[str, ...]:
    """Return the facts that a check names."""
    return tuple(inspect.signature(function).parameters)


@cache
def _is_of_one_chain(function: CheckFunction) -> bool:
    """Return whether a check is evaluated for each chain of an endpoint."""
    return not OF_ONE_CHAIN.isdisjoint(parameters_of(function))


def _result(check: Check, function: CheckFunction, facts: Facts, run: EvaluationRun) -> Result:
    try:
        decisive, outcome = combined(judge_chains(check, function, facts, run), outcome_of)
        return make_result(assess(outcome, check, decisive.facts, run), check, decisive.facts, run)
    except Exception as error:  # noqa: BLE001 - the boundary of one result: the other checks are still evaluated
        return make_result_of_error(assess_error(error, check), check, facts.endpoint, run)


def judge_chains(
    check: Check,
    function: CheckFunction,
    facts: Facts,
    run: EvaluationRun,
    ends: tuple[type[BaseException], ...] = (Exception,),
) -> tuple[JudgedChain, ...]:
    """Return what a check raises, for every chain if it uses one; `ends` are the exceptions that are a verdict."""
    try:
        require_observed(facts, check, run)
    except (BrokenObservation, Inconclusive) as error:
        return (JudgedChain(facts, error),)
    chains = facts.of_each_chain if _is_of_one_chain(function) else (facts,)
    return tuple(JudgedChain(chain, _error(check, function, chain, run, ends)) for chain in chains)


def _error(
    check: Check,
    function: CheckFunction,
    facts: Facts,
    run: EvaluationRun,
    ends: tuple[type[BaseException], ...],
) -> BaseException | None:
    """Return what a check raises for one chain. The profiles that disable the check do not judge either."""
    try:
        arguments = {name: FACTS[name](facts, run) for name in parameters_of(function)}
        require_enabled(check, facts)
        if "policy" in arguments:
            arguments["policy"] = facts.policy.having(check.id)
        function(**arguments)
    except ends as error:  # the boundary of one check: every exception is a verdict
        return error
    return None


def _waiver(outcome: CheckOutcome, check: Check, endpoint: Endpoint, run: EvaluationRun) -> Waiver | None:
    """Return the waiver of a finding. A consequence is not waived: the finding that it follows from is."""
    if outcome.verdict not in FAILING_VERDICTS or is_consequence(outcome.because, endpoint, run):
        return None
    return find_waiver(run.waivers, check.id, str(endpoint), run.now)
