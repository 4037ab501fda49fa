"""How a case ended in a run, and the attempts that a journal keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from remediate.model.case import Case
from remediate.model.causes import Cause

Ended = Literal[
    "proven",
    "failed",
    "pending",  # the issuer is still working: no failure, and no backoff
    "interrupted",  # we were killed, or stopped for a reason that is not the case's
]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a case: when and how it ended, at which step, and when the next may be.

    `busy_until` is until when its issuer asked to be left alone, for this and every other case.
    """

    at: datetime
    ended: Ended
    step: str = ""
    cause: Cause | None = None
    note: str = ""
    issuer: str | None = None
    next_at: datetime | None = None  # None: at once
    busy_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How a case ended in this run: the cause if it is not repaired, and a note for a person.

    `waiting` was not begun: it is not due yet, or the run had come to its limit. `undone` was taken back as told.
    """

    case: Case
    kind: Ended | Literal["waiting", "undone"]
    step: str = ""
    cause: Cause | None = None
    note: str = ""
    retry_after_s: float | None = None
    next_at: datetime | None = None

    @property
    def is_down(self) -> bool:
        """Whether a service did not come up again with its old files: a person has to act now."""
        return self.cause is Cause.SERVICE_DOWN
