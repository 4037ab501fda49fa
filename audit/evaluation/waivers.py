"""Waivers: findings that are accepted for a time, each with a reason, an owner and an end."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from audit.evaluation.result import WaiverNote
from audit.json_codec import nearest
from audit.text import matches_glob

_MISSPELT: Final = 0.75  # how near a glob is to the glob of a group, if it is that one, misspelt
_REQUIRED: Final = ("check", "endpoint", "reason", "owner", "expires")


class BadWaivers(ValueError):
    """Waivers that cannot be used; the message names the file, the waiver and the field."""


@dataclass(frozen=True, slots=True)
class Waiver:
    """One `[[waiver]]`: `check` and `endpoint` are globs in which only `*` is special; it counts through `expires`."""

    check: str  # id of a check; `*` matches any text
    endpoint: str  # id of an endpoint; `*` matches any text
    reason: str  # why the finding is accepted
    owner: str  # who is responsible for it
    expires: date  # the last day (UTC) on which it counts

    def __str__(self) -> str:
        """Name the waiver in a message."""
        return f"waiver of {self.check} for {self.endpoint} ({self.owner}, until {self.expires})"

    def covers(self, check: str, endpoint: str) -> bool:
        """Return whether check id and endpoint id match."""
        return matches_glob(self.check, check) and matches_glob(self.endpoint, endpoint)

    def has_expired(self, now: datetime) -> bool:
        """Return whether its last day (UTC) is over."""
        return now >= datetime.combine(self.expires, time(), UTC) + timedelta(days=1)

    @property
    def note(self) -> WaiverNote:
        """The part of the waiver that a result holds."""
        return WaiverNote(self.reason, self.owner, self.expires.isoformat())


def find_waiver(waivers: tuple[Waiver, ...], check: str, endpoint: str, now: datetime) -> Waiver | None:
    """Return the first waiver in force that covers the finding."""
    return next((waiver for waiver in waivers if waiver.covers(check, endpoint) and not waiver.has_expired(now)), None)


def expired_waivers(waivers: tuple[Waiver, ...], now: datetime) -> tuple[str, ...]:
    """Return the names of the waivers that have expired."""
    return tuple(str(waiver) for waiver in waivers if waiver.has_expired(now))


def stale_waivers(
    waivers: tuple[Waiver, ...], waived: Collection[tuple[str, str]], now: datetime, checks: Collection[str]
) -> tuple[str, ...]:
    """Return the names of the waivers in force that cover none of the findings that were waived.

    `waived` are pairs of check id and endpoint id of a whole run, `checks` the ids of the built-in checks.
    """
    in_force = (waiver for waiver in waivers if not waiver.has_expired(now))
    unused = (waiver for waiver in in_force if not any(waiver.covers(*finding) for finding in waived))
    return tuple(f"{waiver}{_suggestion(waiver.check, checks)}" for waiver in unused)


def _suggestion(check: str, built_in: Collection[str]) -> str:
    """Return the nearest check id, of a glob the nearest group, if no built-in check has this one."""
    if any(matches_glob(check, known) for known in built_in):
        return ""
    groups = {f"{known.partition('.')[0]}.*" for known in built_in}
    return nearest(check, groups, _MISSPELT) if "*" in check else nearest(check, {*built_in, *groups})


def parse_waivers(table: Mapping[str, Any], place: str) -> tuple[Waiver, ...]:
    """Return the waivers of a TOML document, which messages name `place`; raises BadWaivers."""
    unknown = sorted(set(table) - {"waiver"})
    if unknown:
        near = nearest(unknown[0], ("waiver",))
        raise BadWaivers(f"{place}: unknown key {unknown[0]!r}{near}; a waiver is a [[waiver]] table")
    rows = table.get("waiver", [])
    if not isinstance(rows, list):
        raise BadWaivers(f"{place}: write [[waiver]] with two brackets, a table for each waiver")
    return tuple(_parse(row, f"{place}, number {number}") for number, row in enumerate(rows, 1))


def _parse(row: Mapping[str, Any], place: str) -> Waiver:
    missing = [key for key in _REQUIRED if key not in row]
    unknown = sorted(set(row) - set(_REQUIRED))
    if missing or unknown:
        # a misspelt key is also a missing one: the hint is made from the key that is there
        misspelt = f"has an unknown key {unknown[0]!r}{nearest(unknown[0], _REQUIRED)}" if unknown else ""
        wrong = misspelt or f"has no {missing[0]!r}"
        raise BadWaivers(f"{place}: it {wrong}; a waiver has {', '.join(_REQUIRED)}")
    texts = {key: row[key] for key in _REQUIRED[:-1]}
    for key, text in texts.items():
        if not (isinstance(text, str) and text.strip()):
            raise BadWaivers(f"{place}: {key} = {text!r} is not a text, or empty")
    return Waiver(**texts, expires=_day(row["expires"], place))


def _day(value: Any, place: str) -> date:  # noqa: ANN401 - what TOML holds
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise BadWaivers(f"{place}: expires = {value!r} is not a date such as 2026-12-31") from error
