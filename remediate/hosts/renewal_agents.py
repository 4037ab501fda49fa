"""The agents that own certificates and how each is made to renew one now: a table with a row for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from remediate.hosts import script
from remediate.hosts.command import Command
from remediate.hosts.workdir import HostWorkdir
from remediate.model.case import AGENT

RENEWAL_S: Final = 1500
"""How long a renewal may take: certbot waits for DNS to spread, and for other runs of its own."""
_PRINTED: Final = 3000  # characters of what it printed last


@dataclass(frozen=True, slots=True)
class RenewalAgent:
    """An agent and the file of shell that finds its renewal; `settles_s`: how long after its end it may still renew."""

    name: str
    finds: str
    settles_s: float = 0.0


OWNERS: Final[Mapping[str, RenewalAgent]] = {
    owner.name: owner
    for owner in (
        RenewalAgent("certbot", "renew_certbot"),
        RenewalAgent("acme.sh", "renew_acme_sh"),
        RenewalAgent("lego", "renew_lego"),
        RenewalAgent("dehydrated", "renew_dehydrated"),
        RenewalAgent("caddy", "renew_caddy", settles_s=120.0),
        RenewalAgent(AGENT, "renew_cpanel"),
    )
}
"""Whose renewal can be run, by the name that the audit gives the agent."""


def renewal_command(owner: RenewalAgent, workdir: HostWorkdir, paths: tuple[str, ...]) -> Command:
    """Return the command that runs the renewal and prints `ended`, its status and what it printed last.

    It fails where it cannot be found out which renewal is meant.
    """
    why = f"let {owner.name} renew the certificate in {', '.join(paths)}"
    renewal = script("renew_begin", owner.finds, "renew_run")
    return workdir.exclusive(why, renewal, str(RENEWAL_S), str(_PRINTED), *paths, timeout_s=RENEWAL_S + 60.0)
