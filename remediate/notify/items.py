"""The items of a notification: what became of each case, and the findings that no repair helps.

A case that was not tried in this run is reported with its last attempt, which is in the journal. So recipients who were
notified of that attempt are not notified again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Final

from audit.endpoint import parse_id
from audit.evaluation.result import Result
from audit.text import format_utc, join_limited
from audit.verdict import Severity, Verdict
from remediate.model.case import VALIDATED, Case, FindingKey, Reason, Repair
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.model.plan import Kind, NotRepairable, WaitingCase
from remediate.notify.notification import HostSection, ReportItem, ReportState
from remediate.notify.report import RunReport, host_of
from remediate.planning.fleet import is_silenced
from remediate.state.journal import Journal

_STATES: Final[Mapping[str, ReportState]] = {"proven": "repaired", "failed": "failed"}
_NEEDS_PERSON: Final = (Cause.OPS_CLOCK_SKEW, Cause.HOST_UNREACHABLE)
"""Causes that interrupt a case, and that the next run meets again unless a person acts."""
_REPAIRS: Final[Mapping[Repair, str]] = {
    Repair.REKEY: "a new certificate with a new key",
    Repair.REISSUE: "a new certificate",
    Repair.RUN_OWNER: "the renewal by the agent that owns the certificate",
    Repair.RECHAIN: "the missing intermediates",
    Repair.RELOAD: "a reload of the service",
    Repair.HOST: "owner and mode of the key files",
}
_PANEL_REPAIR: Final = "a run of the panel's own program, which orders and installs the certificate itself"
_NOT_REPORTED: Final[tuple[Kind, ...]] = ("well", "waived", "note")
_REPORTED: Final = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR)


@dataclass(frozen=True, slots=True)
class LastAttempt:
    """How the last attempt of a case ended: `ended_as`, `step`, `cause` and `note` as in a `CaseResult`."""

    case: Case
    ended_as: str
    step: str
    cause: Cause | None
    note: str
    next_at: datetime | None


def last_attempt(result: CaseResult, journal: Journal) -> LastAttempt:
    """Return the last attempt of a case: this run's, else the last in the journal, with the time of the next one."""
    current = LastAttempt(result.case, result.ended_as, result.step, result.cause, _brief(result), result.next_at)
    if result.ended_as != "waiting":
        return current
    last = next(reversed(journal.attempts.of_case(result.case.id)), None)
    if last is None or last.cause is None or last.ended == "proven" or _is_over(result.case, last.at, journal):
        return current
    # the note of a case that is not due repeats that of the last attempt
    reason = "" if result.cause is Cause.RUN_NOT_DUE else f"\nnot tried this time: {result.note}"
    return LastAttempt(result.case, last.ended, last.step, last.cause, f"{last.note}{reason}", result.next_at)


def _is_over(case: Case, tried: datetime, journal: Journal) -> bool:
    """Return whether the case was repaired after that attempt: then the problem now is a new one."""
    outcome = journal.outcome(case.id)
    return outcome is not None and outcome.kind != "failed" and tried <= outcome.at


def _brief(result: CaseResult) -> str:
    """Return the note; of a bug of ours only the last line, because the trace is in the journal."""
    if result.cause is not Cause.RUN_BUG:
        return result.note
    return next((line.strip() for line in reversed(result.note.splitlines()) if line.strip()), "")


def case_items(report: RunReport) -> Iterator[tuple[str, ReportItem]]:
    """Yield an item for each case, with its host. A planned case without a result was not begun."""
    ended = {result.case.id for result in report.case_results}
    not_begun = [
        CaseResult(case, "waiting", cause=Cause.RUN_NOT_BEGUN, note="the repair was not started")
        for case in report.plan.cases
        if case.id not in ended
    ]
    for result in (*report.case_results, *not_begun):
        yield result.case.host, _case_item(last_attempt(result, report.journal), report)


