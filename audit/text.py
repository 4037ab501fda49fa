"""Text for people: durations, times, lists, one printable line, limits of length, and glob patterns."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

_UNITS: Final = (("day", "days", 86_400), ("h", "h", 3_600), ("min", "min", 60), ("s", "s", 1))
MAX_MESSAGE: Final = 500
MAX_QUOTED: Final = 120
MAX_DETAIL: Final = 4000
MAX_LINE: Final = 1_000
"""Characters of one line of a text that a person reads beside others; what a CA writes may be a page."""
_MAX_LINES: Final = 20  # of one text, such as the hops of a self-test
_MAX_READ: Final = 20_000  # characters of a text that are read
_MAX_DEPTH: Final = 8
_LONG: Final = re.compile(rf"\S{{{MAX_QUOTED + 1},}}|'[^']{{{MAX_QUOTED - 1},}}'|\"[^\"]{{{MAX_QUOTED - 1},}}\"")


def duration(span: timedelta) -> str:
    """Return the size of a span in its two largest units: `2 days 3 h`, `45 s`."""
    seconds = round(abs(span).total_seconds())
    largest = next((index for index, (_, _, size) in enumerate(_UNITS) if seconds >= size), len(_UNITS) - 1)
    parts: list[str] = []
    for singular, plural, size in _UNITS[largest : largest + 2]:
        count, seconds = divmod(seconds, size)
        if count or not parts:
            parts.append(f"{count} {singular if count == 1 else plural}")
    return " ".join(parts)


def format_utc(time: datetime) -> str:
    """Return an aware time to the minute, in UTC: `2026-11-25 10:00 UTC`."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def join_limited(items: Sequence[object], limit: int = 5) -> str:
    """Join the first `limit` items with commas and say how many were left out."""
    shown = ", ".join(map(str, items[:limit]))
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"


def join_clauses(parts: Sequence[str]) -> str:
    """Join messages into one line."""
    return "; ".join(parts)


def one_line(text: str, limit: int | None = None) -> str:
    """Return a text on one line, shortened to a limit, without characters that move the cursor or hide others.

    Every text of a server, a CA, a host or a file goes through this before a person sees it.
    """
    line = printable(" ".join(text.split()))
    return line if limit is None else shortened(line, limit)


def printable(text: str, kept: str = "") -> str:
    """Return a text with U+FFFD for each character that is not printable, except those that are kept."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in kept else "\N{REPLACEMENT CHARACTER}" for char in text)


def printable_lines(text: str) -> list[str]:
    """Return the lines of a text that are not empty, each as `one_line` gives it, and how many more there are."""
    lines = [line for line in (one_line(part, MAX_LINE) for part in text[:_MAX_READ].split("\n")) if line]
    more = len(lines) - _MAX_LINES
    return lines if more <= 0 else [*lines[:_MAX_LINES], f"… and {more} more lines"]


def matches_glob(glob: str, text: str) -> bool:
    """Return whether a glob matches the whole text; only `*` is special, because IPv6 addresses have brackets."""
    return _pattern(glob).fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _pattern(glob: str) -> re.Pattern[str]:
    """Return a glob as a regular expression, made once for all texts."""
    return re.compile(".*".join(map(re.escape, glob.split("*"))))


def shortened(text: str, limit: int) -> str:
    """Return a text of at most `limit` characters; a text that was cut ends in an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def bounded_message(message: str, values: Iterable[str] = ()) -> str:
    """Return a message within its bounds; `values` are texts that it may quote without quotation marks."""
    if len(message) <= MAX_QUOTED:
        return message
    for value in sorted({value for value in values if len(value) > MAX_QUOTED}, key=len, reverse=True):
        message = message.replace(value, shortened(value, MAX_QUOTED))
    message = _LONG.sub(lambda match: shortened(match[0], MAX_QUOTED), message)
    return shortened(message, MAX_MESSAGE)


def bounded_detail(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Return a detail as JSON values, each within its bound, with its size if it was cut."""
    return {key: _bounded(value, MAX_DETAIL, _MAX_DEPTH) for key, value in detail.items()}


def strings_in(value: Any, depth: int = _MAX_DEPTH) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """Yield every text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping) and depth:
        for key, item in value.items():
            yield str(key)
            yield from strings_in(item, depth - 1)
    elif isinstance(value, list | tuple | set | frozenset) and depth:
        for item in value:
            yield from strings_in(item, depth - 1)


def _bounded(value: Any, room: int, depth: int) -> Any:  # noqa: ANN401 - any value in, a JSON value out
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping) and depth:
        kept = _fitting(((str(key), item) for key, item in value.items()), room, depth)
        return dict(kept) | ({"…": f"{len(value)} entries"} if len(kept) < len(value) else {})
    if isinstance(value, list | tuple | set | frozenset) and depth:
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        kept = _fitting((("", item) for item in items), room, depth)
        return [item for _, item in kept] + ([f"… ({len(items)} in all)"] if len(kept) < len(items) else [])
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= room else f"{text[:room]}… ({len(text)} characters)"


def _fitting(pairs: Iterable[tuple[str, Any]], room: int, depth: int) -> list[tuple[str, Any]]:
    """Return the first pairs that fit, with the last one cut."""
    kept: list[tuple[str, Any]] = []
    for key, value in pairs:
        if room <= 0:
            break
        bounded = _bounded(value, room, depth - 1)
        kept.append((shortened(key, MAX_QUOTED), bounded))
        room -= len(key) + sum(map(len, strings_in(bounded))) + 4
    return kept
