"""A deadline by the monotonic clock, which limits every wait for another machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Self

_SLICE_S: Final = 0.25  # how often a thread that waits checks whether the run was stopped


class Stopped(Exception):
    """The run was stopped: unfinished work is dropped."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A time of a clock that only moves forward (seconds); infinity means no deadline."""

    at: float
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Self:
        """Return the deadline this many seconds from now."""
        return cls(clock() + seconds, clock)

    @property
    def left_s(self) -> float:
        """The seconds that are left; 0 after the deadline."""
        return max(0.0, self.at - self.clock())

    @property
    def has_passed(self) -> bool:
        """Whether no time is left."""
        return self.clock() >= self.at

    def within(self, seconds: float) -> Deadline:
        """Return this deadline, or the one this many seconds from now if that is earlier."""
        return Deadline(min(self.at, self.clock() + seconds), self.clock)

    def waits(self, stop: threading.Event, slice_s: float = _SLICE_S) -> Iterator[float]:
        """Yield how long to wait each time until the deadline has passed; raises Stopped if `stop` is set."""
        while not stop.is_set():
            if not (left_s := self.left_s):
                return
            yield min(left_s, slice_s)
        raise Stopped


def set_in_handler(stop: threading.Event) -> None:
    """Set an event in the handler of a signal, from a thread: `stop.wait`, which it may interrupt, holds its lock."""
    threading.Thread(target=stop.set, name="sslaudit-stop", daemon=True).start()
