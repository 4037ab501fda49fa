"""How the last try of a case ended: this run's, or an earlier one's where the case was not tried this time.

A case that is not due, or that a run did not come to, is as wrong as it was, for the same reason: who was told that is
not told again. It reads the journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Final

from audit.evaluation.result import Result
from audit.text import listing, moment
from audit.verdict import Severity, Verdict
from remediate.model.case import VALIDATED, Case, FindingKey, Reason, Repair
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.model.plan import Kind, NotRepairable, WaitingCase
from remediate.notify.notification import ReportItem, Section, State
from remediate.notify.report import RunReport, host_of
from remediate.planning.fleet import is_silenced
from remediate.state.journal import Journal

_STATES: Final[Mapping[str, State]] = {"proven": "repaired", "failed": "failed"}
_A_PERSONS: Final = (Cause.OPS_CLOCK_SKEW, Cause.HOST_UNREACHABLE)
"""Causes that interrupt a case and that the next run will meet again, unless a person does something."""
_WHAT: Final[Mapping[Repair, str]] = {
    Repair.REKEY: "a new certificate with a new key",
    Repair.REISSUE: "a new certificate",
    Repair.RUN_OWNER: "the renewal of the agent that owns the certificate",
    Repair.RECHAIN: "the intermediates that are missing",
    Repair.RELOAD: "a reload of the service",
    Repair.HOST: "owner and mode of the key files",
}
_PANELS: Final = "a run of the panel's own program, which orders and installs the certificate itself"
_SILENT: Final[tuple[Kind, ...]] = ("well", "waived", "note")
_WRONG: Final = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR)


@dataclass(frozen=True, slots=True)
class LastAttempt:
    """How a try ended: `kind`, `step`, `cause` and `note` as in an ending."""

    case: Case
    kind: str
    step: str
    cause: Cause | None
    note: str
    next_at: datetime | None


def as_last_tried(ending: CaseResult, journal: Journal) -> LastAttempt:
    """Return the ending of the last try, with when the next one may be."""
    now = LastAttempt(ending.case, ending.kind, ending.step, ending.cause, _brief(ending), ending.next_at)
    if ending.kind != "waiting":
        return now
    last = next(reversed(journal.ledger.attempts(ending.case.id)), None)
    if last is None or last.cause is None or last.ended == "proven" or _is_over(ending.case, last.at, journal):
        return now
    # the note of what is not due repeats that of the last try
    beside = "" if ending.cause is Cause.RUN_NOT_DUE else f"\nnot tried this time: {ending.note}"
    return LastAttempt(ending.case, last.ended, last.step, last.cause, f"{last.note}{beside}", ending.next_at)


def _is_over(case: Case, tried: datetime, journal: Journal) -> bool:
    """Tell whether the case has come to a good end since it was tried: it is another time that it is wrong now."""
    ended = journal.outcome(case.id)
    return ended is not None and ended.kind != "failed" and tried <= ended.at


def _brief(ending: CaseResult) -> str:
    """Return the note; of a bug of ours its last line, as the trace is in the journal."""
    if ending.cause is not Cause.RUN_BUG:
        return ending.note
    return next((line.strip() for line in reversed(ending.note.splitlines()) if line.strip()), "")


def of_endings(upshot: RunReport) -> Iterator[tuple[str, ReportItem]]:
    """Yield what became of each case: those of the plan that no ending tells of were not begun."""
    ended = {ending.case.id for ending in upshot.endings}
    unbegun = (case for case in upshot.plan.cases if case.id not in ended)
    none = [CaseResult(case, "waiting", cause=Cause.RUN_NOT_BEGUN, note="no repair was begun") for case in unbegun]
    for ending in (*upshot.endings, *none):
        yield ending.case.host, _of_ending(as_last_tried(ending, upshot.journal), upshot)


def _of_ending(tried: LastAttempt, upshot: RunReport) -> ReportItem:
    still = [one for one in tried.case.reasons if upshot.is_found_again(one.endpoint, one.check)]
    state, cause, happened = _outcome(tried, still, upshot)
    return _of_case(
        tried.case,
        state=state,
        causes=(cause,) if cause else (),
        tried=_tried(tried, upshot.journal),
        happened=happened,
        to_do=cause.advice if cause else "",
        next_try=None if state == "repaired" else tried.next_at,
    )


def _outcome(tried: LastAttempt, still: Sequence[Reason], upshot: RunReport) -> tuple[State, Cause | None, str]:
    """Return the state of a case, the cause and what happened."""
    if still and tried.kind == "proven":
        found = "\n".join(f"{one.endpoint}: {one.check}: {one.message}" for one in still)
        return (
            "failed",
            Cause.PROOF_STILL_WRONG,
            f"the repair is proven on the wire, and yet it is found again:\n{found}",
        )
    if tried.kind == "proven":
        return "repaired", None, _proven(tried, upshot)
    state = _STATES.get(tried.kind, "failed" if tried.cause in _A_PERSONS else "waiting")
    return state, tried.cause, tried.note


def _proven(tried: LastAttempt, upshot: RunReport) -> str:
    """Return what is so now, and which names got lost on the way: never in silence."""
    seen = upshot.after.seen if upshot.after else {}
    ends = [one.not_after for endpoint in tried.case.endpoints if (one := seen.get(endpoint)) and one.not_after]
    until = f"; the certificate is valid until {moment(min(ends))}" if ends else ""
    lost = [f"{one.name} is not in it any more: {one.why}" for one in tried.case.left_out]
    return "\n".join((f"it is proven on every address{until}", *filter(None, [tried.note]), *lost))


def _tried(tried: LastAttempt, journal: Journal) -> str:
    """Return what was tried, how far it came, and the order's number, by which the issuer can be asked."""
    begun = journal.case(tried.case.id)
    if begun is None or (tried.kind != "proven" and _was_repaired(begun, journal)):
        return ""
    placed = journal.ledger.orders(begun.id) if begun.repair in VALIDATED else ()
    order = f" (order {placed[-1].order_id} at {placed[-1].issuer})" if placed and placed[-1].order_id else ""
    kinds = dict.fromkeys(step.kind for step in begun.steps if step.state == "done")
    far = f"; done: {', '.join(kinds)}" if kinds and tried.kind != "proven" else ""
    stopped = f"; stopped at: {tried.step}" if tried.step and tried.kind != "proven" else ""
    names = f" for {listing(begun.names)}" if begun.repair in VALIDATED else ""
    is_panels = begun.is_panel and begun.repair is Repair.RUN_OWNER
    return f"{_PANELS if is_panels else _WHAT[begun.repair]}{names}{order}{far}{stopped}"


