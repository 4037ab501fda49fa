"""How a check ended: from an exception to a verdict, and from a verdict to pytest's outcome.

Verdicts are values; what the run is about decides severity and waivers. It never runs a check itself.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

import pytest

from audit.checks import Check
from audit.endpoint import Endpoint
from audit.policy.controls import controls_of
from audit.result import Result
from audit.text import MAX_DETAIL, bounded_detail, bounded_message, one_line, strings_in
from audit.verdict import Finding, Inconclusive, NotApplicable, Remedy, Severity, Verdict
from pytest_sslaudit.accidents import Broken
from pytest_sslaudit.facts import Facts
from pytest_sslaudit.run_state import Run
from pytest_sslaudit.waivers import Waiver, find_waiver

Outcome = Literal["passed", "failed", "skipped", "xfailed", "error"]
TRACE: Final = "trace"
"""The key of `detail` that holds the trace of an error."""
FAILING_VERDICTS = (Verdict.FAIL, Verdict.INCONCLUSIVE)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a check ended, before anything is known of severity and waivers."""

    verdict: Verdict
    message: str = ""
    detail: dict[str, object] | None = None
    remedy: Remedy | None = None
    policy: str | None = None
    because: str | None = None
    trace: str = ""  # of an exception that pytest has no trace of


@dataclass(frozen=True, slots=True)
class Ruling:
    """What becomes of a check: pytest's outcome, the line to print, and the result (None for what is no check)."""

    outcome: Outcome
    line: str
    result: Result | None
    trace: str = ""  # of an exception that pytest has no trace of


def ending_of(error: BaseException | None, explanation: str) -> Ending:
    """Return how a check ended by what it raised; `explanation` is what pytest says of a plain assertion."""
    match error:
        case None:
            return Ending(Verdict.PASS)
        case Finding():
            detail = {
                key: value
                for key, value in (("observed", error.observed), ("required", error.required))
                if value is not None
            } | dict(error.facts)
            return Ending(Verdict.FAIL, error.reason, detail, error.remedy, getattr(error, "policy", None))
        case NotApplicable():
            return Ending(Verdict.NOT_APPLICABLE, error.reason)
        case Inconclusive():
            cause: dict[str, object] = {"because": error.because} if error.because else {}
            return Ending(Verdict.INCONCLUSIVE, error.reason, cause, because=error.because)
        case pytest.skip.Exception():
            return Ending(Verdict.NOT_APPLICABLE, one_line(str(error.msg)))
        case AssertionError() | pytest.fail.Exception():
            return Ending(Verdict.FAIL, one_line(explanation))
        case Broken():
            trace = error.accident.trace
            return Ending(Verdict.ERROR, one_line(error.accident.reason), {TRACE: _end_of(trace)}, trace=trace)
    trace = "".join(traceback.format_exception(error))
    return Ending(Verdict.ERROR, one_line(f"{type(error).__name__}: {error}"), {TRACE: _end_of(trace)})


def _end_of(trace: str) -> str:
    """Return a trace within the bound of a detail: its end says what happened."""
    if len(trace) <= MAX_DETAIL:
        return trace
    mark = f"({len(trace)} characters) …"
    return f"{mark}{trace[len(mark) - MAX_DETAIL :]}"


def _bounded(ending: Ending, facts: Facts | None) -> Ending:
    """Return how a check ended within the bounds of a result; the detail keeps the whole message if that was cut."""
    message = bounded_message(ending.message, map(one_line, _values(ending, facts)))
    whole = {} if message == ending.message else {"message": ending.message}
    return replace(ending, message=message, detail=bounded_detail({**(ending.detail or {}), **whole}))


def _values(ending: Ending, facts: Facts | None) -> Iterator[str]:
    """Yield what a message may quote: a value that was observed, and all that the certificates say.

    The entries of a list are messages of ours, or words, which are short or cut as such.
    """
    yield from (value for value in (ending.detail or {}).values() if isinstance(value, str))
    chain = facts.seen_chain if facts else None
    for certificate in chain.certificates if chain else ():
        yield from strings_in(list(certificate.facts.values()))


def broken(run: Run, endpoint: Endpoint, check: Check | None, error: Exception) -> Ruling:
    """Return the ruling on a check that has no result, because making one raised an exception."""
    ending = _bounded(ending_of(error, ""), None)
    severity = check.severity if check else Severity.MEDIUM
    trace = str((ending.detail or {})[TRACE])
    result = _row(run, endpoint, check, (ending, severity)) if check else None
    return Ruling("error", _line(ending, check, severity, None), result, trace)


