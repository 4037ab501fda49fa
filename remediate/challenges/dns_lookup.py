"""The addresses of a name as a CA sees them: traced from the root servers, else as the resolver returns them.

A configured resolver counts, because the root servers know nothing of a private DNS. Both results are compared.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, TypeVar

from audit.observation import DnsStatus, DnsView
from audit.probe import Limits
from audit.probe.dns.records import RecordSet, RecordType, records_of, resolver_responds
from audit.probe.dns.resolver import resolve
from audit.probe.dns.root_reachability import REACH_S, why_unreached
from audit.probe.dns.root_servers import ROOT_SERVERS, RootServer
from audit.probe.dns.texts import ServerTexts, resolved_texts, traced_texts
from audit.probe.dns.trace import (
    Difference,
    ResolutionStep,
    Trace,
    TraceFailure,
    TraceFault,
    TraceLimits,
    as_lines,
    difference,
    trace,
)
from audit.text import join_limited

T = TypeVar("T")
R = TypeVar("R")

_FAULTS: Final[dict[DnsStatus, TraceFault]] = {
    "nxdomain": "nxdomain",
    "no-address": "no-address",
    "servfail": "servfail",
    "timeout": "timeout",
}
_SERVER_FAULTS: Final = ("lame", "servfail", "broken", "silent", "unreachable")


@dataclass(frozen=True, slots=True)
class LookUp:
    """The addresses of a name: as traced if a trace could begin, else as the resolver returned them.

    `untraced` is why no trace could begin, if one was wanted.
    """

    name: str
    resolved: DnsView
    trace: Trace | None = None
    untraced: str = ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every A and AAAA, IPv4 first."""
        return self.trace.addresses if self.trace else self.resolved.addresses

    @property
    def first_address(self) -> str | None:
        """The first A of the trace; without a trace the lowest, because the order of a resolver means nothing."""
        if self.trace:
            return self.trace.first_address
        return next((address for address in self.resolved.addresses if ":" not in address), None)

    @property
    def failure(self) -> TraceFailure | None:
        """Why a CA finds no address, and which server is the cause; None if it finds one."""
        if self.addresses:
            return None
        if self.trace:
            return self.trace.failure
        fault = _FAULTS.get(self.resolved.status, "no-address")
        return TraceFailure(fault, f"{self.resolved.detail or self.name}, according to the resolver")

    @property
    def difference(self) -> Difference | None:
        """How the resolver's addresses differ from the traced ones; None if the resolver returned no result."""
        if self.trace is None or self.resolved.status in ("servfail", "timeout", "not-asked"):
            return None
        return difference(self.trace, self.resolved.addresses)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know beside the addresses, one clause each."""
        return tuple(self._notes())

    def lines(self) -> Iterator[str]:
        """Yield the trace as `dig +trace` prints it, the addresses of the resolver, and the notes."""
        if self.trace:
            yield from as_lines(self.trace)
        addresses = join_limited(self.resolved.addresses) or f"{self.resolved.status} ({self.resolved.detail})"
        yield f";; the resolver's response about {self.name}: {addresses}"
        yield from (f";; note: {note}" for note in self.notes)

    def _notes(self) -> Iterator[str]:
        if self.untraced:
            yield f"{self.untraced}; the resolver's response is used in place of the CA's view"
        if self.difference:
            yield str(self.difference)
        if self.trace is None:
            return
        if self.resolved.status in ("servfail", "timeout"):
            yield f"the resolver fails: {self.resolved.detail}"
        if self.trace.addresses:
            yield from (f"there may be more addresses: {failure.detail}" for failure in self.trace.failures)
            faults = dict.fromkeys(_fault_line(step) for step in self.trace.steps if step.kind in _SERVER_FAULTS)
            yield from (f"a name server fails: {fault}" for fault in faults)


def _fault_line(step: ResolutionStep) -> str:
    return f"{step.server} ({step.address}) of {step.zone}: {step.detail}"


@dataclass(frozen=True, slots=True)
class Roots:
    """Where traces begin, and their limits. `hints` are the configured root servers, instead of the Internet's."""

    hints: tuple[RootServer, ...] = ()
    limits: TraceLimits = field(default_factory=TraceLimits)
    reach_s: float = REACH_S


