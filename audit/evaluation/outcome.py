"""How a check ended: from what it raised to a verdict with its message and detail, within the bounds of a result."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from audit.analysis.chains import MALFORMED, unreadable_message
from audit.analysis.placeholder import CERTIFICATE_MISSING
from audit.evaluation.facts import Facts
from audit.observation import Accident
from audit.text import MAX_DETAIL, bounded_detail, bounded_message, one_line, strings_in
from audit.verdict import Finding, Inconclusive, NotApplicable, Passed, Remedy, Verdict
from audit.x509.loading import UnreadableField
from audit.x509.path.served_chain import EmptyChain

TRACE: Final = "trace"
"""The key of `detail` that holds the trace of an error."""
FAILING_VERDICTS: Final = (Verdict.FAIL, Verdict.INCONCLUSIVE)


class BrokenObservation(Exception):
    """An exception of ours that ended the observation of an endpoint, perhaps in another process."""

    def __init__(self, accident: Accident) -> None:
        """Store the accident with its trace."""
        super().__init__(accident.reason)
        self.accident = accident


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """How a check ended, without severity and waiver.

    `because` is the id of the finding that this one follows from. `trace` is that of an exception in another process.
    """

    verdict: Verdict
    message: str = ""
    detail: dict[str, object] | None = None
    remedy: Remedy | None = None
    policy: str | None = None
    because: str | None = None
    trace: str = ""


_PASSED: Final = CheckOutcome(Verdict.PASS)


def outcome_of(error: BaseException | None, explanation: str | None = None) -> CheckOutcome:
    """Return how a check ended, from what it raised. `explanation` is the message of a plain assertion."""
    match error:
        case None:
            return _PASSED
        case Passed():
            return CheckOutcome(Verdict.PASS, error.reason)
        case Finding():
            return CheckOutcome(Verdict.FAIL, error.reason, _compared(error), error.remedy, error.policy)
        case NotApplicable():
            return CheckOutcome(Verdict.NOT_APPLICABLE, error.reason)
        case Inconclusive():
            cause: dict[str, object] = {"because": error.because} if error.because else {}
            return CheckOutcome(Verdict.INCONCLUSIVE, error.reason, cause, because=error.because)
        case UnreadableField():
            return outcome_of(Inconclusive(unreadable_message(error), because=MALFORMED))
        case EmptyChain():
            return outcome_of(Inconclusive(str(error), because=CERTIFICATE_MISSING))
        case AssertionError():
            return CheckOutcome(Verdict.FAIL, one_line(str(error) if explanation is None else explanation))
        case BrokenObservation():
            trace = error.accident.trace
            detail: dict[str, object] = {TRACE: _end_of(trace)}
            return CheckOutcome(Verdict.ERROR, one_line(error.accident.reason), detail, trace=trace)
    trace = "".join(traceback.format_exception(error))
    return CheckOutcome(Verdict.ERROR, one_line(f"{type(error).__name__}: {error}"), {TRACE: _end_of(trace)})


def _compared(finding: Finding) -> dict[str, object]:
    values = (("observed", finding.observed), ("required", finding.required))
    return {key: value for key, value in values if value is not None} | dict(finding.facts)


def _end_of(trace: str) -> str:
    """Return a trace within the bound of a detail: its end names the exception."""
    if len(trace) <= MAX_DETAIL:
        return trace
    mark = f"({len(trace)} characters) …"
    return f"{mark}{trace[len(mark) - MAX_DETAIL :]}"


def bounded(outcome: CheckOutcome, facts: Facts | None) -> CheckOutcome:
    """Return an outcome within the bounds of a result; the detail keeps the whole message if it was cut."""
    if not outcome.message and not outcome.detail:  # most checks pass
        return outcome
    message = bounded_message(outcome.message, map(one_line, _values(outcome, facts)))
    full = {} if message == outcome.message else {"message": outcome.message}
    if not full and not outcome.detail:
        return outcome  # as most are, and a copy takes a tenth of the time of a check
    return replace(outcome, message=message, detail=bounded_detail({**(outcome.detail or {}), **full}))


def _values(outcome: CheckOutcome, facts: Facts | None) -> Iterator[str]:
    """Yield what a message may quote: a value that was observed, and all fields of the certificates.

    The entries of a list are messages of ours, or words, which are short or cut as words.
    """
    yield from (value for value in (outcome.detail or {}).values() if isinstance(value, str))
    chain = facts.seen_chain if facts else None
    for certificate in chain.certificates if chain else ():
        yield from strings_in(list(certificate.readable_fields().values()))
