"""How a case ended in a run, and the attempts that a journal keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from remediate.model.case import Case
from remediate.model.causes import Cause

EndedAs = Literal[
    "proven",
    "failed",
    "pending",  # the issuer is still working: not a failure, no backoff
    "interrupted",  # the run was killed, or stopped for a reason outside the case
]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a case: when and how it ended, at which step, and when the next may be.

    `busy_until` is the end of the issuer's Retry-After, which holds for every other case too. An attempt `is_early` if
    a person, or another result of a pre-check, lifted the waiting time of the case. `finding` is a digest of what a
    pre-check found; empty for other steps.
    """

    at: datetime
    ended: EndedAs
    step: str = ""
    cause: Cause | None = None
    note: str = ""
    issuer: str | None = None
    next_at: datetime | None = None  # None: at once
    busy_until: datetime | None = None
    is_early: bool = False
    finding: str = ""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How a case ended in this run: the cause if it is not repaired, and a note for a person.

    A case that is `waiting` was not begun: it is not due, or the run reached its limit. `undone` was rolled back.
    """

    case: Case
    ended_as: EndedAs | Literal["waiting", "undone"]
    step: str = ""
    cause: Cause | None = None
    note: str = ""
    retry_after_s: float | None = None
    next_at: datetime | None = None
    is_early: bool = False  # tried before the end of its waiting time
    is_changed: bool = False  # early because a pre-check found something else, and not on request
    finding: str = ""  # a digest of what a pre-check found

    @property
    def is_in_part(self) -> bool:
        """Whether it is repaired, and an unknown service still serves the certificate of before."""
        return self.ended_as == "proven" and bool(self.case.left_out)

    @property
    def is_down(self) -> bool:
        """Whether a service did not start again with its old files: a person has to act now."""
        return self.cause is Cause.SERVICE_DOWN
