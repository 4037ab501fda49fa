"""Lists what a server supports: it offers everything, leaves out what the server chose, until the server refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audit.probe.connections import ProbeConnections
from audit.probe.tls_probes.client_hello import ClientHello
from audit.probe.tls_probes.exchange import unless_refused
from audit.probe.tls_probes.server_flight import FirstFlight


@dataclass(frozen=True, slots=True)
class Choices:
    """What a server chose, one after the other. `is_all` says that it refused the rest."""

    numbers: tuple[int, ...] = ()
    is_all: bool = False


@dataclass(frozen=True, slots=True)
class ChoiceKind:
    """What a server chooses from: the hello that offers these numbers, and the number that a flight chooses, if any."""

    hello_of: Callable[[Sequence[int]], ClientHello]
    choice_of: Callable[[FirstFlight], int | None]


def accepted_flight(connections: ProbeConnections, hello: ClientHello) -> FirstFlight | None:
    """Return the flight that a hello of one version receives, None if the server refuses it or takes another version.

    Raises ProbeError if neither is known.
    """
    flight = unless_refused(lambda: connections.flight(hello))
    return flight if flight and flight.hello and flight.hello.version == hello.versions[0] else None


def choices(connections: ProbeConnections, kind: ChoiceKind, offered: Sequence[int]) -> Choices:
    """Return everything that a server has of an offer, with one connection more than that; raises ProbeError."""
    rest, chosen = list(offered), list[int]()
    while rest:
        flight = accepted_flight(connections, kind.hello_of(rest))
        choice = kind.choice_of(flight) if flight else None
        if flight is None or choice not in rest:
            return Choices(tuple(chosen), is_all=flight is None)
        rest.remove(choice)
        chosen.append(choice)
    return Choices(tuple(chosen), is_all=True)


def prefers_its_order(connections: ProbeConnections, kind: ChoiceKind, chosen: Sequence[int]) -> bool | None:
    """Return whether a server chooses by an order of its own, None if it has no choice; raises ProbeError.

    A client that offers everything in the opposite order gets the same from it. Some servers let a client that puts
    ChaCha20 first have it, so another order is tried too.
    """
    if len(chosen) < 2:
        return None
    for order in (chosen[::-1], (*chosen[1:], chosen[0])):
        flight = accepted_flight(connections, kind.hello_of(order))
        if flight and kind.choice_of(flight) == chosen[0]:
            return True
    return False
