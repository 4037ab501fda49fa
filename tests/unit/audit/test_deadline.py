"""Tests of deadlines, with a clock that the test sets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from audit.probe.deadline import Deadline, Stopped


def clock_at(*times: float) -> Callable[[], float]:
    moments: Iterator[float] = iter(times)
    return lambda: next(moments)


def test_seconds_left_end_at_zero() -> None:
    deadline = Deadline.after(5.0, clock_at(100.0, 102.0, 105.0, 109.0))
    assert [deadline.left_s, deadline.left_s, deadline.left_s] == [3.0, 0.0, 0.0]


@pytest.mark.parametrize(("now", "expected"), [(104.9, False), (105.0, True), (106.0, True)])
def test_deadline_has_passed_at_its_time(now: float, expected: bool) -> None:  # noqa: FBT001 - parameter
    assert Deadline.after(5.0, clock_at(100.0, now)).has_passed is expected


@pytest.mark.parametrize(("seconds", "expected"), [(1.0, 103.0), (9.0, 105.0)])
def test_shorter_of_two_deadlines_applies(seconds: float, expected: float) -> None:
    assert Deadline.after(5.0, clock_at(100.0, 102.0)).within(seconds).at == expected


def test_waits_are_sliced_up_to_the_deadline() -> None:
    deadline = Deadline(3.5, clock_at(1.0, 2.0, 3.0, 4.0))
    assert list(deadline.waits(threading.Event(), 1.0)) == [1.0, 1.0, 0.5]


def test_waits_end_with_stopped_once_the_run_is_stopped() -> None:
    stop = threading.Event()
    waits = Deadline(float("inf")).waits(stop, 1.0)
    assert next(waits) == 1.0
    stop.set()
    with pytest.raises(Stopped):
        next(waits)
