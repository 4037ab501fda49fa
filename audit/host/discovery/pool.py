"""Inspects hosts in threads, and returns them as they end: those that hang do not hold up the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Container, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from audit.host.discovery.slots import InspectionSlots, Pacing

if TYPE_CHECKING:
    from audit.host.discovery.hosts import Discovery

_LOOK_S: Final = 0.2  # how often the thread that waits reports what has ended
_GOODBYE_S: Final = 4.0  # how long to wait for commands that are ended
_MOST_SETTLING: Final = 4  # times `settle_s`, if hosts end one after another without a pause
Tick = Callable[[], object]


@dataclass(frozen=True, slots=True)
class HostJob:
    """The inspection of one host; `work` calls its argument when the host has responded, if it can."""

    label: str
    work: Callable[[Callable[[], None]], Discovery]


@dataclass(frozen=True, slots=True)
class HostSource:
    """What finds further hosts, such as an inventory; `read` returns their jobs, and may take long."""

    label: str
    read: Callable[[], Sequence[HostJob]]


class DiscoveryPool:
    """The inspection of all hosts of a run, in the background from the first moment on.

    One thread takes what has ended. `stop` makes inspections end early. Sources are read at the same time as hosts are
    inspected; each counts as a host until its own hosts are known.
    """

    def __init__(
        self,
        jobs: Sequence[HostJob | HostSource],
        size: int,
        stop: threading.Event,
        pacing: Pacing | None = None,
    ) -> None:
        """Begin; `size` hosts have a slot at the same time."""
        self._jobs = [job for job in jobs if isinstance(job, HostJob)]
        self._sources = [source for source in jobs if isinstance(source, HostSource)]  # that are being read
        self._stop, self._pacing, self._begun = stop, pacing or Pacing(), time.monotonic()
        self._slots = InspectionSlots(len(self._jobs), size, self._pacing)
        self._changed = threading.Condition()
        self._ended: dict[int, Discovery | BaseException] = {}
        self._taken = set[int]()
        self._responded = set[int]()
        self._news: list[int] = []
        self._threads = [
            threading.Thread(target=self._read, args=(source,), name="sslaudit-source", daemon=True)
            for source in self._sources
        ]
        for thread in tuple(self._threads):
            thread.start()
        self._coordinator = threading.Thread(target=self._coordinate, name="sslaudit-hosts", daemon=True)
        self._coordinator.start()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The labels of all hosts."""
        with self._changed:
            return self._labels_without(())

    @property
    def awaited(self) -> tuple[str, ...]:
        """The labels of the hosts whose inspection has not ended."""
        with self._changed:
            return self._labels_without(self._ended)

    @property
    def remaining(self) -> tuple[str, ...]:
        """The labels of the hosts that were not returned yet."""
        with self._changed:
            return self._labels_without(self._taken)

    def _labels_without(self, numbers: Container[int]) -> tuple[str, ...]:
        left = (job.label for number, job in enumerate(self._jobs) if number not in numbers)
        return (*left, *(source.label for source in self._sources))

    def news(self) -> tuple[Discovery, ...]:
        """Return what has ended since the last call, in the order of ending."""
        with self._changed:
            numbers, self._news = self._news, []
            return tuple(self._result(number) for number in numbers)

    def first(self, tick: Tick, *, least: int) -> tuple[Discovery, ...]:
        """Wait until all hosts but slow ones have ended, then until at least this many have; return those."""
        self._wait(lambda: self._is_settled(time.monotonic(), least), tick)
        return self.more(tick) if least and not self._untaken() else self._take()

    def _is_settled(self, now: float, least: int) -> bool:
        """Return whether all hosts but slow ones have ended; if some are needed, one source at least was read."""
        is_late = now - self._begun > self._pacing.inventory_s and (self._jobs or not least)
        return self._slots.is_settled(now) and bool(is_late or not self._sources)

    def more(self, tick: Tick) -> tuple[Discovery, ...]:
        """Wait until a further host has ended; return it with those that end soon after, nothing if there is none."""
        self._wait(self._untaken, tick)
        most = time.monotonic() + _MOST_SETTLING * self._pacing.settle_s
        while time.monotonic() < most and self._one_ends_soon(tick):
            pass
        return self._take()

    def _one_ends_soon(self, tick: Tick) -> bool:
        before, until = len(self._ended), time.monotonic() + self._pacing.settle_s
        self._wait(lambda: len(self._ended) > before or time.monotonic() >= until, tick)
        return len(self._ended) > before

    def rest(self, tick: Tick) -> tuple[Discovery, ...]:
        """Wait until all hosts have ended; return those that were not returned yet."""
        self._wait(lambda: False, tick)
        return self._take()

    def close(self) -> None:
        """End the inspections that still run; a thread in a call that cannot be interrupted stays behind."""
        if self.awaited:
            self._stop.set()
        with self._changed:
            self._changed.notify_all()
        deadline = time.monotonic() + _GOODBYE_S
        for thread in (self._coordinator, *self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))

    def _untaken(self) -> Collection[int]:
        return self._ended.keys() - self._taken

    def _take(self) -> tuple[Discovery, ...]:
        """Return what has ended and was not returned yet, in the order of the jobs."""
        with self._changed:
            numbers = sorted(self._untaken())
            self._taken.update(numbers)
        return tuple(self._result(number) for number in numbers)

    def _result(self, number: int) -> Discovery:
        result = self._ended[number]
        if isinstance(result, BaseException):
            raise result
        return result

    def _wait(self, is_enough: Callable[[], object], tick: Tick) -> None:
        """Wait until it is enough, all hosts have ended or `stop` is set; call `tick` at short intervals."""
        while True:
            with self._changed:
                is_over = self._stop.is_set() or self._is_complete or is_enough()
                if not is_over:
                    self._changed.wait(min(_LOOK_S, self._pacing.settle_s or _LOOK_S))
            tick()
            if is_over:
                return

    @property
    def _is_complete(self) -> bool:
        return not self._sources and len(self._ended) == len(self._jobs)

    def _read(self, source: HostSource) -> None:
        """Add the hosts of a source when it was read."""
        try:
            jobs = source.read()
        except BaseException as error:  # noqa: BLE001 - raised in the thread that takes the host
            jobs = [HostJob(source.label, partial(_raise, error))]
        with self._changed:
            self._jobs += jobs
            self._sources.remove(source)
            self._slots.add(len(jobs))
            self._changed.notify_all()

    def _coordinate(self) -> None:
        """Start the inspections, as slots become free."""
        with self._changed:
            while not self._is_complete and not self._stop.is_set():
                for number in self._slots.begin(time.monotonic()):
                    self._start(number)
                self._changed.wait(self._slots.next_change_s(time.monotonic()))
                self._changed.notify_all()

    def _start(self, number: int) -> None:
        name = f"sslaudit-host-{number}"
        self._threads.append(threading.Thread(target=self._inspect, args=(number,), name=name, daemon=True))
        self._threads[-1].start()

    def _inspect(self, number: int) -> None:
        result: Discovery | BaseException
        try:
            result = self._jobs[number].work(partial(self._respond, number))
        except BaseException as error:  # noqa: BLE001 - raised in the thread that takes it, with its trace
            result = error
        with self._changed:
            self._slots.end(number, time.monotonic())
            self._ended[number] = result
            self._news.append(number)
            self._changed.notify_all()

    def _respond(self, number: int) -> None:
        if number in self._responded:  # each further part of an output calls this too
            return
        with self._changed:
            self._responded.add(number)
            self._slots.respond(number, time.monotonic())
            self._changed.notify_all()


def _raise(error: BaseException, _responds: Callable[[], object]) -> Discovery:
    raise error
