"""What a plan, a run and a journal say, as lines for a person.

It decides nothing, and writes nowhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from audit.text import duration, listing, moment, one_line, sentence
from remediate.deployment.access import access_lost
from remediate.model.case import Case, Step, StepState
from remediate.model.outcome import CaseResult
from remediate.model.plan import Plan
from remediate.state.journal import Journal

_COUNTED: Final = ("well", "unknown")
"""Kinds of explanation that are counted, not listed: there are thousands in a healthy fleet."""
_ENDED: Final = {
    "proven": "repaired",
    "failed": "failed",
    "pending": "pending",
    "interrupted": "interrupted",
    "waiting": "waiting",
    "undone": "taken back",
}
_HEAD: Final = ("case", "repair", "host", "step", "state", "age", "next try")


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield what a plan would repair, in that order, what waits and why, and what is explained."""
    yield f"{len(plan.cases)} to repair, {len(plan.waiting)} waiting, {len(plan.explained)} explained"
    for case in plan.cases:
        yield from ("", *_case_lines(case, "canary: " if case is plan.canary else ""))
        yield from (_line("blocked", one.by.text) for one in plan.blocked if one.case_id == case.id)
    for waiting in plan.waiting:
        yield from ("", *_case_lines(waiting.case, "waiting: "))
        yield from (_line("waits", blocker.text) for blocker in waiting.blocked_by)
    listed = [one for one in plan.explained if one.kind not in _COUNTED]
    if listed:
        yield ""
    for one in listed:
        yield f"{one.kind:<12}  {one_line(f'{one.endpoint}: {one.check}: {sentence([one.message, one.why])}')}"
    for kind, count in sorted(Counter(one.kind for one in plan.explained if one.kind in _COUNTED).items()):
        yield f"{kind:<12}  {count}"
    if plan.notes:
        yield from ("", *map(one_line, plan.notes))
    for accident in plan.accidents:
        yield from ("", "an exception of the repair itself:", *accident.splitlines())


def _case_lines(case: Case, prefix: str) -> Iterator[str]:
    yield one_line(f"{prefix}{case.repair} on {case.host} ({case.hostspec}), case {case.id}")
    yield _line("names", f"{listing(case.names, 100)}")
    for dropped in case.dropped_names:
        yield _line("left out", f"{dropped.name}: {dropped.why}")
    shared = [f"{one.name} on {listing(one.hosts)}" for one in case.validated_on if len(one.hosts) > 1]
    if shared:
        yield _line("shared", f"{sentence(shared)}")
    yield _line("services", f"{listing(case.services, 100)}")
    for file in case.files:
        yield _line("file", f"{file.path} ({file.kind}, {file.service})")
    for lost in access_lost(case):
        yield _line("access", lost)
    for reason in case.reasons:
        yield _line("because", f"{reason.endpoint}: {reason.check}: {reason.message}")
    yield _line("steps", f"{', '.join(step.name for step in case.steps)}")


def _line(what: str, text: str) -> str:
    return f"  {what:<9} {one_line(text)}"


@dataclass(frozen=True, slots=True)
class Moment:
    """What a step of a case has become while a run goes on."""

    case: Case
    step: Step
    state: StepState
    note: str = ""


def moment_line(now: Moment) -> str:
    """Return in a line where a case is."""
    told = f" ({now.note.splitlines()[0]})" if now.note.strip() else ""
    return one_line(f"{now.case.host} {listing(now.case.names)}: {now.step.name} {now.state}{told}")


def ending_lines(endings: Iterable[CaseResult]) -> Iterator[str]:
    """Yield how each case ended, a line each; below it what else was seen, such as the hops of a self-test."""
    ended = tuple(endings)
    rows = [(_ENDED[one.kind], one.case.repair.value, one.case.host, _told(one)) for one in ended]
    for ending, row in zip(ended, _table(rows), strict=True):
        yield row
        yield from (f"    {one_line(line)}" for line in ending.note.splitlines()[1:])


def down_lines(endings: Iterable[CaseResult]) -> Iterator[str]:
    """Yield a line for each case that left a service down; they stand before everything else."""
    for ending in endings:
        if ending.is_down:
            first = next(iter(ending.note.splitlines()), "")
            services = listing(ending.case.services)
            yield one_line(f"SERVICE DOWN: {ending.case.host}: {services}: {first}. To do: {_to_do(ending)}")


def _to_do(ending: CaseResult) -> str:
    return ending.cause.advice if ending.cause else ""


def ending_row(ending: CaseResult) -> tuple[str, str, str, str, str]:
    """Return how a case ended in parts: outcome, repair, host, names, and what happened, in lines."""
    case = ending.case
    return _ENDED[ending.kind], case.repair.value, case.host, listing(case.names, 100), "\n".join(_happened(ending))


def _happened(ending: CaseResult) -> Iterator[str]:
    first, *others = ending.note.splitlines() or [""]
    yield ": ".join(part for part in (ending.case.kind_of(ending.step), ending.cause, first) if part)
    yield from others
    if ending.next_at and ending.kind != "proven":
        yield f"next try {moment(ending.next_at)}"


def _told(ending: CaseResult) -> str:
    """Return names, step, cause, the first line of the note and the next try of a case."""
    where = ending.case.kind_of(ending.step)
    why = next(iter(ending.note.splitlines()), "")
    parts = [": ".join(part for part in (where, ending.cause, why) if part)]
    parts += [f"next try {moment(ending.next_at)}"] if ending.next_at and ending.kind != "proven" else []
    return ": ".join(part for part in (listing(ending.case.names), sentence([part for part in parts if part])) if part)


def status_lines(journal: Journal, now: datetime) -> Iterator[str]:
    """Yield a table of the cases that have not ended: where each stands, for how long, and when it is tried next."""
    rows = [_status(case, journal, now) for case in journal.unfinished()]
    yield from _table((_HEAD, *rows)) if rows else ("no case is open",)
    queued = len(journal.outbox.queued())
    if queued:
        yield f"notifications to send: {queued}"


def _status(case: Case, journal: Journal, now: datetime) -> tuple[str, ...]:
    events, attempts = journal.events(case.id), journal.attempts.of_case(case.id)
    last = events[-1] if events else None
    next_at = attempts[-1].next_at if attempts else None
    return (
        case.id,
        case.repair.value,
        case.host,
        last.step if last else case.steps[0].name,
        last.state if last else "planned",
        duration(now - last.at) if last else "",
        moment(next_at) if next_at and next_at > now else "next run",
    )


def _table(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield rows with their columns in line."""
    clean = [tuple(one_line(cell) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*clean, strict=True)]
    for row in clean:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
