"""What a reader was told to be wrong, and what became of it since: well again, still wrong, or not looked at.

It is kept beside each letter, as the letter's state; what nobody looked at this time counts as it did. It knows no
mail, and asks nobody.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from audit.json_codec import from_json, to_json
from audit.verdict import Verdict
from remediate.model.case import FindingKey
from remediate.model.text import plain
from remediate.notify.items import by_host, is_silent
from remediate.notify.notification import ReportItem, Section, is_wrong
from remediate.notify.report import RunReport, host_of

_REASON: Final = 300  # characters that are remembered of a reason
_WELL: Final = {
    Verdict.PASS: "it is well now",
    Verdict.NOT_APPLICABLE: "it is of no concern any more",
    Verdict.WAIVED: "it is waived now",
}
_NOT_SEEN: Final = "it could not be looked at this time; this is what was known before"


@dataclass(frozen=True, slots=True)
class NotifiedState:
    """What readers know to be wrong."""

    to: tuple[str, ...]
    sections: tuple[Section, ...]

    def __str__(self) -> str:
        """Return it as it is kept."""
        kept = by_host((one.host, _brief(entry)) for one in self.sections for entry in one.entries if is_wrong(entry))
        return json.dumps(to_json(replace(self, sections=kept)), sort_keys=True)


def last_told(states: Iterable[str]) -> dict[tuple[str, ...], NotifiedState]:
    """Return what was told last, by readers, from the states of all letters in their order."""
    found: dict[tuple[str, ...], NotifiedState] = {}
    for state in states:
        told = _read(state)
        if told:
            found[told.to] = told
    return found


def superseded(letters: Iterable[tuple[int, str]]) -> Iterator[int]:
    """Yield the numbers of letters, in their order, after which the same readers got another."""
    last: dict[tuple[str, ...], int] = {}
    for number, state in letters:
        told = _read(state)
        if told and told.to in last:
            yield last[told.to]
        if told:
            last[told.to] = number


def _read(state: str) -> NotifiedState | None:
    try:
        return from_json(NotifiedState, json.loads(state))
    except ValueError:  # of another version: it counts as not told
        return None


def still_heard(told: NotifiedState | None, upshot: RunReport) -> NotifiedState | None:
    """Return what was told without what nobody wants to hear of any more: it is no news that it is left out now."""
    if told is None:
        return None
    pairs = ((one.host, entry, _heard(entry, upshot)) for one in told.sections for entry in one.entries)
    kept = by_host(
        (host, replace(entry, findings=heard)) for host, entry, heard in pairs if heard or not entry.findings
    )
    return replace(told, sections=kept)


def _heard(entry: ReportItem, upshot: RunReport) -> tuple[FindingKey, ...]:
    return tuple(finding for finding in entry.findings if not is_silent(finding, upshot))


def since(told: NotifiedState | None, now: Sequence[Section], upshot: RunReport) -> tuple[Section, ...]:
    """Return entries for what was told to be wrong and is not found so tonight: recovered, or as it was known.

    Only what was looked at and found well, or is not there any more, has recovered.
    """
    known = {finding for section in now for entry in section.entries for finding in entry.findings}
    pairs = ((one.host, entry) for one in (told.sections if told else ()) for entry in one.entries)
    return by_host((host, entry) for host, old in pairs for entry in _became(old, known, upshot))


def _became(old: ReportItem, known: Collection[FindingKey], upshot: RunReport) -> Iterator[ReportItem]:
    """Yield what became of an entry: of some of its findings this, of others that."""
    ways: dict[str | None, list[FindingKey]] = {}
    for finding in old.findings:
        if finding not in known:
            ways.setdefault(_well(finding, upshot), []).append(finding)
    for way, findings in ways.items():
        same = replace(old, findings=tuple(findings))
        yield (
            replace(same, happened=_NOT_SEEN)
            if way is None
            else replace(same, state="recovered", causes=(), happened=way)
        )


def _well(finding: FindingKey, upshot: RunReport) -> str | None:
    """Return in which way a finding is no more; None where it was not looked at, or could not be told."""
    verdict = upshot.verdict(finding.endpoint, finding.check)
    if verdict is not None:
        return _WELL.get(verdict)
    is_gone = finding.endpoint not in upshot.before.seen and upshot.has_looked_at(host_of(finding.endpoint))
    return "it is not found on the host any more" if is_gone else None


def _brief(entry: ReportItem) -> ReportItem:
    """Return what is remembered of an entry: all that says what is wrong, and a line for a person."""
    reason = plain(entry.reason, _REASON)
    return replace(entry, reason=reason, tried="", happened="", to_do="", next_try=None)
