"""A command for a host, its result, a query, and the interface of what runs commands."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


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
    """The exit status of a command, None if it was cut off, and what it printed, decoded and bounded."""

    status: int | None
    output: str
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether the command ended with status 0."""
        return self.status == 0

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """The first word of each line and the rest of the line."""
        words = (line.partition(" ") for line in self.output.splitlines())
        return tuple((word, rest) for word, _, rest in words)


@dataclass(frozen=True, slots=True)
class Query(Generic[T]):
    """A command and the function that parses its result; two queries are equal if their commands are."""

    command: Command
    parse: Callable[[CommandResult], T] = field(compare=False)


class CommandRunner(Protocol):
    """Runs commands on one host."""

    def run(self, command: Command) -> CommandResult:
        """Run a command until it ends or its deadline passes; if the host cannot be reached, it was cut off."""