def _case_item(attempt: LastAttempt, report: RunReport) -> ReportItem:
    remaining = [reason for reason in attempt.case.reasons if report.fails_after_repair(reason.endpoint, reason.check)]
    state, cause, happened = _outcome(attempt, remaining, report)
    return _item(
        attempt.case,
        state=state,
        causes=(cause,) if cause else (),
        tried=_tried(attempt, report.journal),
        happened="\n".join(
            filter(None, (happened, *attempt.case.name_losses(is_repaired=attempt.ended_as == "proven")))
        ),
        to_do=cause.advice if cause else "",
        next_try=None if state == "repaired" else attempt.next_at,
        is_in_part=state == "repaired" and bool(attempt.case.left_out),
    )


def _outcome(
    attempt: LastAttempt, remaining: Sequence[Reason], report: RunReport
) -> tuple[ReportState, Cause | None, str]:
    """Return the state of a case, the cause and what happened."""
    if remaining and attempt.ended_as == "proven":
        failures = "\n".join(f"{reason.endpoint}: {reason.check}: {reason.message}" for reason in remaining)
        return "failed", Cause.PROOF_STILL_WRONG, f"the repair was verified, but the check still fails:\n{failures}"
    if attempt.ended_as == "proven":
        return "repaired", None, _verified(attempt, report)
    state = _STATES.get(attempt.ended_as, "failed" if attempt.cause in _NEEDS_PERSON else "waiting")
    return state, attempt.cause, attempt.note


def _verified(attempt: LastAttempt, report: RunReport) -> str:
    """Return what is served now, and until when it is valid."""
    seen = report.after.seen if report.after else {}
    served = (seen.get(endpoint) for endpoint in attempt.case.endpoints)
    ends = [endpoint.not_after for endpoint in served if endpoint and endpoint.not_after]
    until = f"; the certificate is valid until {format_utc(min(ends))}" if ends else ""
    where = " of the known services" if attempt.case.left_out else ""
    return "\n".join((f"verified at every address{where}{until}", *filter(None, [attempt.note])))


def _tried(attempt: LastAttempt, journal: Journal) -> str:
    """Return what was tried, the step that was reached, and the order id for questions to the issuer."""
    begun = journal.case(attempt.case.id)
    if begun is None or (attempt.ended_as != "proven" and _was_repaired(begun, journal)):
        return ""
    placed = journal.orders.of_case(begun.id) if begun.repair in VALIDATED else ()
    order = f" (order {placed[-1].order_id} at {placed[-1].issuer})" if placed and placed[-1].order_id else ""
    kinds = dict.fromkeys(step.kind for step in begun.steps if step.state == "done")
    done = f"; done: {', '.join(kinds)}" if kinds and attempt.ended_as != "proven" else ""
    stopped = f"; stopped at: {attempt.step}" if attempt.step and attempt.ended_as != "proven" else ""
    names = f" for {join_limited(begun.names)}" if begun.repair in VALIDATED else ""
    by_panel = begun.is_panel and begun.repair is Repair.RUN_OWNER
    return f"{_PANEL_REPAIR if by_panel else _REPAIRS[begun.repair]}{names}{order}{done}{stopped}"


def _was_repaired(case: Case, journal: Journal) -> bool:
    """Return whether the journal has an earlier, finished repair of the case: a panel's case keeps its id for years."""
    outcome = journal.outcome(case.id)
    return bool(outcome and outcome.kind == "repaired") and all(
        unfinished.id != case.id for unfinished in journal.unfinished()
    )


def waiting_items(report: RunReport) -> Iterator[tuple[str, ReportItem]]:
    """Yield an item for each case that waits, except those that an earlier run had begun."""
    ended = {result.case.id for result in report.case_results}
    for waiting in report.plan.waiting:
        if waiting.case.id not in ended:
            yield waiting.case.host, _waiting_item(waiting)


def _waiting_item(waiting: WaitingCase) -> ReportItem:
    causes = tuple(dict.fromkeys(blocker.cause for blocker in waiting.blocked_by))
    return _item(
        waiting.case,
        state="waiting",
        causes=tuple(sorted(causes)),
        happened="\n".join(
            (*(blocker.text for blocker in waiting.blocked_by), *waiting.case.name_losses(is_repaired=False))
        ),
        to_do="\n".join(dict.fromkeys(cause.advice for cause in causes)),
    )


