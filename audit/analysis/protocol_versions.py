"""Finds which forbidden TLS versions a service accepts, and which were not tried."""

from __future__ import annotations

from audit.analysis import Uncertain
from audit.observation import Handshake
from audit.policy import Policy
from audit.policy.thresholds import Thresholds
from audit.text import join_limited


def old_versions(handshakes: tuple[Handshake, ...], limits: Thresholds) -> tuple[str, ...]:
    """Return one message per address and forbidden version that it accepts."""
    accepted = ((handshake.address, _accepted(handshake)) for handshake in handshakes)
    return tuple(
        f"{address} accepts {version}, which is forbidden"
        for address, versions in accepted
        for version in dict.fromkeys(versions)
        if version in limits.protocols_forbidden
    )


def untested_versions(handshakes: tuple[Handshake, ...], policy: Policy) -> Uncertain | None:
    """Return which forbidden versions could not be tried, and at which address; None if all were tried."""
    untested = policy.faults(lambda limits: _untested(handshakes, limits))
    return Uncertain(join_limited([message for message, _ in untested])) if untested else None


def _untested(handshakes: tuple[Handshake, ...], limits: Thresholds) -> tuple[str, ...]:
    forbids_tls12 = "TLSv1.2" in limits.protocols_forbidden
    return tuple(
        f"it is not known whether {handshake.address} accepts {version}{_cause(handshake)}"
        for handshake in handshakes
        for version, is_untested in (
            ("TLS 1.0 or 1.1", handshake.old_protocols is None),
            ("TLS 1.2", forbids_tls12 and handshake.version == "TLSv1.3" and handshake.tls12 is None),
        )
        if is_untested
    )


def _cause(handshake: Handshake) -> str:
    return f": {handshake.unknown_versions} (in another connection)" if handshake.unknown_versions else ""


def _accepted(handshake: Handshake) -> tuple[str, ...]:
    tls12 = ("TLSv1.2",) if handshake.tls12 else ()
    surveyed = (seen.version for seen in handshake.tls.versions) if handshake.tls else ()
    return (handshake.version, *tls12, *(handshake.old_protocols or ()), *surveyed)
