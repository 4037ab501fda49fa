"""Formats plans, results and the journal as lines for a terminal. Nothing is printed here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from audit.text import duration, format_utc, join_clauses, join_limited, one_line, shortened
from remediate.deployment.access import access_lost
from remediate.model.case import UNKNOWN_SERVICE, Case, Step, StepState
from remediate.model.outcome import Attempt, CaseResult
from remediate.model.plan import Plan
from remediate.state.journal import Journal
from remediate.state.waiting import Waiting

_COUNTED: Final = ("well", "unknown")
"""Kinds of findings that are counted, not listed, because a healthy fleet has thousands of them."""
_OUTCOMES: Final = {
    "proven": "repaired",
    "failed": "failed",
    "pending": "pending",
    "interrupted": "interrupted",
    "waiting": "waiting",
    "undone": "rolled back",
}
_COLUMNS: Final = ("case", "repair", "host", "step", "state", "age", "next try", "tries", "why")
_MOST_WAITING: Final = 20
_EARLY: Final = "before the end of {} waiting time, {}"
_ON_REQUEST: Final = "on request"
_BY_CHANGE: Final = "because a pre-check found something else"
_WHY: Final = 200  # characters of a reason
_LISTED: Final = timedelta(days=7)
"""How long a case that failed is listed if no run has met it again."""


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield the cases of a plan in order, the waiting cases and why they wait, and the other findings."""
    yield f"{len(plan.cases)} to repair, {len(plan.waiting)} waiting, {len(plan.explained)} explained"
    for case in plan.cases:
        yield from ("", *_case_lines(case, "canary: " if case is plan.canary else ""))
        yield from (_line("blocked", blocked.by.text) for blocked in plan.blocked if blocked.case_id == case.id)
    for waiting in plan.waiting:
        yield from ("", *_case_lines(waiting.case, "waiting: "))
        yield from (_line("waits", blocker.text) for blocker in waiting.blocked_by)
    listed = [finding for finding in plan.explained if finding.kind not in _COUNTED]
    if listed:
        yield ""
    for finding in listed:
        text = f"{finding.endpoint}: {finding.check}: {join_clauses([finding.message, finding.why])}"
        yield f"{finding.kind:<12}  {one_line(text)}"
    for kind, count in sorted(Counter(finding.kind for finding in plan.explained if finding.kind in _COUNTED).items()):
        yield f"{kind:<12}  {count}"
    if plan.notes:
        yield from ("", *map(one_line, plan.notes))
    for accident in plan.accidents:
        yield from ("", "an exception of the repair itself:", *accident.splitlines())


def brief_plan_lines(plan: Plan) -> Iterator[str]:
    """Yield how many cases there are, a line for each name that is given up, and for each case that waits and why.

    Of many names and of many waiting cases, only the first are listed.
    """
    yield next(plan_lines(plan))
    losses = [
        f"{case.repair} on {case.host}, case {case.id}: {loss}"
        for case in plan.cases
        for loss in case.name_losses(is_repaired=False)
    ]
    yield from map(one_line, losses[:_MOST_WAITING])
    if len(losses) > _MOST_WAITING:
        yield f"names that are left out beside these, listed by -v: {len(losses) - _MOST_WAITING}"
    yield from (finding.line for finding in plan.of_unknown_services[:_MOST_WAITING])
    for waiting in plan.waiting[:_MOST_WAITING]:
        why = join_clauses([blocker.text for blocker in waiting.blocked_by])
        yield one_line(f"waiting: {waiting.case.repair} on {waiting.case.host}, case {waiting.case.id}: {why}")
    if len(plan.waiting) > _MOST_WAITING:
        yield f"{len(plan.waiting) - _MOST_WAITING} more wait: `sslaudit repair status` lists them"


