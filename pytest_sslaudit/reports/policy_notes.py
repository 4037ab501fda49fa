"""What a policy remarks on a check, for the report: what the rule of old says, and what is so today.

It judges nothing. The texts are the policy's, which may be the user's own file: they are escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from audit.evaluation.result import Result
from audit.policy import Profile, builtin_profiles, load_profile
from audit.policy.thresholds import Remark

_HEAD: Final = ("Check", "What the policy goes by", "Today's world", "Source")


class Remarks:
    """The remarks of the policies of a run."""

    def __init__(self, named: Sequence[Profile] = ()) -> None:
        """Keep the profiles that the user named; the others are those that come along."""
        self._named = {profile.name: profile for profile in named}
        self._used: dict[str, Profile] = {}

    def of(self, result: Result) -> Remark | None:
        """Return what is remarked on a result, and keep in mind whose it was."""
        found = [profile for name in result.policy.split("+") if (profile := self._profile(name))]
        return next((profile.remarks[result.check] for profile in found if result.check in profile.remarks), None)

    def lines(self, result: Result) -> Iterator[tuple[str, str]]:
        """Yield what stands under a result, each with its name."""
        remark = self.of(result)
        if remark:
            yield "rule says", remark.seed
            yield "today", f"{remark.today} ({remark.source})"

    def table(self) -> str:
        """Return each remark of the policies that were named or used, once; nothing where none has any."""
        profiles = [one for one in {**self._named, **self._used}.values() if one.remarks]
        rows = dict.fromkeys(_rows(profiles))
        if not rows:
            return ""
        head = "".join(f"<th>{name}</th>" for name in _HEAD)
        names = ", ".join(profile.name for profile in profiles)
        summary = f"<summary>Policy {escape(names)}: where its rules and today's world differ</summary>"
        return f'<details class="sslaudit-remarks">{summary}<table><tr>{head}</tr>{"".join(rows)}</table></details>'

    def _profile(self, name: str) -> Profile | None:
        if name not in self._used and (name in self._named or name in builtin_profiles()):
            self._used[name] = self._named[name] if name in self._named else load_profile(name)
        return self._used.get(name)


def _rows(profiles: Iterable[Profile]) -> Iterator[str]:
    for profile in profiles:
        for check, remark in profile.remarks.items():
            cells = "".join(f"<td>{escape(text)}</td>" for text in (remark.seed, remark.today, remark.source))
            yield f"<tr><td><code>{escape(check)}</code></td>{cells}</tr>"