def rule(run: Run, facts: Facts, check: Check | None, ending: Ending) -> Ruling:
    """Return what becomes of a check that ended so."""
    name = check.id if check else ""
    severity, whose = facts.policy.severity_of(name, check.severity) if check else (Severity.MEDIUM, "")
    if whose and len(facts.policy.profiles) > 1 and ending.verdict in FAILING_VERDICTS:
        ending = replace(ending, detail={**(ending.detail or {}), "severity_policy": whose})
    ending = _bounded(ending, facts)
    waiver = _waiver(run, facts.endpoint, name, ending)
    verdict = Verdict.WAIVED if waiver else ending.verdict
    result = _result(run, facts, check, (ending, severity)) if check else None
    if result and waiver:
        result = replace(result, verdict=verdict, waiver=waiver.note)
    counts = severity.rank >= run.settings.fail_on.rank
    outcome = _outcome(verdict, counts=counts, report_only=_is_report_only(run, facts.endpoint, ending))
    return Ruling(outcome, _line(ending, check, severity, waiver), result, ending.trace)


def _outcome(verdict: Verdict, *, counts: bool, report_only: bool) -> Outcome:
    """Return pytest's outcome of a verdict: the table of the interface."""
    match verdict:
        case Verdict.PASS:
            return "passed"
        case Verdict.FAIL:
            return "failed" if counts else "xfailed"
        case Verdict.INCONCLUSIVE:
            return "failed" if counts and not report_only else "skipped"
        case Verdict.WAIVED:
            return "xfailed"
        case Verdict.NOT_APPLICABLE:
            return "skipped"
    return "error"


def _is_report_only(run: Run, endpoint: Endpoint, ending: Ending) -> bool:
    """Say whether it fails nothing more: asked so, or because it follows from another finding of this run."""
    follows = ending.because is not None and run.is_judged(ending.because, endpoint)
    return follows or run.settings.inconclusive == "report"


def _waiver(run: Run, endpoint: Endpoint, check: str, ending: Ending) -> Waiver | None:
    if (
        ending.verdict not in FAILING_VERDICTS
        or not check
        or (ending.because and run.is_judged(ending.because, endpoint))
    ):
        return None
    return find_waiver(run.settings.waivers, check, str(endpoint), run.now)


def _line(ending: Ending, check: Check | None, severity: Severity, waiver: Waiver | None) -> str:
    if waiver:
        return f"waived by {waiver.owner} until {waiver.expires}: {waiver.reason}; {ending.message}"
    source = f" [{check.source}]" if check and check.source and ending.verdict in FAILING_VERDICTS else ""
    follows = f" (follows from {ending.because})" if ending.because else ""
    kind = f"{severity}: " if ending.verdict is Verdict.FAIL else f"{ending.verdict}: "
    return f"{kind}{ending.message}{follows}{source}"


def _result(run: Run, facts: Facts, check: Check, ended: tuple[Ending, Severity]) -> Result:
    leaf_sha256, not_after = _leaf(facts)
    return replace(
        _row(run, facts.endpoint, check, ended),
        controls=controls_of(check.id, check.controls),
        policy=ended[0].policy or facts.policy.having(check.id).name or facts.policy.name,
        leaf_sha256=leaf_sha256,
        not_after=not_after,
        observed_at=facts.observation.observed_at,
    )


def _row(run: Run, endpoint: Endpoint, check: Check, ended: tuple[Ending, Severity]) -> Result:
    """Return what a result holds even if the facts of its endpoint cannot be had."""
    ending, severity = ended
    return Result(
        endpoint=str(endpoint),
        host=endpoint.hostspec,
        service=endpoint.service,
        check=check.id,
        verdict=ending.verdict,
        severity=severity,
        message=ending.message,
        detail=ending.detail or {},
        remedy=_remedy(check, ending),
        source=check.source,
        controls=(),
        policy="",
        phase="after" if str(endpoint) in run.judged_again else "before",
    )


def _remedy(check: Check, ending: Ending) -> Remedy:
    return (ending.remedy or check.remedy) if ending.verdict is Verdict.FAIL else Remedy.NONE


def _leaf(facts: Facts) -> tuple[str | None, datetime | None]:
    chain = facts.seen_chain
    if chain is None or not chain.certificates:
        return None, None
    try:
        return chain.leaf.sha256, chain.leaf.not_after
    except Inconclusive:
        return chain.leaf.sha256, None
