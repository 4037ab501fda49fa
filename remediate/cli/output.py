"""Formats plans, results and the journal as lines for a terminal. Nothing is printed here."""

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
"""Kinds of findings that are counted, not listed, because a healthy fleet has thousands of them."""
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
    """Yield the cases of a plan in order, those that wait and why, and the findings that are not repaired."""
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
    """The new state of a step during a run."""

    case: Case
    step: Step
    state: StepState
    note: str = ""


def moment_line(now: Moment) -> str:
    """Return the current step of a case, as a line."""
    note = f" ({now.note.splitlines()[0]})" if now.note.strip() else ""
    return one_line(f"{now.case.host} {listing(now.case.names)}: {now.step.name} {now.state}{note}")


def case_result_lines(results: Iterable[CaseResult]) -> Iterator[str]:
    """Yield a line for the result of each case, and below it the details, such as the hops of a self-test."""
    ended = tuple(results)
    rows = [(_ENDED[one.kind], one.case.repair.value, one.case.host, _summary(one)) for one in ended]
    for result, row in zip(ended, _table(rows), strict=True):
        yield row
        yield from (f"    {one_line(line)}" for line in result.note.splitlines()[1:])


def down_lines(results: Iterable[CaseResult]) -> Iterator[str]:
    """Yield a line for each case that left a service down; they are printed first."""
    for result in results:
        if result.is_down:
            first = next(iter(result.note.splitlines()), "")
            services = listing(result.case.services)
            yield one_line(f"SERVICE DOWN: {result.case.host}: {services}: {first}. To do: {_to_do(result)}")


def _to_do(result: CaseResult) -> str:
    return result.cause.advice if result.cause else ""


def case_result_row(result: CaseResult) -> tuple[str, str, str, str, str]:
    """Return the parts of a result: outcome, repair, host, names, and the lines of what happened."""
    case = result.case
    return _ENDED[result.kind], case.repair.value, case.host, listing(case.names, 100), "\n".join(_happened(result))


def _happened(result: CaseResult) -> Iterator[str]:
    first, *others = result.note.splitlines() or [""]
    yield ": ".join(part for part in (result.case.kind_of(result.step), result.cause, first) if part)
    yield from others
    if result.next_at and result.kind != "proven":
        yield f"next try {moment(result.next_at)}"


def _summary(result: CaseResult) -> str:
    """Return names, step, cause, the first line of the note and the next try of a case."""
    where = result.case.kind_of(result.step)
    why = next(iter(result.note.splitlines()), "")
    parts = [": ".join(part for part in (where, result.cause, why) if part)]
    parts += [f"next try {moment(result.next_at)}"] if result.next_at and result.kind != "proven" else []
    return ": ".join(part for part in (listing(result.case.names), sentence([part for part in parts if part])) if part)


def status_lines(journal: Journal, now: datetime) -> Iterator[str]:
    """Yield a table of the unfinished cases: the current step, its age, and the next try."""
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
    """Yield rows with aligned columns."""
    clean = [tuple(one_line(cell) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*clean, strict=True)]
    for row in clean:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
