"""Runs the repair's commands on this machine, in folders of the test's own.

It runs a command as a login does, unchanged.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from remediate.hosts.command import Command, CommandResult, Query

T = TypeVar("T")


def run(command: Command, shell: str = "sh") -> CommandResult:
    """Run a command to its end, and then kill what is left of its session."""
    with subprocess.Popen(
        [shell, "-c", command.script, "sh", *command.arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
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
