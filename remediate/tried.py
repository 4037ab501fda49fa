"""How the last try of a case ended: this run's, or an earlier one's where the case was not tried this time.

A case that is not due, or that a run did not come to, is as wrong as it was, for the same reason: who was told that is
not told again. It reads the journal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from remediate.model.case import Case
from remediate.model.causes import Cause
from remediate.model.outcome import Ending
from remediate.state.journal import Journal


@dataclass(frozen=True, slots=True)
class Tried:
    """How a try ended: `kind`, `step`, `cause` and `note` as in an ending."""

    case: Case
    kind: str
    step: str
    cause: Cause | None
    note: str
    next_at: datetime | None


def as_last_tried(ending: Ending, journal: Journal) -> Tried:
    """Return the ending of the last try, with when the next one may be."""
    now = Tried(ending.case, ending.kind, ending.step, ending.cause, _brief(ending), ending.next_at)
    if ending.kind != "waiting":
        return now
    last = next(reversed(journal.ledger.attempts(ending.case.id)), None)
    if last is None or last.cause is None or last.ended == "proven" or _is_over(ending.case, last.at, journal):
        return now
    # the note of what is not due repeats that of the last try
    beside = "" if ending.cause is Cause.RUN_NOT_DUE else f"\nnot tried this time: {ending.note}"
    return Tried(ending.case, last.ended, last.step, last.cause, f"{last.note}{beside}", ending.next_at)


def _is_over(case: Case, tried: datetime, journal: Journal) -> bool:
    """Tell whether the case has come to a good end since it was tried: it is another time that it is wrong now."""
    ended = journal.outcome(case.id)
    return ended is not None and ended.kind != "failed" and tried <= ended.at


def _brief(ending: Ending) -> str:
    """Return the note; of a bug of ours its last line, as the trace is in the journal."""
    if ending.cause is not Cause.RUN_BUG:
        return ending.note
    return next((line.strip() for line in reversed(ending.note.splitlines()) if line.strip()), "")
