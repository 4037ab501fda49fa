"""Functions that probe endpoints with short deadlines and return the observations."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, datetime

from audit.endpoint import parse_endpoint
from audit.observation import Handshake, Observation, ProbeFailure
from audit.probe import Limits, Target, observe
from tests.support.probe.tls_servers import Script, serving

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
PATIENT = Limits(timeout_s=40, farewell_s=5, retry_after_s=0)
"""For servers that respond: a slow machine must not make them fail."""

HASTY = Limits(timeout_s=2, retry_after_s=0, farewell_s=0.5)
"""For servers that never respond."""


def look(targets: Iterable[Target], limits: Limits = PATIENT, stop: threading.Event | None = None) -> list[Observation]:
    """Return the observations of targets in the order of their completion."""
    seen: list[Observation] = []
    observe(targets, limits, clock=lambda: NOW, report=seen.append, stop=stop)
    return seen


def look_at(url: str, limits: Limits = PATIENT) -> Observation:
    """Return the observation of one endpoint."""
    (observation,) = look([Target(parse_endpoint(url))], limits)
    return observation


def handshake(url: str) -> Handshake:
    """Return the one handshake with an endpoint that responds."""
    observation = look_at(url)
    assert observation.failures == ()
    (shown,) = observation.handshakes
    return shown


def failure(url: str, limits: Limits = PATIENT) -> ProbeFailure:
    """Return the one failure of an endpoint that does not respond."""
    observation = look_at(url, limits)
    assert observation.handshakes == ()
    (shown,) = observation.failures
    return shown


def failure_of(script: Script, limits: Limits = PATIENT, scheme: str = "tls") -> ProbeFailure:
    """Return the one failure of a server on loopback that follows a script."""
    with serving(script) as server:
        return failure(f"{scheme}://127.0.0.1:{server.port}", limits)