def _was_repaired(case: Case, journal: Journal) -> bool:
    """Tell whether what the journal has of a case is an earlier repair of it: a panel's is the same for all years."""
    outcome = journal.outcome(case.id)
    return bool(outcome and outcome.kind == "repaired") and all(one.id != case.id for one in journal.unfinished())


def of_waiting(upshot: RunReport) -> Iterator[tuple[str, ReportItem]]:
    """Yield what is to wait, but for what an earlier run had begun already."""
    ended = {ending.case.id for ending in upshot.endings}
    for waiting in upshot.plan.waiting:
        if waiting.case.id not in ended:
            yield waiting.case.host, _waiting(waiting)


def _waiting(waiting: WaitingCase) -> ReportItem:
    causes = tuple(dict.fromkeys(blocker.cause for blocker in waiting.blocked_by))
    return _of_case(
        waiting.case,
        state="waiting",
        causes=tuple(sorted(causes)),
        happened="\n".join(blocker.text for blocker in waiting.blocked_by),
        to_do="\n".join(dict.fromkeys(cause.advice for cause in causes)),
    )


def _of_case(case: Case, **told: object) -> ReportItem:
    """Return an entry about a certificate for all services that use it, its findings the worst first."""
    worst_first = sorted(case.reasons, key=lambda one: -Severity(one.severity).rank)
    messages = tuple(dict.fromkeys(one.message for one in worst_first))
    fields: dict[str, object] = {
        "services": case.services,
        "endpoint": ports(case.endpoints),
        "check": worst_first[0].check,
        "severity": Severity(worst_first[0].severity),
        "reason": "; ".join((*messages[:3], *([f"and {len(messages) - 3} more"] if len(messages) > 3 else []))),
        "findings": tuple(sorted(one.key for one in case.reasons)),
    }
    return ReportItem(**(fields | told))  # type: ignore[arg-type]  # the fields of an entry by name


