"""Tests of how durations, times and long lists are formatted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from audit.text import duration, format_utc, join_limited


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(days=2, hours=3, minutes=59), "2 days 3 h"),
        (timedelta(days=1), "1 day"),
        (timedelta(hours=1, minutes=1), "1 h 1 min"),
        (timedelta(minutes=5, seconds=4), "5 min 4 s"),
        (timedelta(seconds=1), "1 s"),
        (timedelta(0), "0 s"),
        (-timedelta(days=3), "3 days"),
    ],
)
def test_duration_is_formatted_in_its_two_largest_units(span: timedelta, text: str) -> None:
    assert duration(span) == text


def test_time_is_formatted_in_utc() -> None:
    assert format_utc(datetime(2026, 11, 25, 11, tzinfo=timezone(timedelta(hours=1)))) == "2026-11-25 10:00 UTC"
    assert format_utc(datetime(2026, 11, 25, 10, tzinfo=UTC)) == "2026-11-25 10:00 UTC"


def test_long_list_ends_with_the_number_of_omitted_items() -> None:
    assert join_limited(["a", "b", "c"], 2) == "a, b and 1 more"
    assert join_limited(["a", "b"]) == "a, b"
