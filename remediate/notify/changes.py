"""What recipients already know, and what has changed since: recovered, unchanged, or not checked this time.

It is stored beside each notification as its state. A problem that was not checked this time counts as unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from audit.json_codec import from_json, to_json
from audit.text import one_line
from audit.verdict import Verdict
from remediate.model.case import FindingKey
from remediate.notify.items import by_host, is_silent, ports
from remediate.notify.notification import HostSection, ReportItem
from remediate.notify.report import RunReport, host_of

_MAX_REASON: Final = 300  # characters that are stored of a reason
_RECOVERED: Final = {
    Verdict.PASS: "the check passes now",
    Verdict.NOT_APPLICABLE: "the check no longer applies",
    Verdict.WAIVED: "the finding is waived now",
}
_NOT_CHECKED: Final = "not checked this time; this is the last known state"


@dataclass(frozen=True, slots=True)
class NotifiedState:
    """The problems that these recipients know of."""

    to: tuple[str, ...]
    sections: tuple[HostSection, ...]

    def __str__(self) -> str:
        """Return it as it is stored."""
        stored = by_host(
            (section.host, _brief(item)) for section in self.sections for item in section.items if item.is_problem
        )
        return json.dumps(to_json(replace(self, sections=stored)), sort_keys=True)


def last_notified(states: Iterable[str]) -> dict[tuple[str, ...], NotifiedState]:
    """Return what recipients were last notified of, from the states of all notifications in their order."""
    last: dict[tuple[str, ...], NotifiedState] = {}
    for text in states:
        if state := _read(text):
            last[state.to] = state
    return last


def superseded(sent: Iterable[tuple[int, str]]) -> Iterator[int]:
    """Yield the numbers of notifications, in their order, after which the same recipients got another."""
    last: dict[tuple[str, ...], int] = {}
    for number, text in sent:
        if state := _read(text):
            if state.to in last:
                yield last[state.to]
            last[state.to] = number


def _read(text: str) -> NotifiedState | None:
    try:
        return from_json(NotifiedState, json.loads(text))
    except ValueError:  # of another version: it counts as not sent
        return None


def without_silenced(state: NotifiedState | None, report: RunReport) -> NotifiedState | None:
    """Return a state without the findings that are silenced now: their absence is not a change."""
    if state is None:
        return None
    items = ((section.host, item, _not_silenced(item, report)) for section in state.sections for item in section.items)
    kept = (
        (host, replace(item, findings=remaining)) for host, item, remaining in items if remaining or not item.findings
    )
    return replace(state, sections=by_host(kept))


def _not_silenced(item: ReportItem, report: RunReport) -> tuple[FindingKey, ...]:
    return tuple(finding for finding in item.findings if not is_silent(finding, report))


def changes_since(
    last: NotifiedState | None, current: Sequence[HostSection], report: RunReport
) -> tuple[HostSection, ...]:
    """Return items for the known problems that are not found now: recovered, or not checked.

    A problem has recovered only if it was checked and is gone, or if its endpoint no longer exists.
    """
    current_findings = {finding for section in current for item in section.items for finding in item.findings}
    known = ((section.host, item) for section in (last.sections if last else ()) for item in section.items)
    return by_host((host, new) for host, old in known for new in _split(old, current_findings, report))


def _split(old: ReportItem, current_findings: Collection[FindingKey], report: RunReport) -> Iterator[ReportItem]:
    """Yield an item for each way in which findings of the old one are gone."""
    ways: dict[str | None, list[FindingKey]] = {}
    for finding in old.findings:
        if finding not in current_findings:
            ways.setdefault(_recovery(finding, report), []).append(finding)
    for way, findings in ways.items():
        same = replace(old, endpoint=ports(finding.endpoint for finding in findings), findings=tuple(findings))
        yield (
            replace(same, happened=_NOT_CHECKED)
            if way is None
            else replace(same, state="recovered", causes=(), happened=way)
        )


def _recovery(finding: FindingKey, report: RunReport) -> str | None:
    """Return how a finding recovered; None if it was not checked, or the check was inconclusive."""
    verdict = report.verdict(finding.endpoint, finding.check)
    if verdict is not None:
        return _RECOVERED.get(verdict)
    is_gone = finding.endpoint not in report.before.seen and report.was_inspected(host_of(finding.endpoint))
    return "the endpoint is no longer on the host" if is_gone else None


def _brief(item: ReportItem) -> ReportItem:
    """Return what is stored of an item: what identifies the problem, and one line for a person."""
    reason = one_line(item.reason, _MAX_REASON)
    return replace(item, reason=reason, tried="", happened="", to_do="", next_try=None)