def ports(endpoints: Iterable[str]) -> str:
    """Return endpoints without the host, whose section it is."""
    short = (one.partition("/")[2] if "://" in one.partition("/")[2] else one for one in endpoints)
    return ", ".join(dict.fromkeys(short))


def sections_of(upshot: RunReport, level: Severity, *, unknown_fails: bool = True) -> tuple[Section, ...]:
    """Return one section for each host that there is something to tell about, by name.

    What is below the level that fails a run, and that nothing was tried about, is minor: told beside others, and never
    a reason to write, as a run that passes is no news.
    """
    pairs = (*of_endings(upshot), *of_waiting(upshot), *_of_explained(upshot))
    return by_host(
        (host, replace(entry, is_minor=_is_minor(entry, level, unknown_fails=unknown_fails)))
        for host, entry in pairs
        if entry.causes != (Cause.HOST_SWITCHED_OFF,)
        or not all(is_silent(finding, upshot) for finding in entry.findings)
    )


def is_silent(finding: FindingKey, upshot: RunReport) -> bool:
    """Tell whether its administrator has switched off, on a host, notices about such a finding."""
    return is_silenced(finding.endpoint, finding.check, upshot.before)


def by_host(pairs: Iterable[tuple[str, ReportItem]]) -> tuple[Section, ...]:
    """Return entries in sections, the hosts by name."""
    ordered = sorted(pairs, key=lambda pair: pair[0])
    grouped = groupby(ordered, key=lambda pair: pair[0])
    return tuple(Section(host, tuple(entry for _, entry in mine)) for host, mine in grouped)


def _is_minor(entry: ReportItem, level: Severity, *, unknown_fails: bool) -> bool:
    is_unknown = entry.causes == (Cause.PLAN_UNKNOWN,) and not unknown_fails
    return is_unknown or (entry.severity.rank < level.rank and not entry.tried)


def _of_explained(upshot: RunReport) -> Iterator[tuple[str, ReportItem]]:
    """Yield what is wrong and somebody else's to mend, the endpoints of one service together."""
    told = [pair for one in upshot.plan.explained if (pair := _told(one, upshot))]
    for (host, service, check, kind, _), pairs in groupby(sorted(told, key=_same), key=_same):
        mine = list(pairs)
        (one, result), cause = mine[0], Cause(f"plan.{kind}")
        endpoints = tuple(explained.endpoint for explained, _ in mine)
        yield (
            host,
            ReportItem(
                state="failed",
                services=(service,) if service else (),
                endpoint=ports(endpoints),
                check=check,
                reason=one.message,
                severity=result.severity,
                causes=(cause,),
                happened=one.why,
                to_do=cause.advice,
                findings=tuple(FindingKey(endpoint, check) for endpoint in endpoints),
            ),
        )


def _same(told: tuple[NotRepairable, Result]) -> tuple[str, str, str, str, str]:
    one, result = told
    return host_of(one.endpoint), result.service or "", result.check, one.kind, one.message


def _told(one: NotRepairable, upshot: RunReport) -> tuple[NotRepairable, Result] | None:
    """Return what is told of an explanation with its finding; None where it is well, or follows from another."""
    result = upshot.found(one.endpoint, one.check)
    if one.kind in _SILENT or result is None or "because" in result.detail:
        return None
    now = upshot.verdict(one.endpoint, result.check)
    is_told = now in _WRONG and not is_silenced(one.endpoint, result.check, upshot.before)
    return (one, result) if is_told else None
