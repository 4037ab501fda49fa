"""An installer for a daemon that is found by its processes. Its commands are shell functions, one file a daemon."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from remediate.hosts import script, trusted_script
from remediate.hosts.command import Command, CommandResult, Query

_WORD: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,31}")

_UNIT: Final = re.compile(r"[A-Za-z0-9:_.@\\-]+[.]service")


@dataclass(frozen=True, slots=True)
class Daemon:
    """An installer for a daemon that is found by its processes. `shell` names its file in `shell/services/`.

    Raises ValueError for a name that cannot stand in a shell script as it is.
    """

    name: str
    processes: tuple[str, ...]  # names in /proc/PID/comm, which has at most 15 characters
    shell: str
    package: str = "remediate.hosts"
    has_workers: bool = False  # its first process starts them, and new ones at each reload

    def __post_init__(self) -> None:
        """Refuse names that are not words of the shell."""
        for word in (self.name, *self.processes):
            if not _WORD.fullmatch(word):
                raise ValueError(f"installer {self.name!r}: {word!r} does not match {_WORD.pattern}")

    def check_config(self, host: str) -> Command:
        """Return the daemon's own check, for each of its instances."""
        return Command(host, f"check the configuration of {self.name}", self._script('check "$@"'), changes=False)

    def reload(self, host: str) -> Command:
        """Return the command that makes each instance load its files; it fails if an instance has stopped."""
        return Command(host, f"reload {self.name}", self._script("runs\nreload"))

    def start(self, host: str, units: Sequence[str] = ()) -> Command:
        """Return the command that starts the units that ran before; without any, as the machine starts the daemon."""
        return Command(host, f"start {self.name} if it has stopped", self._script('start "$@"'), tuple(units))

    def units(self, host: str) -> Query[tuple[str, ...]]:
        """Return the query for the systemd units in which the daemon runs."""
        return self._units(host, f"note the units of {self.name}", "units")

    def masked_units(self, host: str) -> Query[tuple[str, ...]]:
        """Return the query for the units in which the daemon runs and that systemd would not start again."""
        return self._units(host, f"check whether a unit of {self.name} is masked", "masked")

    def state_since(self, host: str, since: int) -> Command:
        """Return the command that prints its processes and what it has logged since a time, in seconds since 1970."""
        why = f"look up the processes of {self.name}, and what it has logged since its reload"
        return Command(host, why, self._script('check "$@"'), ("since", str(since)), changes=False)

    def _units(self, host: str, why: str, word: str) -> Query[tuple[str, ...]]:
        return Query(Command(host, why, self._script('check "$@"'), (word,), changes=False), _read_units)

    def _script(self, calls: str) -> str:
        names = f'name="{self.name}" processes=" {" ".join(self.processes)} "\n'
        return f"{names}{self._shell}find_first\n{calls}\n"

    @property
    def _shell(self) -> str:
        return trusted_script("services/daemon") + script(f"services/{self.shell}", package=self.package)


def _read_units(result: CommandResult) -> tuple[str, ...]:
    return tuple(line for line in result.output.splitlines() if _UNIT.fullmatch(line))
