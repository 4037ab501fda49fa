"""Sends a ClientHello over a connection and reads the first flight of the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from audit.observation import FailureKind
from audit.observation.tls_registry import ALERTS
from audit.probe.tcp import ProbeError, TcpConnection
from audit.probe.tls_probes.framing import MalformedFlight
from audit.probe.tls_probes.reception import receive
from audit.probe.tls_probes.server_flight import FirstFlight, FlightReader

Response = TypeVar("Response")
_REFUSALS: Final = ("alert", "no-shared", "closed", "refused")
"""How a server refuses a hello; any other fault says nothing of what it accepts."""
_NOTHING_SHARED: Final = ("protocol_version", "insufficient_security")


def first_flight(tcp: TcpConnection, hello: bytes, *, is_upgrade: bool = False) -> FirstFlight:
    """Return the first flight of the server, which has a hello; raises ProbeError, also for an early alert.

    A server that closes the connection after its certificate has sent what it had to say. With `is_upgrade` the hello
    follows plain text, and more plain text counts as injected.
    """
    tcp.awaiting = "a TLS handshake"
    tcp.send(hello)
    reader = FlightReader()
    try:
        while not reader.feed(receive(tcp, is_upgrade=is_upgrade)):
            pass
    except MalformedFlight as error:
        raise ProbeError("handshake", "broken", f"the handshake cannot be read: {error}") from error
    except ProbeError as fault:
        if reader.flight.chain_der is None or fault.kind != "closed":
            raise
    if reader.flight.alert is not None and reader.flight.chain_der is None:
        raise _refused(reader.flight.alert[1])
    return reader.flight


def is_refusal(fault: ProbeError) -> bool:
    """Return whether a fault says that the server does not accept what was offered."""
    return fault.stage == "handshake" and fault.kind in _REFUSALS


def unless_refused(request: Callable[[], Response]) -> Response | None:
    """Return what a request returns, None if the server refuses it; raises ProbeError if neither is known."""
    try:
        return request()
    except ProbeError as fault:
        if not is_refusal(fault):
            raise
        return None


def _refused(alert: int) -> ProbeError:
    """Return the fault of a server that ends the handshake with this alert."""
    name = ALERTS.get(alert, str(alert))
    kind: FailureKind = "no-shared" if name in _NOTHING_SHARED else "alert"
    return ProbeError("handshake", kind, f"the server ends the handshake with the alert {name}")
