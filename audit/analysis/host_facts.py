"""Returns what was observed from inside a host: its view, its own name, and the offset of its clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from audit.analysis import Exempt, Obstacle, Uncertain
from audit.analysis.reachability import UNREACHABLE
from audit.observation import HostView, Observation
from audit.policy import Policy
from audit.text import duration, join_clauses

NOT_INSPECTED: Final = "host.not-inspected"


def host_view(observation: Observation) -> HostView | Uncertain:
    """Return the view from inside the host, or that the login failed."""
    return observation.server or Uncertain("the host was not logged into", because=UNREACHABLE)


def own_host_name(observation: Observation) -> str | Obstacle:
    """Return the host's own name, or why there is no name to judge."""
    server = host_view(observation)
    if isinstance(server, Uncertain):
        return server
    if server.stand_in:
        return Exempt(f"the name {server.fqdn!r} is that of a container, to which no client connects")
    unread = Uncertain(join_clauses(("the host's own name could not be read", *server.missing_rights)))
    return unread if server.fqdn is None else server.fqdn


def unnamed_container(observation: Observation) -> Uncertain | None:
    """Return what to configure if the endpoint is named in place of a container; None if clients use its name."""
    server = observation.server
    if server is None or server.stand_in is None or server.stand_in != observation.endpoint.name:
        return None
    return Uncertain(
        "the service has no name of its own, and no client connects to that of its container: set the name that "
        f'clients use ([host."{server.hostspec}"] name = "…")'
    )


def not_inspected(server: HostView) -> Uncertain | None:
    """Return why nothing inside the host was read, which `host.not-inspected` reports; None if it was inspected."""
    return Uncertain(server.not_inspected, because=NOT_INSPECTED) if server.not_inspected else None


def clock_offset_s(observation: Observation) -> float | Uncertain:
    """Return the offset of the host's clock in seconds; above zero it is ahead of the audit's."""
    server = host_view(observation)
    if isinstance(server, Uncertain):
        return server
    offset_s = server.clock_offset_s
    return Uncertain("the host's clock could not be read") if offset_s is None else offset_s


def clock_limit_s(policy: Policy) -> tuple[int, str]:
    """Return the allowed offset in seconds, and the strictest profile, which sets it."""
    limit_s, profile = policy.least(lambda limits: limits.clock_offset_max_s)
    return int(limit_s), profile


def clock_is_off(server: HostView | None, policy: Policy) -> bool:
    """Return whether the host's clock is known to be wrong."""
    offset_s = (server.clock_offset_s or 0.0) if server else 0.0
    return abs(offset_s) > clock_limit_s(policy)[0]


def described_offset(offset_s: float, limit_s: int) -> str:
    """Return the message of a clock that is wrong."""
    size, admitted = duration(timedelta(seconds=offset_s)), duration(timedelta(seconds=limit_s))
    side = "ahead of" if offset_s > 0 else "behind"
    return f"the host's clock is {size} {side} that of the audit; {admitted} are allowed"
