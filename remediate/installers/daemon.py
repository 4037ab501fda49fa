"""What every installer offers, and the installer of a daemon that is found by its processes."""

from __future__ import annotations

from dataclasses import dataclass

from remediate.hosts import trusted_script
from remediate.hosts.command import Command


@dataclass(frozen=True, slots=True)
class Daemon:
    """An installer for a daemon that is found by its processes. `shell` names its file in `hosts/shell/`."""

    name: str
    processes: tuple[str, ...]  # what /proc/PID/comm says, at most 15 characters of it
    shell: str

    def test(self, host: str) -> Command:
        """Return the daemon's own test, for each of its instances."""
        return Command(host, f"test the configuration of {self.name}", self._script('check "$@"'), changes=False)

    def take_up(self, host: str) -> Command:
        """Return what makes each of its instances read its files again; a service that has ended fails it."""
        return Command(host, f"let {self.name} take up its files", self._script("runs\nreload"))

    def revive(self, host: str) -> Command:
        """Return its start as the machine starts it."""
        return Command(host, f"start {self.name} where it has ended", self._script("start"))

    def _script(self, calls: str) -> str:
        names = f'name="{self.name}" processes=" {" ".join(self.processes)} "\n'
        return f"{names}{trusted_script('daemon', self.shell)}find_first\n{calls}\n"