class LookUps:
    """What was looked up in a run, each name once; whether root servers can be reached is tried once too.

    Threads may look up names at the same time, and wait for one another only for the same name.
    """

    def __init__(self, roots: Roots | None = None) -> None:
        """Begin with no results."""
        self._roots = roots or Roots()
        self._turn = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}
        self._known: dict[str, LookUp] = {}
        self._reach = threading.Lock()
        self._has_dns: bool | None = None  # None: not tried
        self._untraced: str | None = None  # why there is no trace in this run; empty where there is; None: not tried

    def of(self, name: str, limits: Limits, stop: threading.Event) -> LookUp:
        """Return the addresses of a name; raises Stopped if `stop` is set meanwhile."""
        with self._turn:
            turn = self._turns.setdefault(name, threading.Lock())
        with turn:
            if name not in self._known:
                self._known[name] = self._look_up(name, limits, stop)
            return self._known[name]

    def records(self, name: str, record_type: RecordType, limits: Limits, stop: threading.Event) -> RecordSet:
        """Query the resolver for the records of a name, each time; raises Stopped."""
        return records_of(name, record_type, limits, stop)

    def texts(self, name: str, limits: Limits, stop: threading.Event) -> tuple[ServerTexts, ...]:
        """Return the TXT records of a name where a CA looks for them, queried each time; raises Stopped.

        These are the servers of its zone; the resolver, if it is configured or if no trace can begin.
        """
        roots = self._roots
        if (limits.resolver and not roots.hints) or self._why_untraced(stop):
            return (resolved_texts(name, limits, stop),)
        return traced_texts(name, _hints(roots), roots.limits, stop)

    def has_dns(self, limits: Limits) -> bool:
        """Return whether a resolver responds here. A configured one counts; the system's is tried once a run.

        Without one, names come from a hosts file, and there are no records to read.
        """
        with self._reach:
            if self._has_dns is None:
                self._has_dns = bool(limits.resolver) or resolver_responds(limits)
            return self._has_dns

    def _look_up(self, name: str, limits: Limits, stop: threading.Event) -> LookUp:
        if limits.resolver and not self._roots.hints:  # a private DNS, which the root servers do not know
            return LookUp(name, resolve(name, limits, stop))
        return look_up(name, limits, self._roots, stop, untraced=self._why_untraced(stop))

    def _why_untraced(self, stop: threading.Event) -> str:
        with self._reach:
            if self._untraced is None:
                roots = self._roots
                self._untraced = why_unreached(_hints(roots), roots.limits, stop, within_s=roots.reach_s) or ""
            return self._untraced


_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Resolution:
    """The look-ups, limits and stop event of a plan, which looks up names before anything runs."""

    lookups: LookUps
    limits: Limits
    stop: threading.Event

    @property
    def has_dns(self) -> bool:
        """Whether a name server responds here."""
        return self.lookups.has_dns(self.limits)

    def of_each(self, look_up: Callable[[T], R], subjects: Sequence[T]) -> list[R]:
        """Return what a look-up returns for each subject, some at once; an interrupt stops all of them."""
        pool = ThreadPoolExecutor(_AT_ONCE)
        try:
            return list(pool.map(look_up, subjects))
        except KeyboardInterrupt:
            self.stop.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def look_up(name: str, limits: Limits, roots: Roots, stop: threading.Event, *, untraced: str = "") -> LookUp:
    """Return the addresses of a name, traced unless `untraced` says why that is impossible; raises Stopped."""
    resolved = resolve(name, limits, stop)
    traced = None if untraced else trace(name, hints=_hints(roots), limits=roots.limits, stop=stop)
    return LookUp(name, resolved, traced, untraced)


def _hints(roots: Roots) -> tuple[RootServer, ...]:
    return roots.hints or ROOT_SERVERS
