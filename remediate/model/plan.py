"""A plan: the cases, the cases that wait and why, and the findings that no repair helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from remediate.model.case import Case
from remediate.model.causes import Cause


@dataclass(frozen=True, slots=True)
class Blocker:
    """One reason why a case waits: the cause as a stable word, and a sentence for a person."""

    cause: Cause
    text: str


Kind = Literal[
    "configure",  # the service's configuration is wrong, and a person's to mend
    "dns",
    "host",  # something of the host that is not the mode of a file
    "manual",
    "waived",
    "unknown",  # it could not be told, or the check itself failed
    "switched-off",
    "outside",  # not logged into
    "foreign",  # another agent owns the certificate
    "no-help",  # what would mend it elsewhere does not here
    "note",  # of severity info
    "well",
]


@dataclass(frozen=True, slots=True)
class NotRepairable:
    """Something that is left as it is, and why. Without a check it is the endpoint as a whole."""

    endpoint: str
    check: str | None
    kind: Kind
    why: str
    message: str = ""  # of the finding


@dataclass(frozen=True, slots=True)
class WaitingCase:
    """A case that is not repaired in this run, and every reason."""

    case: Case
    blocked_by: tuple[Blocker, ...]


@dataclass(frozen=True, slots=True)
class Blocked:
    """A case whose repair would begin and then wait, and for what."""

    case_id: str
    by: Blocker


@dataclass(frozen=True, slots=True)
class Plan:
    """The cases in the order of their repair, the canary first; what is explained; what waits.

    Every result that is no pass is in exactly one of the three. `blocked` are those of the cases that DNS would block,
    as far as it was asked; `notes` are sentences about the plan as a whole.
    """

    cases: tuple[Case, ...]
    explained: tuple[NotRepairable, ...]
    waiting: tuple[WaitingCase, ...]
    accidents: tuple[str, ...] = ()  # traces of exceptions of ours, each about one certificate
    blocked: tuple[Blocked, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def canary(self) -> Case | None:
        """The case that has to be proven before any other is begun."""
        return self.cases[0] if self.cases else None
