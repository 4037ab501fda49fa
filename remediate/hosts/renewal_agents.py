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
    """An agent and the file in `shell/renew/` that finds its renewal.

    The agent may still renew for `settles_s` after its command has ended.
    """

    name: str
    shell: str
    settles_s: float = 0.0


RENEWAL_AGENTS: Final[Mapping[str, RenewalAgent]] = {
    agent.name: agent
    for agent in (
        RenewalAgent("certbot", "certbot"),
        RenewalAgent("acme.sh", "acme_sh"),
        RenewalAgent("lego", "lego"),
        RenewalAgent("dehydrated", "dehydrated"),
        RenewalAgent("caddy", "caddy", settles_s=120.0),
        RenewalAgent(AGENT, "cpanel"),
    )
}
"""The agents whose renewal can be run, by the name that the audit gives them."""


def renewal_command(agent: RenewalAgent, workdir: HostWorkdir, paths: tuple[str, ...]) -> Command:
    """Return the command that runs the renewal and prints `ended`, its status and what it printed last.

    It fails if the agent has no renewal for exactly these files.
    """
    why = f"let {agent.name} renew the certificate in {', '.join(paths)}"
    renewal = script("renew/begin", f"renew/{agent.shell}", "renew/run")
    return workdir.exclusive(why, renewal, str(RENEWAL_S), str(_PRINTED), *paths, timeout_s=RENEWAL_S + 60.0)
