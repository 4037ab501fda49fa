"""A session on a host that we are logged in to. It runs the commands of a repair, one at a time.

A command travels as standard input, so that neither its text nor its arguments are in the list of processes. If a
command prints a private key, the key is removed before the output leaves the host.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from audit.host.login import Host
from audit.host.script import SECTION_BYTES, Script, filled, shell_text
from audit.host.trust import TRUST
from audit.observation import ProbeFailure
from remediate.hosts.command import Command, CommandResult


@dataclass(frozen=True, slots=True)
class HostSession:
    """A session on a host, which runs each command in a shell of its own."""

    host: Host

    def run(self, command: Command) -> CommandResult:
        """Run a command until it ends or its deadline passes; its output counts only if it is complete."""
        default_s, self.host.timeout_s = self.host.timeout_s, command.timeout_s
        try:
            sections = self.host.run(_framed(command))
        finally:
            self.host.timeout_s = default_s
        if isinstance(sections, ProbeFailure):
            return CommandResult(None, "", sections.detail)
        output, error = sections.get("output"), sections.get("error")
        if output is None or error is None or output.rc is None:
            return CommandResult(None, "", "the output is incomplete")
        return CommandResult(output.rc, output.text, error.text)


def _framed(command: Command) -> Script:
    """Return a script that runs the command in a subshell and frames its output and its errors.

    The shell has already loaded the functions of trust/, so they are not sent and loaded again.
    """
    words, text = shlex.join(("set", "--", *command.arguments)), command.script.removeprefix(TRUST)
    body = filled(shell_text("run_command"), BYTES=SECTION_BYTES, SCRIPT=text, ARGUMENTS=words)
    return Script(body, ("output", "error"))
