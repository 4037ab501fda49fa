"""A plan: the cases, the cases that wait and why, and the findings that no repair fixes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from audit.text import one_line
from remediate.model.case import Case
from remediate.model.causes import Cause


@dataclass(frozen=True, slots=True)
class Blocker:
    """One reason why a case waits: the cause as a stable word, and a sentence for a person."""

    cause: Cause
    text: str


Kind = Literal[
    "configure",  # the service's configuration is wrong, and a person has to fix it
    "dns",
    "host",  # a setting of the host, other than the mode of a file
    "manual",
    "unknown-service",  # served only by services whose files are not known, or beside a case by one of these
    "waived",
    "unknown",  # inconclusive, or the check itself failed
    "switched-off",
    "outside",  # on a host that was not logged in to
    "foreign",  # another agent owns the certificate
    "no-help",  # the usual repair does not help here
    "note",  # of severity info
    "well",
]


@dataclass(frozen=True, slots=True)
class NotRepairable:
    """A finding that no repair fixes, and why. Without a check it is the endpoint as a whole."""

    endpoint: str
    check: str | None
    kind: Kind
    why: str
    message: str = ""  # of the finding

    @property
    def line(self) -> str:
        """The line of a dry run and of a brief plan."""
        return one_line(f"not repaired: {self.endpoint}: {self.check}: {self.why}")


@dataclass(frozen=True, slots=True)
class WaitingCase:
    """A case that is not repaired in this run, and every reason."""

    case: Case
    blocked_by: tuple[Blocker, ...]


@dataclass(frozen=True, slots=True)
class Blocked:
    """A case whose repair would begin and then wait, and why."""

    case_id: str
    by: Blocker


@dataclass(frozen=True, slots=True)
class Plan:
    """The cases in the order of their repair, the canary first; the findings that no repair fixes; the cases that wait.

    Every result other than a pass is in exactly one of the three. `blocked` are the cases that DNS would block, as far
    as it was queried; `notes` are sentences about the plan as a whole.
    """

    cases: tuple[Case, ...]
    explained: tuple[NotRepairable, ...]
    waiting: tuple[WaitingCase, ...]
    accidents: tuple[str, ...] = ()  # traces of exceptions of ours, each about one certificate
    blocked: tuple[Blocked, ...] = ()
    notes: tuple[str, ...] = ()

    def all_waiting(self, blocker: Blocker) -> Plan:
        """Return the plan of a run that repairs nothing: every case waits."""
        return replace(self, cases=(), waiting=(*self.waiting, *(WaitingCase(case, (blocker,)) for case in self.cases)))

    @property
    def of_unknown_services(self) -> tuple[NotRepairable, ...]:
        """The findings about unknown services, which a person has to repair: the first of each endpoint."""
        first = dict[str, NotRepairable]()
        for finding in self.explained:
            if finding.kind == "unknown-service":
                first.setdefault(finding.endpoint, finding)
        return tuple(first.values())

    @property
    def canary(self) -> Case | None:
        """The case that must be verified before any other begins."""
        return self.cases[0] if self.cases else None
