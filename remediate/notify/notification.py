"""A notification: what is or was wrong on each host, the run it comes from, and whether it is to be sent at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal

from audit.endpoint import BadEndpoint, parse_id
from audit.text import one_line, printable_lines
from audit.verdict import Severity
from remediate.model.case import FindingKey
from remediate.model.causes import Cause

ReportState = Literal[
    "failed",  # a problem that was not repaired
    "waiting",  # a problem whose repair is under way: an order, a name that another host has to validate
    "repaired",  # by a repair, and verified
    "recovered",  # fixed by anyone else
]

WORST_FIRST: Final[tuple[ReportState, ...]] = ("failed", "waiting", "repaired", "recovered")
_MAX_SUBJECT: Final = 180  # characters; mail programs show no more
_NAMES: Final = 80  # of which as many for the first names of all states together
_LOCAL: Final = "local"  # the label of `local://`, which means nothing to a recipient


@dataclass(frozen=True, slots=True)
class ReportItem:
    """One result about the endpoints of one certificate or service. Texts are lines for a person.

    `check` is the finding's id, `causes` are why it is not repaired. With host, endpoint and state they identify the
    problem, whatever the texts say. Without services it is about the host itself. An item that is `below_threshold`
    is listed in a notification, and is never a reason to send one. `case` is the id of its case, for commands.
    An item `is_in_part` if an unknown service still serves the certificate that was replaced elsewhere.
    """

    state: ReportState
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
    below_threshold: bool = False
    case: str = ""
    is_in_part: bool = False

    @property
    def word(self) -> str:
        """The state as a reader sees it."""
        return f"{self.state} in part" if self.is_in_part else self.state

    @property
    def service(self) -> str:
        """The services in a line; empty for the host itself."""
        return ", ".join(self.services)

    @property
    def cause(self) -> str:
        """The causes in a line; empty if there is none."""
        return ", ".join(self.causes)

    @property
    def is_down(self) -> bool:
        """Whether a service did not start again after a rollback: a person has to act now."""
        return self.causes == (Cause.SERVICE_DOWN,)

    @property
    def is_problem(self) -> bool:
        """Whether it is still wrong, and a reason to send a notification."""
        return self.state in ("failed", "waiting") and not self.below_threshold


@dataclass(frozen=True, slots=True)
class HostSection:
    """The items of one host."""

    host: str
    items: tuple[ReportItem, ...]


@dataclass(frozen=True, slots=True)
class RunOrigin:
    """The run that a notification comes from: when, on which host, by which version."""

    at: datetime
    controller: str
    version: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that is sent with a notification, such as the results of the audit."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Notification:
    """The state as a whole, one section for each host, the run that it comes from, and files.

    `remarks` are lines about the notification itself, such as the contacts of a host that it is not sent to.
    """

    state: ReportState
    sections: tuple[HostSection, ...]
    run: RunOrigin
    attachments: tuple[Attachment, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """A digest of the problems, which is the same as long as they are."""
        return state_digest(self.sections)

    @property
    def named_sections(self) -> tuple[HostSection, ...]:
        """The sections with the name of the controller in place of `local`."""
        here = self.run.controller
        return tuple(replace(section, host=here) if section.host == _LOCAL else section for section in self.sections)


def state_digest(sections: Iterable[HostSection]) -> str:
    """Return a digest of the problems: hosts, endpoints, checks and causes; not of times, texts or solved problems.

    It does not depend on how findings are grouped into items.
    """
    problems = {
        (section.host, finding, item.state, item.cause)
        for section in sections
        for item in section.items
        if item.is_problem
        for finding in _findings(item)
    }
    return hashlib.sha256(json.dumps(sorted(problems)).encode()).hexdigest()[:32]


def _findings(item: ReportItem) -> Iterator[str]:
    """Yield each finding of an item as it enters the digest."""
    for finding in item.findings or (FindingKey(item.endpoint, item.check),):
        yield f"{finding.endpoint} {finding.check}"


NO_PROBLEMS: Final = state_digest(())
"""The digest if there is no problem."""


def should_notify(sections: Sequence[HostSection], last_digest: str | None) -> ReportState | None:
    """Return the state as a whole if a notification is to be sent, None if there is no news.

    `last_digest` is that of the last notification that was sent or is queued; None if there never was one.
    """
    items = [item for section in sections for item in section.items if not item.below_threshold]
    states = {"failed" if item.is_in_part else item.state for item in items}
    if not any(item.state == "repaired" for item in items) and state_digest(sections) == (last_digest or NO_PROBLEMS):
        return None
    return next((state for state in WORST_FIRST if state in states), "recovered")


def items_worst_first(sections: Iterable[HostSection]) -> list[tuple[HostSection, ReportItem]]:
    """Return every item with its section, by state and severity, else in the order given; below the threshold last."""
    pairs = [(section, item) for section in sections for item in section.items]
    return sorted(pairs, key=lambda pair: _rank(pair[1]))


def hosts_worst_first(sections: Iterable[HostSection]) -> tuple[HostSection, ...]:
    """Return the sections by the worst item of each, else by host."""
    return tuple(sorted(sections, key=lambda section: (min(map(_rank, section.items)), section.host)))


def _rank(item: ReportItem) -> tuple[bool, bool, int, int]:
    return item.below_threshold, not item.is_down, WORST_FIRST.index(item.state), -item.severity.rank


def subject(notification: Notification) -> str:
    """Return the worst item in one line, how many more there are, or which names were repaired and which not."""
    sections = notification.named_sections
    ranked = items_worst_first(sections)
    if notification.state == "recovered" or not ranked:
        hosts = [one_line(section.host, 60) for section in sections] or [one_line(notification.run.controller, 60)]
        return f"{', '.join(hosts[:3])}{' and more' if len(hosts) > 3 else ''}: all problems are solved"
    section, worst = ranked[0]
    more = _names_beside_repairs(ranked) or _count_of_others(ranked)
    what = one_line(worst.service, 60) if worst.is_down else one_line(worst.reason, 110)
    line = f"{one_line(section.host, 60)}: {what}{': ' if worst.is_down else '; '}{_result(worst)}"
    return one_line(f"SERVICE DOWN: {line}" if worst.is_down else line, _MAX_SUBJECT - len(more)) + more


def _count_of_others(ranked: Sequence[tuple[HostSection, ReportItem]]) -> str:
    """Return how many problems there are beside the worst item, or how many items of its state."""
    state = ranked[0][1].state
    count = sum(item.is_problem for _, item in ranked) or sum(item.state == state for _, item in ranked)
    return f" (and {count - 1} more)" if count > 1 else ""


def _names_beside_repairs(ranked: Iterable[tuple[HostSection, ReportItem]]) -> str:
    """Return the first name of each state and how many more, if some were repaired and some were not; else nothing."""
    names = dict[ReportState, dict[str, None]]()
    for section, item in ranked:
        if not item.below_threshold:
            names.setdefault(item.state, {}).update(dict.fromkeys(_names(section, item)))
    if "repaired" not in names or not names.keys() & {"failed", "waiting"}:
        return ""
    width = _NAMES // len(names)
    return "".join(f"; {state} {_first_of(list(names[state]), width)}" for state in WORST_FIRST if state in names)


def _names(section: HostSection, item: ReportItem) -> Iterator[str]:
    """Yield the names of the endpoints of an item; the host for what is about the host itself."""
    for finding in item.findings:
        try:
            yield parse_id(finding.endpoint).name or section.host
        except BadEndpoint:  # a row that is not of this version
            yield section.host
    if not item.findings:
        yield section.host


def _first_of(names: Sequence[str], width: int) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{one_line(names[0], width)}{more}"


def _result(item: ReportItem) -> str:
    """Return what became of an item, in a few words."""
    first, *_ = [*printable_lines(item.happened), ""]
    happened = f": {first}" if first else ""
    match item.state:
        case "failed":
            return one_line(f"{'repair failed' if item.tried else 'not repaired'}{happened}", 110)
        case "waiting":
            return one_line(f"waiting{happened}", 110)
        case "repaired":
            return item.word
        case "recovered":
            return "recovered"
