"""A program of the administrator's own that runs on this machine: the value, and the function that runs it.

It runs as the user of the run, so no other user may be able to change it.
"""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audit.config.private_files import UnsafePath, require_own_file
from audit.host.local_command import Finished, Program, run_program
from audit.text import one_line
from remediate.hosts.command import CommandResult

MAX_OUTPUT: Final = 1_048_576  # bytes of standard output
NOT_STARTED: Final = 126
"""Exit status of a program that was not started; shells use the same."""
_ENVIRONMENT: Final[Mapping[str, str]] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}
_MAX_REASON: Final = 400  # characters


@dataclass(frozen=True, slots=True)
class LocalCommand:
    """A program with its arguments, run on this machine without a shell, and with these variables alone.

    Its environment has also a fixed PATH, and LANG=C.UTF-8; nothing of the run's own environment is in it.
    """

    why: str
    arguments: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()
    stdin: str = ""
    timeout_s: float = 300.0

    def __str__(self) -> str:
        """Return it as a person would type it."""
        variables = (f"{name}={shlex.quote(value)}" for name, value in self.variables)
        return " ".join((*variables, shlex.join(self.arguments)))


def run_local(command: LocalCommand, stop: threading.Event) -> CommandResult:
    """Run a program until it ends; the status is None if it was killed, and then its effect is unknown."""
    if reason := untrusted_reason(command.arguments):
        return CommandResult(NOT_STARTED, "", reason)
    environment = {**_ENVIRONMENT, **dict(command.variables)}
    program = Program(command.arguments, environment, command.stdin.encode(), MAX_OUTPUT)
    try:
        finished = run_program(program, command.timeout_s, stop)
    except OSError as error:
        return CommandResult(NOT_STARTED, "", f"{command.arguments[0]} cannot be started: {error.strerror}")
    if why := _cut_off(finished, command.timeout_s):
        return CommandResult(None, "", why)
    return CommandResult(finished.rc, finished.stdout.decode("utf-8", "replace"), _last_line(finished.stderr))


def untrusted_reason(arguments: tuple[str, ...]) -> str | None:
    """Return why a program must not be run: it cannot be found, or another user can change it or a file it is given.

    A file that it is given is an argument that is the absolute path of a regular file, such as a script.
    """
    if not arguments or not arguments[0].startswith("/"):
        return f"the program {arguments[0] if arguments else ''!r} is not an absolute path; write /usr/local/bin/NAME"
    program, *others = arguments
    try:
        for path in (program, *(other for other in others if other.startswith("/") and Path(other).is_file())):
            require_own_file(Path(path))
    except UnsafePath as error:
        return f"{path} is not run, because other users can change it: {error.strerror}"
    except OSError as error:
        return f"{path}: {error.strerror}"
    if not os.path.isfile(program) or not os.access(program, os.X_OK):  # noqa: PTH113 - beside os.access
        return f"{program} is not an executable file"
    return None


def _cut_off(finished: Finished, timeout_s: float) -> str | None:
    """Return why a program did not end by itself; None if it did."""
    limits = {
        "timeout": f"it was killed because it did not end within {timeout_s:g} s",
        "too-much": f"it was killed because it wrote more than {MAX_OUTPUT} bytes",
        "stopped": "it was killed because the run was stopped",
    }
    if finished.cut:
        return limits[finished.cut]
    return f"it was ended by signal {-finished.rc}" if finished.rc < 0 else None


def _last_line(error: bytes) -> str:
    lines = [line for line in error.decode("utf-8", "replace").splitlines() if line.strip()]
    return one_line(lines[-1], _MAX_REASON) if lines else ""
