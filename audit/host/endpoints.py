"""Turns listening sockets into endpoints: one for each name, with the addresses that reach it.

This module does no I/O and does not depend on the service.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from audit.endpoint import BadEndpoint, Endpoint, to_address, to_name
from audit.host.system import HostFacts, covers
from audit.observation import HostView
from audit.observation.website import ANY_IPV4, ANY_IPV6
from audit.services.model import Listener


@dataclass(frozen=True, slots=True)
class Found:
    """A listener and the instance of the service it is of."""

    service: str
    pid: int
    listener: Listener


@dataclass(frozen=True, slots=True)
class Placed:
    """An endpoint with the addresses to connect to from here, and those that only the host itself reaches."""

    endpoint: Endpoint
    found: Found
    addresses: tuple[str, ...]
    inside_addresses: tuple[str, ...]


def host_name(view: HostView) -> str:
    """Return the name to expect where a service has none of its own: the host's, or its label where that is no name."""
    for name in (view.fqdn, view.label.strip("[]").partition("+")[0]):
        try:
            return to_name(name or "")
        except BadEndpoint:
            continue
    return "localhost"


def endpoints_of(founds: Iterable[Found], own_name: str, facts: HostFacts, view: HostView) -> Iterator[Placed]:
    """Yield each endpoint once, sorted; where one name and port have several meanings each is pinned to its address."""
    by_id: dict[str, list[Placed]] = {}
    for found in (one for one in founds if 0 < one.listener.port < 65_536):  # a configuration takes any number
        addresses, inside = _reach(found.listener, facts, view)
        for name in _names(found.listener, own_name):
            listener = found.listener
            endpoint = Endpoint(
                listener.scheme, name, listener.port, host=view.label, hostspec=view.hostspec, service=found.service
            )
            by_id.setdefault(str(endpoint), []).append(Placed(endpoint, found, addresses, inside))
    placed = (one for group in by_id.values() for one in _resolved(group))
    yield from sorted(placed, key=lambda one: one.endpoint.order)


def _names(listener: Listener, own_name: str) -> Iterator[str]:
    usable = []
    for name in listener.names:
        try:
            usable.append(to_name(name))
        except BadEndpoint:  # a daemon takes any text for a name; no client can ask for this one
            continue
    yield from dict.fromkeys(usable or [own_name])


def _resolved(group: Sequence[Placed]) -> Iterator[Placed]:
    """Join listeners that are one service with one certificate; pin to their addresses those that are not."""
    kinds: dict[tuple[str, int, object], list[Placed]] = {}
    for one in group:
        kinds.setdefault((one.found.service, one.found.pid, one.found.listener.files), []).append(one)
    joined = [_joined(same) for same in kinds.values()]
    if len(joined) == 1:
        yield from joined
        return
    seen: set[str] = set()
    for one in joined:
        for address in (*one.addresses, *one.inside_addresses):
            if address not in seen:
                seen.add(address)
                yield _pinned(one, address)


def _joined(same: Sequence[Placed]) -> Placed:
    addresses = tuple(dict.fromkeys(address for one in same for address in one.addresses))
    inside = tuple(dict.fromkeys(address for one in same for address in one.inside_addresses))
    return dataclasses.replace(same[0], addresses=addresses, inside_addresses=inside)


def _pinned(one: Placed, address: str) -> Placed:
    return Placed(
        dataclasses.replace(one.endpoint, address=address),
        one.found,
        (address,) if address in one.addresses else (),
        (address,) if address in one.inside_addresses else (),
    )


def _reach(listener: Listener, facts: HostFacts, view: HostView) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return where a listener is connected to from here, and where only from the host itself."""
    wanted = list(dict.fromkeys(_meant(listener, view)))
    live = facts.listening(listener.port)
    answering = [address for address in wanted if any(covers(bound, address) for bound in live)]
    # behind NAT the host does not have the address, so its sockets do not show what listens there
    chosen = [address for address in wanted if address in answering or address in view.configured_addresses] or wanted
    loopback = [address for address in chosen if ipaddress.ip_address(address).is_loopback]
    others = tuple(address for address in chosen if address not in loopback)
    if facts.shares_network:
        return (*others, *loopback), ()
    return others, tuple(loopback)


def _meant(listener: Listener, view: HostView) -> Iterator[str]:
    """Yield the addresses a listener means: a wildcard the host's own, or its loopback where it has none."""
    own = view.configured_addresses or view.addresses
    for text in listener.addresses:
        address = to_address(text)
        if address in (ANY_IPV4, ANY_IPV6):
            family = [one for one in own if (":" in one) == (address == ANY_IPV6)]
            yield from family or ([] if own else ["127.0.0.1" if address == ANY_IPV4 else "::1"])
        elif address and not ipaddress.ip_address(address).is_link_local:
            yield address
