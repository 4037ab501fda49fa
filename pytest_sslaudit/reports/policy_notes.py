"""Formats the notes of a policy on its checks for the report: the rule that the policy follows, and current practice.

The texts come from the profile, which may be a file of the user: they are escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from audit.evaluation.result import Result
from audit.policy import Profile, builtin_profiles, load_profile
from audit.policy.thresholds import PolicyNote

_COLUMNS: Final = ("Check", "Rule of the policy", "Current practice", "Source")


class PolicyNotes:
    """The notes of the policies of a run."""

    def __init__(self, named: Sequence[Profile] = ()) -> None:
        """Keep the profiles that the user named; the others are built in."""
        self._named = {profile.name: profile for profile in named}
        self._used: dict[str, Profile] = {}

    def of(self, result: Result) -> PolicyNote | None:
        """Return the note on a result, and remember its profile."""
        profiles = [profile for name in result.policy.split("+") if (profile := self._profile(name))]
        return next((profile.notes[result.check] for profile in profiles if result.check in profile.notes), None)

    def lines(self, result: Result) -> Iterator[tuple[str, str]]:
        """Yield the lines under a result, each with its label."""
        note = self.of(result)
        if note:
            yield "rule", note.legacy_rule
            yield "today", f"{note.current_practice} ({note.source})"

    def table(self) -> str:
        """Return the table of the notes of all policies that were named or used; empty without notes."""
        profiles = [profile for profile in {**self._named, **self._used}.values() if profile.notes]
        rows = dict.fromkeys(_rows(profiles))
        if not rows:
            return ""
        head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
        names = ", ".join(profile.name for profile in profiles)
        summary = f"<summary>Policy {escape(names)}: where its rules and current practice differ</summary>"
        return f'<details class="sslaudit-notes">{summary}<table><tr>{head}</tr>{"".join(rows)}</table></details>'

    def _profile(self, name: str) -> Profile | None:
        if name not in self._used and (name in self._named or name in builtin_profiles()):
            self._used[name] = self._named[name] if name in self._named else load_profile(name)
        return self._used.get(name)


def _rows(profiles: Iterable[Profile]) -> Iterator[str]:
    for profile in profiles:
        for check, note in profile.notes.items():
            cells = "".join(
                f"<td>{escape(text)}</td>" for text in (note.legacy_rule, note.current_practice, note.source)
            )
            yield f"<tr><td><code>{escape(check)}</code></td>{cells}</tr>"
