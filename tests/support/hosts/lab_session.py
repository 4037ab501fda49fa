"""Runs a repair's commands on a host of the lab, as a login would."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from remediate.hosts.command import Command, CommandResult
from tests.support.hosts.host import Host


@dataclass(frozen=True, slots=True)
class LabSession:
    """A session on one host; `by` is what a command is started by, such as `env A=b` or `setpriv …`."""

    host: Host
    by: tuple[str, ...] = ()

    def run(self, command: Command) -> CommandResult:
        """Run a command to its end or its deadline."""
        argv = (*self.by, "sh", "-c", command.script, "sh", *command.arguments)
        try:
            done = self.host.run(*argv, timeout_s=command.timeout_s)
        except subprocess.TimeoutExpired:
            return CommandResult(None, "")
        return CommandResult(done.returncode, done.stdout, done.stderr)