def _case_lines(case: Case, prefix: str) -> Iterator[str]:
    yield one_line(f"{prefix}{case.repair} on {case.host} ({case.hostspec}), case {case.id}")
    yield _line("names", f"{join_limited(case.names, 100)}")
    for dropped in case.dropped_names:
        yield _line("left out", f"{dropped.name}: {dropped.why}")
    shared = [
        f"{validation.name} on {join_limited(validation.hosts)}"
        for validation in case.validated_on
        if len(validation.hosts) > 1
    ]
    if shared:
        yield _line("shared", f"{join_clauses(shared)}")
    yield _line("services", f"{join_limited(case.services, 100)}")
    for endpoint in case.left_out:
        yield _line("left out", f"{endpoint}: {UNKNOWN_SERVICE}")
    for file in case.files:
        yield _line("file", f"{file.path} ({file.kind}, {file.service})")
    for lost in access_lost(case):
        yield _line("access", lost)
    for reason in case.reasons:
        yield _line("because", f"{reason.endpoint}: {reason.check}: {reason.message}")
    yield _line("steps", f"{', '.join(step.name for step in case.steps)}")


def _line(label: str, text: str) -> str:
    return f"  {label:<9} {one_line(text)}"


@dataclass(frozen=True, slots=True)
class StepUpdate:
    """The new state of a step during a run."""

    case: Case
    step: Step
    state: StepState
    note: str = ""


def step_update_line(current: StepUpdate) -> str:
    """Return the current step of a case, as a line."""
    note = f" ({current.note.splitlines()[0]})" if current.note.strip() else ""
    return one_line(
        f"{current.case.host} {join_limited(current.case.names)}: {current.step.name} {current.state}{note}"
    )


def case_result_lines(results: Iterable[CaseResult]) -> Iterator[str]:
    """Yield a line for the result of each case, and below it the details, such as the hops of a self-test."""
    ended = tuple(results)
    rows = [
        (_outcome(result), result.case.repair.value, result.case.host, result.case.id, _summary(result))
        for result in ended
    ]
    for result, row in zip(ended, _table(rows), strict=True):
        yield row
        yield from (f"    {one_line(line)}" for line in (*result.note.splitlines()[1:], *_losses(result)))
    for why in (_ON_REQUEST, _BY_CHANGE):
        if early := sum(_early(result) == why for result in ended):
            yield f"{early} of these {'was' if early == 1 else 'were'} tried {_EARLY.format('the', why)}"


def _early(result: CaseResult) -> str:
    """Return why a case was tried before the end of its waiting time; empty if it was not."""
    return "" if not result.is_early else _BY_CHANGE if result.is_changed else _ON_REQUEST


def _outcome(result: CaseResult) -> str:
    """Return the outcome in words; a certificate that an unknown service serves too is repaired in part."""
    return f"{_OUTCOMES[result.ended_as]}{' in part' if result.is_in_part else ''}"


def _losses(result: CaseResult) -> tuple[str, ...]:
    """Return the lines about names that a certificate loses; a rollback ends with the old one."""
    if result.ended_as == "undone":
        return ()
    return result.case.name_losses(is_repaired=result.ended_as == "proven")


def down_lines(results: Iterable[CaseResult]) -> Iterator[str]:
    """Yield a line for each case that left a service down; they are printed first."""
    for result in results:
        if result.is_down:
            first = next(iter(result.note.splitlines()), "")
            services = join_limited(result.case.services)
            yield one_line(f"SERVICE DOWN: {result.case.host}: {services}: {first}. To do: {_to_do(result)}")


def _to_do(result: CaseResult) -> str:
    return result.cause.advice if result.cause else ""


def case_result_row(result: CaseResult) -> tuple[str, str, str, str, str, str]:
    """Return the parts of a result: outcome, repair, host, names, the lines about the steps, and the case's id."""
    case = result.case
    lines = "\n".join(_event_lines(result))
    return _outcome(result), case.repair.value, case.host, join_limited(case.names, 100), lines, case.id


def _event_lines(result: CaseResult) -> Iterator[str]:
    first, *others = result.note.splitlines() or [""]
    yield ": ".join(part for part in (result.case.kind_of(result.step), result.cause, first) if part)
    yield from others
    yield from _losses(result)
    if why := _early(result):
        yield f"tried {_EARLY.format('its', why)}"
    if result.next_at and result.ended_as != "proven":
        yield f"next try {format_utc(result.next_at)}"


