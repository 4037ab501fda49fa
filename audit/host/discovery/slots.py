"""Decides which hosts are inspected at the same time, so that hosts that hang do not hold up the others.

A host that does not respond soon, or is far slower than the others, gives its slot to the next host and goes on without
one. This module starts nothing: the time is an argument.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

_FACTOR: Final = 3  # a host is slow if it takes this many times as long as the median of the others
_LEAST_WAIT_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Pacing:
    """When a host is slow, and how many slow hosts are inspected beside those that have a slot.

    A slow host costs a process and up to four open files. Hosts that end within `settle_s` of each other are judged
    together. An inventory that was not read within `inventory_s` holds other hosts up no longer.
    """

    silent_s: float = 1.5  # until the first byte of a response
    busy_s: float = 5.0  # from that byte to the end
    settle_s: float = 0.5
    inventory_s: float = 5.0
    most_slow: int = 100


@dataclass(slots=True)
class _Inspection:
    started: float
    responded: float | None = None


class InspectionSlots:
    """The hosts that wait and those that are inspected, by their numbers."""

    def __init__(self, hosts: int, size: int, pacing: Pacing) -> None:
        """Begin with all hosts waiting, in order."""
        self._size, self._pacing = max(1, size), pacing
        self._hosts = hosts
        self._waiting = deque(range(hosts))
        self._running: dict[int, _Inspection] = {}
        self._response_times: list[float] = []
        self._busy_times: list[float] = []

    def add(self, hosts: int) -> None:
        """Let further hosts wait; their numbers go on from those of the others."""
        self._waiting.extend(range(self._hosts, self._hosts + hosts))
        self._hosts += hosts

    def begin(self, now: float) -> Iterator[int]:
        """Yield each host whose inspection begins now."""
        while self._waiting and self._in_time(now) < self._size and not self._is_full:
            host = self._waiting.popleft()
            self._running[host] = _Inspection(now)
            yield host

    def respond(self, host: int, now: float) -> None:
        """Record that the first byte of a response of a host has arrived."""
        inspection = self._running.get(host)
        if inspection and inspection.responded is None:
            inspection.responded = now
            self._response_times.append(now - inspection.started)

    def end(self, host: int, now: float) -> None:
        """Record that the inspection of a host has ended."""
        inspection = self._running.pop(host)
        if inspection.responded is not None:
            self._busy_times.append(now - inspection.responded)

    def is_settled(self, now: float) -> bool:
        """Return whether every host has ended or is slow; hosts that cannot begin because of slow ones are slow too."""
        return self._in_time(now) == 0 and (not self._waiting or self._is_full)

    def next_change_s(self, now: float) -> float | None:
        """Return the time until the next host becomes slow; None if there is none."""
        left = [left for inspection in self._running.values() if (left := self._left_s(inspection, now)) > 0]
        return max(min(left), _LEAST_WAIT_S) if left else None

    @property
    def _is_full(self) -> bool:
        return len(self._running) >= self._size + self._pacing.most_slow

    def _in_time(self, now: float) -> int:
        return sum(self._left_s(inspection, now) > 0 for inspection in self._running.values())

    def _left_s(self, inspection: _Inspection, now: float) -> float:
        """Return the time until this inspection is slow; 0 or less if it is slow."""
        if inspection.responded is None:
            return inspection.started + _patience(self._response_times, self._pacing.silent_s) - now
        return inspection.responded + _patience(self._busy_times, self._pacing.busy_s) - now


def _patience(times: Sequence[float], least: float) -> float:
    return max(least, _FACTOR * median(times)) if times else least