def _item(case: Case, **differing: object) -> ReportItem:
    """Return an item about a certificate for all services that use it, its worst finding first."""
    reasons = sorted(case.reasons, key=lambda reason: -Severity(reason.severity).rank)
    messages = tuple(dict.fromkeys(reason.message for reason in reasons))
    fields: dict[str, object] = {
        "services": case.services,
        "endpoint": ports(case.endpoints),
        "check": reasons[0].check,
        "severity": Severity(reasons[0].severity),
        "reason": "; ".join((*messages[:3], *([f"and {len(messages) - 3} more"] if len(messages) > 3 else []))),
        "findings": tuple(sorted(reason.key for reason in case.reasons)),
        "case": case.id,
    }
    return ReportItem(**(fields | differing))  # type: ignore[arg-type]  # the fields of an item by name


def ports(endpoints: Iterable[str]) -> str:
    """Return endpoints without the host, which is in the title of the section."""
    parsed = map(parse_id, endpoints)
    texts = (str(endpoint if endpoint.is_host else replace(endpoint, host=None)) for endpoint in parsed)
    return ", ".join(dict.fromkeys(texts))


def host_sections(report: RunReport, level: Severity, *, unknown_fails: bool = True) -> tuple[HostSection, ...]:
    """Return one section for each host that has an item, by name.

    An item without a repair attempt and below the level that fails a run is below the threshold: it is listed beside
    others, and is never a reason to send a notification, because the run passes.
    """
    items = (*case_items(report), *waiting_items(report), *_unrepairable_items(report))
    return by_host(
        (host, replace(item, below_threshold=_is_below_threshold(item, level, unknown_fails=unknown_fails)))
        for host, item in items
        if item.causes != (Cause.HOST_SWITCHED_OFF,) or not all(is_silent(finding, report) for finding in item.findings)
    )


def is_silent(finding: FindingKey, report: RunReport) -> bool:
    """Return whether the administrator of the host has switched off notifications about this kind of finding."""
    return is_silenced(finding.endpoint, finding.check, report.before)


def by_host(pairs: Iterable[tuple[str, ReportItem]]) -> tuple[HostSection, ...]:
    """Return items as sections, the hosts by name."""
    ordered = sorted(pairs, key=lambda pair: pair[0])
    grouped = groupby(ordered, key=lambda pair: pair[0])
    return tuple(HostSection(host, tuple(item for _, item in group)) for host, group in grouped)


def _is_below_threshold(item: ReportItem, level: Severity, *, unknown_fails: bool) -> bool:
    is_unknown = item.causes == (Cause.PLAN_UNKNOWN,) and not unknown_fails
    return is_unknown or (item.severity.rank < level.rank and not item.tried)


def _unrepairable_items(report: RunReport) -> Iterator[tuple[str, ReportItem]]:
    """Yield an item for each finding that a person has to fix, the endpoints of one service together."""
    pairs = [(finding, result) for finding in report.plan.explained if (result := _reported_result(finding, report))]
    for (host, service, check, kind, message), group in groupby(sorted(pairs, key=_group), key=_group):
        members = list(group)
        (first, result), cause = members[0], Cause(f"plan.{kind}")
        endpoints = tuple(finding.endpoint for finding, _ in members)
        yield (
            host,
            ReportItem(
                state="failed",
                services=(service,) if service else (),
                endpoint=ports(endpoints),
                check=check,
                reason=message,
                severity=result.severity,
                causes=(cause,),
                happened=first.why,
                to_do=cause.advice,
                findings=tuple(FindingKey(endpoint, check) for endpoint in endpoints),
            ),
        )


def _group(pair: tuple[NotRepairable, Result]) -> tuple[str, str, str, str, str]:
    finding, result = pair
    return host_of(finding.endpoint), result.service or "", result.check, finding.kind, finding.message


def _reported_result(finding: NotRepairable, report: RunReport) -> Result | None:
    """Return the result of a finding that is reported; None if it is well now, or follows from another finding."""
    result = report.result_before(finding.endpoint, finding.check)
    if finding.kind in _NOT_REPORTED or result is None or "because" in result.detail:
        return None
    verdict = report.verdict(finding.endpoint, result.check)
    is_reported = verdict in _REPORTED and not is_silenced(finding.endpoint, result.check, report.before)
    return result if is_reported else None
