"""Parses the times in access logs, in every common format, to aware times in UTC."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK: Final = r"(?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d)(?:[.,](?P<part>\d+))?"
_ZONE: Final = r"(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)"
_FORMS: Final = tuple(
    re.compile(form)
    for form in (
        rf"(?P<day>\d\d?)/(?P<name>[A-Za-z]{{3}})/(?P<year>\d{{4}})[: ]{_CLOCK}(?: ?{_ZONE})?",  # apache's, nginx's
        rf"(?P<year>\d{{4}})[-/](?P<month>\d\d)[-/](?P<day>\d\d)[T ]{_CLOCK}(?: ?{_ZONE})?",  # RFC 3339, ISO 8601
        rf"(?P<name>[A-Za-z]{{3}}) +(?P<day>\d\d?) {_CLOCK} (?:{_ZONE} )?(?P<year>\d{{4}})",  # ctime
        rf"(?P<day>\d\d?) (?P<name>[A-Za-z]{{3}}) (?P<year>\d{{4}}) {_CLOCK}(?: ?{_ZONE})?",  # RFC 9110's dates
    )
)
_EPOCH: Final = re.compile(r"(?<![\d.])(\d{10})(\d{3}|\d{6}|\d{9})?(?:\.\d+)?(?![\d.])")  # seconds, or parts of them


def time_of(texts: Iterable[str], zone: tzinfo = UTC) -> datetime | None:
    """Return the first time in these texts, in UTC; `zone` applies to a time without one."""
    return next((time for text in texts if (time := first_time(text, zone))), None)


def first_time(text: str, zone: tzinfo = UTC) -> datetime | None:
    """Return the first time in a text, in UTC; None if there is none, or for a 31 February."""
    match = next((found for form in _FORMS if (found := form.search(text))), None)
    since = None if match else _EPOCH.search(text)
    try:
        if match:
            return _written(match, zone).astimezone(UTC)
        return datetime.fromtimestamp(int(since[1]), UTC) if since else None
    except (ValueError, OverflowError):
        return None


def zone_of(text: str) -> tzinfo:
    """Return the zone of `+0100` or `-05:00`; UTC for any other text."""
    match = re.fullmatch(r"([+-])(\d\d):?(\d\d)", text.strip())
    if not match or int(match[2]) > 15 or int(match[3]) > 59:
        return UTC
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(-offset if match[1] == "-" else offset)


def _written(match: re.Match[str], zone: tzinfo) -> datetime:
    groups = match.groupdict()
    month = int(groups["month"]) if groups.get("month") else _MONTHS.index(groups["name"].lower()) + 1
    clock = (int(groups[part]) for part in ("h", "m", "s"))
    own = zone_of(groups["zone"]) if groups["zone"] else zone
    hour, minute, second = clock
    return datetime(int(groups["year"]), month, int(groups["day"]), hour, minute, min(second, 59), tzinfo=own)