def _summary(result: CaseResult) -> str:
    """Return names, step, cause, the first line of the note and the next attempt of a case."""
    step = result.case.kind_of(result.step)
    first = next(iter(result.note.splitlines()), "")
    parts = [": ".join(part for part in (step, result.cause, first) if part)]
    parts += [f"tried {_EARLY.format('its', why)}"] if (why := _early(result)) else []
    parts += [f"next try {format_utc(result.next_at)}"] if result.next_at and result.ended_as != "proven" else []
    return ": ".join(
        part for part in (join_limited(result.case.names), join_clauses([part for part in parts if part])) if part
    )


def status_lines(journal: Journal, now: datetime) -> Iterator[str]:
    """Yield a table of all cases that are unfinished or wait: step, age, next attempt, number of attempts, and why."""
    rows = [*_case_rows(journal, now)]
    listed = {row[0] for row in rows}
    rows += [
        (waiting.case_id, waiting.repair, waiting.host, waiting.step, "waits", duration(now - waiting.since),
         _next_try(waiting.next_at, now), _tries(journal.attempts.of_case(waiting.case_id)),
         shortened(one_line(waiting.why), _WHY))
        for waiting in journal.waiting.all() if waiting.case_id not in listed
    ]  # fmt: skip
    yield from _table((_COLUMNS, *rows)) if rows else ("no case is open",)
    queued = len(journal.outbox.queued())
    if queued:
        yield f"notifications to send: {queued}"


def _case_rows(journal: Journal, now: datetime) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the cases that were begun: unfinished ones, then those that failed or were rolled back."""
    waiting = {row.case_id: row for row in journal.waiting.all()}
    yield from (_status(case, journal, now, waiting.get(case.id)) for case in journal.unfinished())
    for case in journal.ended("failed"):
        last = next(reversed(journal.attempts.of_case(case.id)), None)
        if last and last.ended == "failed" and now - (last.next_at or last.at) < _LISTED:
            yield _status(case, journal, now, waiting.get(case.id))
    for case in journal.ended("rolled-back"):
        outcome = journal.outcome(case.id)
        if outcome and outcome.holds:
            age = duration(now - outcome.at)
            why = "rolled back: waits for a new finding"
            yield (
                case.id,
                case.repair.value,
                case.host,
                "rollback",
                "done",
                age,
                "resume --now",
                _tries(journal.attempts.of_case(case.id)),
                why,
            )


def _status(case: Case, journal: Journal, now: datetime, waiting: Waiting | None) -> tuple[str, ...]:
    """Return the row of a case that was begun; a later run may have let it wait for another reason than its attempt."""
    events, attempts = journal.events(case.id), journal.attempts.of_case(case.id)
    last = events[-1] if events else None
    attempt = attempts[-1] if attempts else None
    until = [time for time in (attempt.next_at if attempt else None, waiting.next_at if waiting else None) if time]
    why = ": ".join(filter(None, (attempt.cause, next(iter(attempt.note.splitlines()), "")))) if attempt else ""
    return (
        case.id,
        case.repair.value,
        case.host,
        last.step if last else case.steps[0].name,
        last.state if last else "planned",
        duration(now - last.at) if last else "",
        _next_try(max(until, default=None), now),
        _tries(attempts),
        shortened(one_line(waiting.why if waiting else why), _WHY),
    )


def _next_try(next_at: datetime | None, now: datetime) -> str:
    return format_utc(next_at) if next_at and next_at > now else "next run"


def _tries(attempts: Sequence[Attempt]) -> str:
    """Return how often a case was tried since its last repair, and how often of these before its time."""
    repaired = max((number for number, attempt in enumerate(attempts, 1) if attempt.ended == "proven"), default=0)
    early = sum(attempt.is_early for attempt in attempts[repaired:])
    return f"{len(attempts) - repaired}{f' ({early} early)' if early else ''}"


def _table(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield rows with aligned columns."""
    clean = [tuple(one_line(cell) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*clean, strict=True)]
    for row in clean:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
