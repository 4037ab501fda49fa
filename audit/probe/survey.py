"""Observes many endpoints: resolves their names, probes every address, asks a host about what is closed from here.

It knows in which order this is done, and nothing of how a probe is made.
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

_ASKED_AGAIN: Final = ("busy", "refused")  # may be otherwise a little later
_CLOSED_FROM_HERE: Final = ("refused", "timeout", "unreachable", "no-family")
_Shown = Handshake | ProbeFailure
_SeenInside = Mapping[tuple[Endpoint, str], tuple[_Shown, ...]]


@dataclass(slots=True)
class PartialObservation:
    """What is known so far of one target. `shown` has a key for each address; None where it is still awaited."""

    target: Target
    dns: DnsView = field(default_factory=lambda: DnsView("not-asked"))
    shown: dict[str, _Shown | None] = field(default_factory=dict)
    other_keys: dict[str, _Shown | None] = field(default_factory=dict)  # by address: with the other type of key
    asked_again: set[str] = field(default_factory=set)
    connections: int = 0
    elapsed_s: float = 0.0
    accident: Accident | None = None  # the first one

    def suffer(self, error: Exception) -> Accident:
        """Keep an exception of ours: the boundary of one endpoint."""
        accident = Accident.of(error)
        self.accident = self.accident or accident
        return accident

    def note(self, answer: AddressResult) -> None:
        """Keep what an address answered."""
        self.connections += answer.connections
        self.elapsed_s += answer.elapsed_s
        self.shown[answer.address] = answer.shown
        self.other_keys[answer.address] = answer.other_key

    def wanted_inside(self) -> tuple[str, ...]:
        """Return the addresses that only the host itself can connect to, or that are closed from here."""
        closed = (address for address in self.target.addresses if _is_closed(self.shown.get(address)))
        return (*closed, *self.target.inside_addresses)

    def observation(self, observed_at: datetime) -> Observation:
        """Return it as an observation."""
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
    """The observation of many targets by one crew. All but the probes themselves happens in the calling thread."""

    def __init__(
        self, crew: BoundedThreadPool, means: ProbeContext, complete: Callable[[PartialObservation], None]
    ) -> None:
        """Take who does the work and by which means, and what is called with each sighting that is complete."""
        self._crew = crew
        self._means = means
        self._complete = complete
        self._unsettled: Counter[int] = Counter()  # by identity of an Inside: its targets still asked from here
        self._settled: defaultdict[int, list[PartialObservation]] = defaultdict(list)

    def begin(self, targets: Iterable[Target]) -> None:
        """Submit the first jobs for all targets; each name is resolved once."""
        by_name: defaultdict[str, list[PartialObservation]] = defaultdict(list)
        sightings = [PartialObservation(target) for target in targets]
        self._unsettled.update(id(sighting.target.inside) for sighting in sightings)
        for sighting in sightings:
            goal = sighting.target.endpoint.connect_to
            if not _is_asked_from_here(sighting.target):
                self._settle(sighting)
            elif to_address(goal) is not None:
                self._probe_all(sighting, (goal,))
            else:
                by_name[goal].append(sighting)
        for name, named in by_name.items():
            self._resolve(name, named)

    def _resolve(self, name: str, sightings: list[PartialObservation]) -> None:
        def then(view: DnsView) -> None:
            for sighting in sightings:
                sighting.dns = view
                self._probe_all(sighting, view.addresses)

        def failed(error: Exception) -> None:
            for sighting in sightings:
                sighting.suffer(error)
                self._settle(sighting)

        self._crew.submit(Job(None, lambda: resolve(name, self._means.limits, self._means.halt), then, failed))

    def _probe_all(self, sighting: PartialObservation, addresses: tuple[str, ...]) -> None:
        target = sighting.target
        own = () if target.endpoint.address else target.addresses
        sighting.shown = dict.fromkeys((*addresses, *own))
        for address in sighting.shown:
            self._probe(sighting, address)
        if not sighting.shown:
            self._settle(sighting)

    def _probe(self, sighting: PartialObservation, address: str, *, after_s: float = 0.0) -> None:
        work = functools.partial(probe_address, sighting.target.endpoint, address, self._means)

        def failed(error: Exception) -> None:
            reason = sighting.suffer(error).reason
            self._note(sighting, AddressResult(address, ProbeFailure("host", "broken", reason, address), 0, 0.0))

        self._crew.submit(Job(address, work, functools.partial(self._note, sighting), failed), after_s=after_s)

    def _note(self, sighting: PartialObservation, answer: AddressResult) -> None:
        sighting.note(answer)
        if _kind_of(answer.shown) in _ASKED_AGAIN and answer.address not in sighting.asked_again:
            sighting.asked_again.add(answer.address)
            sighting.shown[answer.address] = None
            self._probe(sighting, answer.address, after_s=self._means.limits.retry_after_s)
        elif None not in sighting.shown.values():
            self._settle(sighting)

    def _settle(self, sighting: PartialObservation) -> None:
        """Report what was seen from here, or put it aside until the host can be asked about all the rest at once."""
        inside, wanted = sighting.target.inside, sighting.wanted_inside()
        if inside is None:
            self._finish(sighting, wanted, {})
            return
        if wanted:
            self._settled[id(inside)].append(sighting)
        else:
            self._complete(sighting)
        self._unsettled[id(inside)] -= 1
        if not self._unsettled[id(inside)] and self._settled[id(inside)]:
            self._ask_inside(inside, self._settled[id(inside)])

    def _ask_inside(self, inside: Inside, sightings: list[PartialObservation]) -> None:
        wanted = [(one.target.endpoint, address) for one in sightings for address in one.wanted_inside()]

        def then(seen: _SeenInside) -> None:
            for sighting in sightings:
                self._finish(sighting, sighting.wanted_inside(), seen)

        def failed(error: Exception) -> None:
            for sighting in sightings:
                sighting.suffer(error)
            then({})

        self._crew.submit(Job(None, lambda: inside.shake_hands(wanted), then, failed))

    def _finish(self, sighting: PartialObservation, wanted: tuple[str, ...], seen: _SeenInside) -> None:
        for address in wanted:
            _note_inside(sighting, address, seen.get((sighting.target.endpoint, address), ()))
        self._complete(sighting)


def _note_inside(sighting: PartialObservation, address: str, all_seen: tuple[_Shown, ...]) -> None:
    """Keep what the host saw of itself; if it saw nothing, what was seen from here stands."""
    seen = all_seen[0] if all_seen else None
    for second in all_seen[1:]:
        if isinstance(second, Handshake):
            sighting.other_keys[address] = replace(second, address=address, from_host=True)
    if isinstance(seen, Handshake):
        sighting.shown[address] = replace(seen, address=address, from_host=True)
    elif seen is not None:
        sighting.shown[address] = replace(seen, address=address)
    elif sighting.shown.get(address) is None:
        why = "it can be reached on the host only, and the host could not be asked"
        sighting.shown[address] = ProbeFailure("host", "unreachable", why, address)


def _is_asked_from_here(target: Target) -> bool:
    """Whether there is something to connect to, and not only on the host itself."""
    return not target.endpoint.is_host and (bool(target.addresses) or not target.inside_addresses)


def _is_closed(shown: _Shown | None) -> bool:
    return isinstance(shown, ProbeFailure) and shown.stage == "connect" and shown.kind in _CLOSED_FROM_HERE


def _kind_of(shown: _Shown | None) -> FailureKind | None:
    return shown.kind if isinstance(shown, ProbeFailure) else None
