"""Schedules the observation of many endpoints: resolves names, probes every address, and asks hosts about the rest.

The rest are the addresses that cannot be reached from here.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from audit.endpoint import Endpoint, to_address
from audit.observation import Accident, DnsView, FailureKind, Handshake, Observation, ProbeFailure
from audit.probe.dns.resolver import resolve
from audit.probe.endpoint_probe import AddressResult, ProbeContext, probe_address
from audit.probe.target import Inside, Target
from audit.probe.thread_pool import BoundedThreadPool, Job

_ASKED_AGAIN: Final = ("busy", "refused")  # may have changed a little later
_CLOSED_FROM_HERE: Final = ("refused", "timeout", "unreachable", "no-family")
_Shown = Handshake | ProbeFailure
_SeenInside = Mapping[tuple[Endpoint, str], tuple[_Shown, ...]]


@dataclass(slots=True)
class PartialObservation:
    """What is known so far of one target. `shown` has a key for each address; None until its result has come."""

    target: Target
    dns: DnsView = field(default_factory=lambda: DnsView("not-asked"))
    shown: dict[str, _Shown | None] = field(default_factory=dict)
    other_keys: dict[str, _Shown | None] = field(default_factory=dict)  # by address: with the other type of key
    asked_again: set[str] = field(default_factory=set)
    connections: int = 0
    elapsed_s: float = 0.0
    accident: Accident | None = None  # the first one

    def suffer(self, error: Exception) -> Accident:
        """Keep an exception of our own, which ends with this endpoint."""
        accident = Accident.of(error)
        self.accident = self.accident or accident
        return accident

    def note(self, answer: AddressResult) -> None:
        """Keep the result of an address."""
        self.connections += answer.connections
        self.elapsed_s += answer.elapsed_s
        self.shown[answer.address] = answer.shown
        self.other_keys[answer.address] = answer.other_key

    def wanted_inside(self) -> tuple[str, ...]:
        """Return the addresses that only the host itself can connect to, or that are closed from here."""
        closed = (address for address in self.target.addresses if _is_closed(self.shown.get(address)))
        return (*closed, *self.target.inside_addresses)

    def observation(self, observed_at: datetime) -> Observation:
        """Return the observation as it is now."""
        shown, others = tuple(self.shown.values()), tuple(self.other_keys.values())
        return Observation(
            endpoint=self.target.endpoint,
            observed_at=observed_at,
            addresses=tuple(self.shown),
            handshakes=tuple(one for one in shown if isinstance(one, Handshake)),
            failures=tuple(one for one in shown if isinstance(one, ProbeFailure)) or self._unresolved(),
            dns=self.dns,
            server=self.target.server,
            connections=self.connections,
            elapsed_s=self.elapsed_s,
            accident=self.accident,
            other_key_handshakes=tuple(one for one in others if isinstance(one, Handshake)),
            other_key_failures=tuple(one for one in others if isinstance(one, ProbeFailure)),
        )

    def _unresolved(self) -> tuple[ProbeFailure, ...]:
        if self.shown or self.dns.status == "not-asked":
            return ()
        kind: FailureKind = "timeout" if self.dns.status == "timeout" else "unresolvable"
        return (ProbeFailure("resolve", kind, self.dns.detail),)


class ObservationScheduler:
    """The observation of many targets by one thread pool. All but the probes happens in the calling thread."""

    def __init__(
        self, pool: BoundedThreadPool, context: ProbeContext, complete: Callable[[PartialObservation], None]
    ) -> None:
        """Take the threads, what all probes share, and what is called with each observation that is complete."""
        self._pool = pool
        self._context = context
        self._complete = complete
        self._unsettled: Counter[int] = Counter()  # by identity of an Inside: its targets still asked from here
        self._settled: defaultdict[int, list[PartialObservation]] = defaultdict(list)

    def begin(self, targets: Iterable[Target]) -> None:
        """Submit the first jobs for all targets; each name is resolved once."""
        by_name: defaultdict[str, list[PartialObservation]] = defaultdict(list)
        partials = [PartialObservation(target) for target in targets]
        self._unsettled.update(id(partial.target.inside) for partial in partials)
        for partial in partials:
            goal = partial.target.endpoint.connect_to
            if not _is_asked_from_here(partial.target):
                self._settle(partial)
            elif to_address(goal) is not None:
                self._probe_all(partial, (goal,))
            else:
                by_name[goal].append(partial)
        for name, named in by_name.items():
            self._resolve(name, named)

    def _resolve(self, name: str, partials: list[PartialObservation]) -> None:
        def then(view: DnsView) -> None:
            for partial in partials:
                partial.dns = view
                self._probe_all(partial, view.addresses)

        def failed(error: Exception) -> None:
            for partial in partials:
                partial.suffer(error)
                self._settle(partial)

        self._pool.submit(Job(None, lambda: resolve(name, self._context.limits, self._context.stop), then, failed))

    def _probe_all(self, partial: PartialObservation, addresses: tuple[str, ...]) -> None:
        target = partial.target
        own = () if target.endpoint.address else target.addresses
        partial.shown = dict.fromkeys((*addresses, *own))
        for address in partial.shown:
            self._probe(partial, address)
        if not partial.shown:
            self._settle(partial)

    def _probe(self, partial: PartialObservation, address: str, *, after_s: float = 0.0) -> None:
        work = functools.partial(probe_address, partial.target.endpoint, address, self._context)

        def failed(error: Exception) -> None:
            reason = partial.suffer(error).reason
            self._note(partial, AddressResult(address, ProbeFailure("host", "broken", reason, address), 0, 0.0))

        self._pool.submit(Job(address, work, functools.partial(self._note, partial), failed), after_s=after_s)

    def _note(self, partial: PartialObservation, answer: AddressResult) -> None:
        partial.note(answer)
        if _kind_of(answer.shown) in _ASKED_AGAIN and answer.address not in partial.asked_again:
            partial.asked_again.add(answer.address)
            partial.shown[answer.address] = None
            self._probe(partial, answer.address, after_s=self._context.limits.retry_after_s)
        elif None not in partial.shown.values():
            self._settle(partial)

    def _settle(self, partial: PartialObservation) -> None:
        """Report what was seen from here, or keep it until the host can be asked about all the rest in one command."""
        inside, wanted = partial.target.inside, partial.wanted_inside()
        if inside is None:
            self._finish(partial, wanted, {})
            return
        if wanted:
            self._settled[id(inside)].append(partial)
        else:
            self._complete(partial)
        self._unsettled[id(inside)] -= 1
        if not self._unsettled[id(inside)] and self._settled[id(inside)]:
            self._ask_inside(inside, self._settled[id(inside)])

    def _ask_inside(self, inside: Inside, partials: list[PartialObservation]) -> None:
        wanted = [(one.target.endpoint, address) for one in partials for address in one.wanted_inside()]

        def then(seen: _SeenInside) -> None:
            for partial in partials:
                self._finish(partial, partial.wanted_inside(), seen)

        def failed(error: Exception) -> None:
            for partial in partials:
                partial.suffer(error)
            then({})

        self._pool.submit(Job(None, lambda: inside.shake_hands(wanted), then, failed))

    def _finish(self, partial: PartialObservation, wanted: tuple[str, ...], seen: _SeenInside) -> None:
        for address in wanted:
            _note_inside(partial, address, seen.get((partial.target.endpoint, address), ()))
        self._complete(partial)


def _note_inside(partial: PartialObservation, address: str, all_seen: tuple[_Shown, ...]) -> None:
    """Keep what the host saw of itself; if it saw nothing, keep what was seen from here."""
    seen = all_seen[0] if all_seen else None
    for second in all_seen[1:]:
        if isinstance(second, Handshake):
            partial.other_keys[address] = replace(second, address=address, from_host=True)
    if isinstance(seen, Handshake):
        partial.shown[address] = replace(seen, address=address, from_host=True)
    elif seen is not None:
        partial.shown[address] = replace(seen, address=address)
    elif partial.shown.get(address) is None:
        why = "it can be reached on the host only, and the host could not be asked"
        partial.shown[address] = ProbeFailure("host", "unreachable", why, address)


def _is_asked_from_here(target: Target) -> bool:
    """Return whether there is an address to connect to from here."""
    return not target.endpoint.is_host and (bool(target.addresses) or not target.inside_addresses)


def _is_closed(shown: _Shown | None) -> bool:
    return isinstance(shown, ProbeFailure) and shown.stage == "connect" and shown.kind in _CLOSED_FROM_HERE


def _kind_of(shown: _Shown | None) -> FailureKind | None:
    return shown.kind if isinstance(shown, ProbeFailure) else None
