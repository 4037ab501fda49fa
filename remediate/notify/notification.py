"""The parts a letter is made of: one section a host, an entry for each thing that is or was wrong there, and the run.

It knows which of them is worst; it refuses to know how they are written down.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from audit.verdict import Severity
from remediate.model.case import FindingKey
from remediate.model.causes import Cause

State = Literal[
    "failed",  # wrong, and not repaired
    "waiting",  # wrong, and something is under way: an order, a name that another host has to prove
    "repaired",  # by us, and proven
    "recovered",  # well again, whoever did it
]

WORST_FIRST: Final[tuple[State, ...]] = ("failed", "waiting", "repaired", "recovered")


@dataclass(frozen=True, slots=True)
class ReportItem:
    """One thing about the endpoints of one certificate or service. Texts are lines for a person.

    `check` is the finding's id, `causes` are why it is not repaired: with host, endpoint and state they say what is
    wrong, whatever the texts say tonight. No services: it is about the host itself. `is_minor` is what is told beside
    others, and never a reason to write.
    """

    state: State
    services: tuple[str, ...]
    endpoint: str
    check: str
    reason: str
    severity: Severity = Severity.HIGH
    causes: tuple[Cause, ...] = ()
    tried: str = ""
    happened: str = ""
    to_do: str = ""
    next_try: datetime | None = None
    findings: tuple[FindingKey, ...] = ()
    is_minor: bool = False

    @property
    def service(self) -> str:
        """The services in a line; empty for the host itself."""
        return ", ".join(self.services)

    @property
    def cause(self) -> str:
        """The causes in a line; empty where there is none."""
        return ", ".join(self.causes)

    @property
    def is_down(self) -> bool:
        """Whether a service did not come up again after a repair was taken back: a person has to act now."""
        return self.causes == (Cause.SERVICE_DOWN,)


@dataclass(frozen=True, slots=True)
class Section:
    """All there is to tell about one host."""

    host: str
    entries: tuple[ReportItem, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """The run a letter comes from: when, on which host, by which version."""

    at: datetime
    controller: str
    version: str


def is_wrong(entry: ReportItem) -> bool:
    """Tell whether it is still wrong, and worth a letter."""
    return entry.state in ("failed", "waiting") and not entry.is_minor


def worst_first(sections: Iterable[Section]) -> list[tuple[Section, ReportItem]]:
    """Return every entry with its section, by state and severity, else in the order given; what is minor last."""
    pairs = [(section, entry) for section in sections for entry in section.entries]
    return sorted(pairs, key=lambda pair: _rank(pair[1]))


def hosts_worst_first(sections: Iterable[Section]) -> tuple[Section, ...]:
    """Return the sections by the worst that is told of each, else by host."""
    return tuple(sorted(sections, key=lambda section: (min(map(_rank, section.entries)), section.host)))


def _rank(entry: ReportItem) -> tuple[bool, bool, int, int]:
    return entry.is_minor, not entry.is_down, WORST_FIRST.index(entry.state), -entry.severity.rank
