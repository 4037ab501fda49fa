"""Returns what was observed from inside a host: its view, its own name, and the offset of its clock."""

from __future__ import annotations

from datetime import timedelta

from audit.analysis import Uncertain
from audit.analysis.reachability import UNREACHABLE
from audit.observation import HostView, Observation
from audit.policy import Policy
from audit.text import duration, join_clauses


def host_view(observation: Observation) -> HostView | Uncertain:
    """Return the view from inside the host, or that the login failed."""
    return observation.server or Uncertain("the host was not logged into", because=UNREACHABLE)


def own_host_name(observation: Observation) -> str | Uncertain:
    """Return the host's own name, or why it was not read."""
    server = host_view(observation)
    if isinstance(server, Uncertain):
        return server
    unread = Uncertain(join_clauses(("the host's own name could not be read", *server.missing_rights)))
    return unread if server.fqdn is None else server.fqdn


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
