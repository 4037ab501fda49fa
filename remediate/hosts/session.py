"""A session on a host that runs the commands of a repair, one at a time.

A command travels as standard input, so that neither its text nor its arguments are in the list of processes. A private
key that something prints is cut out before it leaves the host.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Protocol

from audit.host.login import Host
from audit.host.script import SECTION_BYTES, Script, filled, shell_text
from audit.observation import ProbeFailure
from remediate.hosts.command import Command, CommandResult


class CommandRunner(Protocol):
    """Who runs commands on one host."""

    def run(self, command: Command) -> CommandResult:
        """Run a command to its end or its deadline; a host that cannot be reached is a command that was cut off."""


@dataclass(frozen=True, slots=True)
class HostSession:
    """Hands on a host that is logged into."""

    host: Host

    def run(self, command: Command) -> CommandResult:
        """Run a command to its end or its deadline; what it printed is read only where the answer is whole."""
        usual_s, self.host.timeout_s = self.host.timeout_s, command.timeout_s
        try:
            answer = self.host.run(_framed(command))
        finally:
            self.host.timeout_s = usual_s
        if isinstance(answer, ProbeFailure):
            return CommandResult(None, "", answer.detail)
        output, error = answer.get("output"), answer.get("error")
        if output is None or error is None or output.rc is None:
            return CommandResult(None, "", "the answer was not whole")
        return CommandResult(output.rc, output.text, error.text)


def _framed(command: Command) -> Script:
    """Return a script that runs the command in a subshell and frames its output and its errors."""
    words = shlex.join(("set", "--", *command.arguments))
    body = filled(shell_text("run_command"), BYTES=SECTION_BYTES, SCRIPT=command.script, ARGUMENTS=words)
    return Script(body, ("output", "error"))
