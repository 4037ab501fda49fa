"""Which forbidden TLS versions a service accepts, and which could not be tried."""

from __future__ import annotations

from audit.observation import Handshake
from audit.policy.thresholds import Thresholds


def old_versions(handshakes: tuple[Handshake, ...], limits: Thresholds) -> tuple[str, ...]:
    """Say in a clause each which address accepts which version of the protocol that must not be used."""
    accepted = ((handshake.address, _accepted(handshake)) for handshake in handshakes)
    return tuple(
        f"{address} accepts {version}"
        for address, versions in accepted
        for version in dict.fromkeys(versions)
        if version in limits.protocols_forbidden
    )


def untold_versions(handshakes: tuple[Handshake, ...], limits: Thresholds) -> tuple[str, ...]:
    """Say in a clause each of which address it could not be told whether it accepts versions that must not be used."""
    forbids_tls12 = "TLSv1.2" in limits.protocols_forbidden
    return tuple(
        f"whether {version} is accepted could not be told at {handshake.address}"
        for handshake in handshakes
        for version, is_untold in (
            ("TLS 1.0 or 1.1", handshake.old_protocols is None),
            ("TLS 1.2", forbids_tls12 and handshake.version == "TLSv1.3" and handshake.tls12 is None),
        )
        if is_untold
    )


def _accepted(handshake: Handshake) -> tuple[str, ...]:
    tls12 = ("TLSv1.2",) if handshake.tls12 else ()
    return (handshake.version, *tls12, *(handshake.old_protocols or ()))
