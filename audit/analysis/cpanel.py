"""What checks of a panel's server begin with: that it is one, was looked at, and let itself be read.

It reads nothing itself.
"""

from __future__ import annotations

from typing import NoReturn

from audit.analysis.reachability import UNREACHABLE, UNRESOLVABLE, is_unresolved
from audit.firewall.exposure import narrowness, shortcomings
from audit.observation import Door, Observation
from audit.observation.cpanel import Matter, Upkeep
from audit.observation.firewall import Firewall
from audit.text import sentence
from audit.verdict import inconclusive, not_applicable
from audit.x509.identifiers import host_name_faults


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


def knocked_at(observation: Observation) -> tuple[Door, ...]:
    """Return what answers where a CA would come in; ends the check where nobody could ask."""
    if not observation.doors:
        _tell_why_nobody_knocked(observation)
    return observation.doors or ()


def _tell_why_nobody_knocked(observation: Observation) -> NoReturn:
    if is_unresolved(observation):
        inconclusive("the host's name has no address that could be asked", because=UNRESOLVABLE)
    name = observation.server.fqdn if observation.server else None
    if name is None or host_name_faults(name):
        inconclusive("the host's own name is none that could be resolved", because="host.name-invalid")
    inconclusive("nobody asked at port 80")


def blame_firewall(firewall: Firewall, own: tuple[str, ...]) -> None:
    """End a check of what gives no answer where that is the firewall's doing, which is a finding of its own."""
    if shortcomings(firewall, own):
        inconclusive("there is no answer, as the firewall closes the port", because="dcv.firewall")
    if narrowness(firewall, own, (4, 6))[0]:
        inconclusive("there is no answer, as the firewall closes the port to most", because="dcv.firewall-narrow")
