"""A command for a host, and what came of it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A POSIX sh script that runs on a host, with its arguments as `$1`, `$2`, …; `changes` is whether it writes there.

    No argument and no output of a command holds key bytes.
    """

    host: str  # label
    why: str
    script: str
    arguments: tuple[str, ...] = ()
    changes: bool = True
    timeout_s: float = 60.0

    def __str__(self) -> str:
        """Return it as a person would type it on that host."""
        return shlex.join(("sh", "-c", self.script, "sh", *self.arguments))


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command came to: its exit status and what it printed, decoded and bounded; None where it was cut off."""

    status: int | None
    output: str
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether it ended, and well."""
        return self.status == 0
