"""Waivers: findings that are accepted for a time, each with a reason, an owner and an end.

It knows the file and what a waiver covers; what becomes of a covered finding is the gate's business.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.policy.profile_file import nearest
from audit.result import WaiverNote
from audit.text import matches_glob

REQUIRED = ("check", "endpoint", "reason", "owner", "expires")


@dataclass(frozen=True, slots=True)
class Waiver:
    """One `[[waiver]]`: `check` and `endpoint` are globs in which only `*` is special; it counts through `expires`."""

    check: str
    endpoint: str
    reason: str
    owner: str
    expires: date

    def __str__(self) -> str:
        """Name the waiver in a message."""
        return f"waiver of {self.check} for {self.endpoint} ({self.owner}, until {self.expires})"

    def covers(self, check: str, endpoint: str) -> bool:
        """Say whether check id and endpoint id match."""
        return matches_glob(self.check, check) and matches_glob(self.endpoint, endpoint)

    def has_expired(self, now: datetime) -> bool:
        """Say whether its last day (UTC) is over."""
        return now >= datetime.combine(self.expires, time(), UTC) + timedelta(days=1)

    @property
    def note(self) -> WaiverNote:
        """What a result says of it."""
        return WaiverNote(self.reason, self.owner, self.expires.isoformat())


def find_waiver(waivers: tuple[Waiver, ...], check: str, endpoint: str, now: datetime) -> Waiver | None:
    """Return the first waiver in force that covers the finding."""
    return next((waiver for waiver in waivers if waiver.covers(check, endpoint) and not waiver.has_expired(now)), None)


def read_waivers(file: Path) -> tuple[Waiver, ...]:
    """Read the file; raises pytest.UsageError that names file, waiver and field."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise pytest.UsageError(f"waivers {file}: {error.strerror}") from error
    except ValueError as error:
        raise pytest.UsageError(f"waivers {file}: {error}") from error
    unknown = sorted(set(table) - {"waiver"})
    if unknown:
        near = nearest(unknown[0], ("waiver",))
        raise pytest.UsageError(f"waivers {file}: unknown key {unknown[0]!r}{near}; a waiver is a [[waiver]] table")
    rows = table.get("waiver", [])
    if not isinstance(rows, list):
        raise pytest.UsageError(f"waivers {file}: write [[waiver]] with two brackets, a table for each waiver")
    return tuple(_parse(row, f"waivers {file}, number {number}") for number, row in enumerate(rows, 1))


def _parse(row: dict[str, Any], place: str) -> Waiver:
    missing = [key for key in REQUIRED if key not in row]
    unknown = sorted(set(row) - set(REQUIRED))
    if missing or unknown:
        # a key that is misspelt is missing too: what stands there leads to what is meant
        stranger = f"has an unknown key {unknown[0]!r}{nearest(unknown[0], REQUIRED)}" if unknown else ""
        wrong = stranger or f"has no {missing[0]!r}"
        raise pytest.UsageError(f"{place}: it {wrong}; a waiver has {', '.join(REQUIRED)}")
    texts = {key: row[key] for key in REQUIRED[:-1]}
    for key, text in texts.items():
        if not (isinstance(text, str) and text.strip()):
            raise pytest.UsageError(f"{place}: {key} = {text!r} is not a text, or empty")
    return Waiver(**texts, expires=_day(row["expires"], place))


def _day(value: Any, place: str) -> date:  # noqa: ANN401 - what TOML holds
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise pytest.UsageError(f"{place}: expires = {value!r} is not a date such as 2026-12-31") from error
