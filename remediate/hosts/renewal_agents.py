"""The agents that own certificates and the renewal of each: a table with a row for each agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from remediate.hosts import script
from remediate.hosts.command import Command
from remediate.hosts.workdir import HostWorkdir
from remediate.model.case import AGENT

RENEWAL_S: Final = 1500
"""The deadline of a renewal: certbot waits for DNS to propagate, and for other runs of its own."""
_PRINTED: Final = 3000  # characters of what it printed last


@dataclass(frozen=True, slots=True)
class RenewalAgent:
    """An agent and the shell file that finds its renewal; it may still renew for `settles_s` after it has ended."""

    name: str
    finds: str
    settles_s: float = 0.0


RENEWAL_AGENTS: Final[Mapping[str, RenewalAgent]] = {
    agent.name: agent
    for agent in (
        RenewalAgent("certbot", "renew_certbot"),
        RenewalAgent("acme.sh", "renew_acme_sh"),
        RenewalAgent("lego", "renew_lego"),
        RenewalAgent("dehydrated", "renew_dehydrated"),
        RenewalAgent("caddy", "renew_caddy", settles_s=120.0),
        RenewalAgent(AGENT, "renew_cpanel"),
    )
}
"""The agents whose renewal can be run, by the name that the audit gives them."""


def renewal_command(agent: RenewalAgent, workdir: HostWorkdir, paths: tuple[str, ...]) -> Command:
    """Return the command that runs the renewal and prints `ended`, its status and what it printed last.

    It fails if the agent has no renewal for exactly these files.
    """
    why = f"let {agent.name} renew the certificate in {', '.join(paths)}"
    renewal = script("renew_begin", agent.finds, "renew_run")
    return workdir.exclusive(why, renewal, str(RENEWAL_S), str(_PRINTED), *paths, timeout_s=RENEWAL_S + 60.0)
