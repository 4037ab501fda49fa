"""What checks of a panel's server begin with: that it is one, was looked at, and let itself be read.

It reads nothing itself.
"""

from __future__ import annotations

from audit.checks import inconclusive, not_applicable
from audit.observation import Observation
from audit.reach import UNREACHABLE
from audit.upkeep import Matter, Upkeep
from audit.words import sentence


def seen_upkeep(observation: Observation) -> Upkeep:
    """Return how the host keeps its certificates up; ends the check where it is no cPanel & WHM server."""
    if observation.server is None:
        inconclusive("the host was not logged into", because=UNREACHABLE)
    if observation.server.upkeep is None:
        if observation.server.is_cpanel:
            inconclusive("how this cPanel & WHM server keeps its certificates up was not looked at")
        not_applicable("the host is no cPanel & WHM server")
    return observation.server.upkeep


def show_rights(upkeep: Upkeep, matter: Matter) -> None:
    """End a check that cannot be told because the login may not read what it would be told by."""
    missing = upkeep.missing(matter)
    if missing:
        inconclusive(f"it cannot be told by this login: {sentence(missing)}")
