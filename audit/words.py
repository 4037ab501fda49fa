"""Times, durations and lists as a person reads them.

It knows no certificate and no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

_UNITS: Final = (("day", "days", 86_400), ("h", "h", 3_600), ("min", "min", 60), ("s", "s", 1))


def duration(span: timedelta) -> str:
    """Return the size of a span in its two largest units: `2 days 3 h`, `45 s`."""
    seconds = round(abs(span).total_seconds())
    largest = next((index for index, (_, _, size) in enumerate(_UNITS) if seconds >= size), len(_UNITS) - 1)
    parts: list[str] = []
    for one, many, size in _UNITS[largest : largest + 2]:
        count, seconds = divmod(seconds, size)
        if count or not parts:
            parts.append(f"{count} {one if count == 1 else many}")
    return " ".join(parts)


def moment(when: datetime) -> str:
    """Return an aware time to the minute, in UTC: `2026-11-25 10:00 UTC`."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def listing(items: Sequence[object], limit: int = 5) -> str:
    """Join the first `limit` items with commas and say how many were left out."""
    shown = ", ".join(map(str, items[:limit]))
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"


def sentence(parts: Sequence[str]) -> str:
    """Join what was found, a clause each, into one line."""
    return "; ".join(parts)
