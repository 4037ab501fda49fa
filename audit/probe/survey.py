"""Schedules the observation of many endpoints: resolves names and probes every address.

Addresses that cannot be reached from here are probed by their hosts.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from audit.endpoint import to_address
from audit.observation import Accident, DnsView, FailureKind, Handshake, Observation, ProbeFailure
from audit.probe.connections import ProbeContext
from audit.probe.dns.resolver import resolve
from audit.probe.endpoint_probe import AddressResult, probe_address
from audit.probe.proxy_protocol import inside_failure, inside_places
from audit.probe.target import Inside, InsidePlace, Target
from audit.probe.thread_pool import BoundedThreadPool, Job

_RETRIED: Final = ("busy", "refused")  # may pass after a short time
_CLOSED_FROM_HERE: Final = ("refused", "timeout", "unreachable", "no-family")
_Result = Handshake | ProbeFailure
_InsideResults = Mapping[InsidePlace, tuple[_Result, ...]]


@dataclass(slots=True)
class PartialObservation:
    """The unfinished observation of a target. `results` has a key for each address; None until its result comes."""

    target: Target
    dns: DnsView = field(default_factory=lambda: DnsView("not-asked"))
    results: dict[str, _Result | None] = field(default_factory=dict)
    other_keys: dict[str, _Result | None] = field(default_factory=dict)  # by address: with the other type of key
    changed: dict[str, Handshake | None] = field(default_factory=dict)  # by address: with a certificate of its turn
    retried: set[str] = field(default_factory=set)
    connections: int = 0
    elapsed_s: float = 0.0
    accident: Accident | None = None  # the first one

    def record(self, error: Exception) -> Accident:
        """Store an exception of ours as the accident of this endpoint."""
        accident = Accident.of(error)
        self.accident = self.accident or accident
        return accident

    def note(self, result: AddressResult) -> None:
        """Store the result of an address."""
        self.connections += result.connections
        self.elapsed_s += result.elapsed_s
        self.results[result.address] = self._with_known_tls(result.result)
        self.other_keys[result.address] = result.other_key
        self.changed[result.address] = result.changed

    def _with_known_tls(self, result: _Result) -> _Result:
        known = self.target.known_tls or {}
        if isinstance(result, Handshake) and result.address in known:
            return replace(result, tls=known[result.address])
        return result

    def addresses_inside(self) -> tuple[str, ...]:
        """Return the addresses that only the host itself can reach, or that are closed from here."""
        closed = (address for address in self.target.addresses if _is_closed(self.results.get(address)))
        return (*closed, *self.target.inside_addresses)

    def observation(self, observed_at: datetime) -> Observation:
        """Return the observation as it is now."""
        results, others = tuple(self.results.values()), tuple(self.other_keys.values())
        return Observation(
            endpoint=self.target.endpoint,
            observed_at=observed_at,
            addresses=tuple(self.results),
            handshakes=tuple(result for result in results if isinstance(result, Handshake)),
            failures=tuple(result for result in results if isinstance(result, ProbeFailure)) or self._unresolved(),
            dns=self.dns,
            server=self.target.server,
            connections=self.connections,
            elapsed_s=self.elapsed_s,
            accident=self.accident,
            changed_handshakes=tuple(filter(None, self.changed.values())),
            other_key_handshakes=tuple(result for result in others if isinstance(result, Handshake)),
            other_key_failures=tuple(result for result in others if isinstance(result, ProbeFailure)),
        )

    def _unresolved(self) -> tuple[ProbeFailure, ...]:
        if self.results or self.dns.status == "not-asked":
            return ()
        kind: FailureKind = "timeout" if self.dns.status == "timeout" else "unresolvable"
        return (ProbeFailure("resolve", kind, self.dns.detail),)


class ObservationScheduler:
    """Observes many targets with one thread pool. All work except the probes runs in the calling thread."""

    def __init__(
        self, pool: BoundedThreadPool, context: ProbeContext, complete: Callable[[PartialObservation], None]
    ) -> None:
        """Take the pool, the context of all probes, and the function that receives each complete observation."""
        self._pool = pool
        self._context = context
        self._complete = complete
        self._unsettled: Counter[int] = Counter()  # by identity of an Inside: its targets still probed from here
        self._settled: defaultdict[int, list[PartialObservation]] = defaultdict(list)

    def begin(self, targets: Iterable[Target]) -> None:
        """Submit the first jobs for all targets; each name is resolved once."""
        by_name: defaultdict[str, list[PartialObservation]] = defaultdict(list)
        partials = [PartialObservation(target) for target in targets]
        self._unsettled.update(id(partial.target.inside) for partial in partials)
        for partial in partials:
            destination = partial.target.endpoint.connect_to
            if not _is_probed_from_here(partial.target):
                self._settle(partial)
            elif to_address(destination) is not None:
                self._probe_all(partial, (destination,))
            elif partial.target.needs_no_address:
                self._probe_all(partial, ())
            elif partial.target.dns is not None:
                self._probe_resolved(partial, partial.target.dns)
            else:
                by_name[destination].append(partial)
        for name, unresolved in by_name.items():
            self._resolve(name, unresolved)

    def _resolve(self, name: str, partials: list[PartialObservation]) -> None:
        def then(view: DnsView) -> None:
            for partial in partials:
                self._probe_resolved(partial, view)

        def failed(error: Exception) -> None:
            for partial in partials:
                partial.record(error)
                self._settle(partial)

        self._pool.submit(Job(None, lambda: resolve(name, self._context.limits, self._context.stop), then, failed))

    def _probe_resolved(self, partial: PartialObservation, view: DnsView) -> None:
        partial.dns = view
        self._probe_all(partial, view.addresses)

    def _probe_all(self, partial: PartialObservation, addresses: tuple[str, ...]) -> None:
        target = partial.target
        own = () if target.endpoint.address else target.addresses
        partial.results = dict.fromkeys((*addresses, *own))
        for address in partial.results:
            self._probe(partial, address)
        if not partial.results:
            self._settle(partial)

    def _probe(self, partial: PartialObservation, address: str, *, after_s: float = 0.0) -> None:
        target = partial.target
        context = self._context if target.known_tls is None else self._context.without_survey()
        work = functools.partial(probe_address, target.endpoint, address, context, target.proxy_protocol)

        def failed(error: Exception) -> None:
            reason = partial.record(error).reason
            self._note(partial, AddressResult(address, ProbeFailure("host", "broken", reason, address), 0, 0.0))

        self._pool.submit(Job(address, work, functools.partial(self._note, partial), failed), after_s=after_s)

    def _note(self, partial: PartialObservation, result: AddressResult) -> None:
        partial.note(result)
        if _kind_of(result.result) in _RETRIED and result.address not in partial.retried:
            partial.retried.add(result.address)
            partial.results[result.address] = None
            self._probe(partial, result.address, after_s=self._context.limits.retry_after_s)
        elif None not in partial.results.values():
            self._settle(partial)

    def _settle(self, partial: PartialObservation) -> None:
        """Report the results from here, or keep them until the host can probe all remaining addresses at once."""
        inside, addresses = partial.target.inside, partial.addresses_inside()
        if inside is None:
            self._finish(partial, addresses, {})
            return
        if addresses:
            self._settled[id(inside)].append(partial)
        else:
            self._complete(partial)
        self._unsettled[id(inside)] -= 1
        if not self._unsettled[id(inside)] and self._settled[id(inside)]:
            self._probe_inside(inside, self._settled[id(inside)])

    def _probe_inside(self, inside: Inside, partials: list[PartialObservation]) -> None:
        places = [
            place
            for partial in partials
            for address in partial.addresses_inside()
            for place in inside_places(partial.target, address)
        ]

        def then(results: _InsideResults) -> None:
            for partial in partials:
                self._finish(partial, partial.addresses_inside(), results)

        def failed(error: Exception) -> None:
            for partial in partials:
                partial.record(error)
            then({})

        if places:
            self._pool.submit(Job(None, lambda: inside.observe_handshakes(places), then, failed))
        else:
            then({})

    def _finish(self, partial: PartialObservation, addresses: tuple[str, ...], results: _InsideResults) -> None:
        for address in addresses:
            tried = [results.get(place, ()) for place in inside_places(partial.target, address)]
            seen = (result for result in tried if result and isinstance(result[0], Handshake))
            _note_inside_results(partial, address, next(seen, tried[-1]))
        self._complete(partial)


def _note_inside_results(partial: PartialObservation, address: str, results: tuple[_Result, ...]) -> None:
    """Keep the results of the host itself; if it has none, keep the result from here."""
    first = results[0] if results else None
    for second in results[1:]:
        if isinstance(second, Handshake):
            partial.other_keys[address] = replace(second, address=address, from_host=True)
    if isinstance(first, Handshake):
        partial.results[address] = replace(first, address=address, from_host=True)
    elif first is not None:
        partial.results[address] = replace(inside_failure(partial.target, first), address=address)
    elif partial.results.get(address) is None:
        reason = "it can be reached on the host only, and the host could not probe it"
        partial.results[address] = ProbeFailure("host", "unreachable", reason, address)


def _is_probed_from_here(target: Target) -> bool:
    """Return whether there is an address to connect to from here."""
    return not target.endpoint.is_host and (bool(target.addresses) or not target.inside_addresses)


def _is_closed(result: _Result | None) -> bool:
    return isinstance(result, ProbeFailure) and result.stage == "connect" and result.kind in _CLOSED_FROM_HERE


def _kind_of(result: _Result | None) -> FailureKind | None:
    return result.kind if isinstance(result, ProbeFailure) else None
