"""Runs the commands of a repair on this machine, in directories of the test's own.

It runs a command as a login does, unchanged.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from remediate.hosts.command import Command, CommandResult, Query

T = TypeVar("T")


def run(command: Command, shell: str = "sh", by: Sequence[str] = ()) -> CommandResult:
    """Run a command to its end, by a program that runs others if one is given; then kill the rest of its session."""
    with subprocess.Popen(
        [*by, shell, "-c", command.script, "sh", *command.arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd="/",
    ) as process:
        try:
            output, errors = process.communicate(timeout=command.timeout_s)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return CommandResult(process.returncode, output, errors)


def ask(query: Query[T], runner: Callable[[Command], CommandResult] = run) -> T:
    """Run the command of a query and return its parsed result."""
    return query.parse(runner(query.command))


def killed_before(command: Command, line: int) -> Command:
    """Return a command whose shell kills itself by SIGKILL before that line of its script."""
    lines = command.script.split("\n")
    return replace(command, script="\n".join([*lines[:line], "kill -KILL $$", *lines[line:]]))


@dataclass(slots=True)
class LocalSession:
    """A session that runs commands on this machine and records them.

    `by` begins an argument list that changes the user. `moved` has what replaces a path in a script.
    """

    commands: list[Command] = field(default_factory=list)
    by: Sequence[str] = ()
    moved: Mapping[str, str] = field(default_factory=dict)

    def run(self, command: Command) -> CommandResult:
        """Run a command."""
        self.commands.append(command)
        script = command.script
        for path, elsewhere in self.moved.items():
            script = script.replace(path, elsewhere)
        return run(replace(command, script=script), by=self.by)
