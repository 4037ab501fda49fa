"""An installer for a daemon that is found by its processes. Its commands are shell functions, one file a daemon."""

from __future__ import annotations

from dataclasses import dataclass

from remediate.hosts import trusted_script
from remediate.hosts.command import Command


@dataclass(frozen=True, slots=True)
class Daemon:
    """An installer for a daemon that is found by its processes. `shell` names its file in `hosts/shell/services/`."""

    name: str
    processes: tuple[str, ...]  # names in /proc/PID/comm, which has at most 15 characters
    shell: str

    def check_config(self, host: str) -> Command:
        """Return the daemon's own check, for each of its instances."""
        return Command(host, f"check the configuration of {self.name}", self._script('check "$@"'), changes=False)

    def reload(self, host: str) -> Command:
        """Return the command that makes each instance load its files; it fails if an instance has stopped."""
        return Command(host, f"reload {self.name}", self._script("runs\nreload"))

    def start(self, host: str) -> Command:
        """Return the command by which the machine starts the daemon."""
        return Command(host, f"start {self.name} if it has stopped", self._script("start"))

    def _script(self, calls: str) -> str:
        names = f'name="{self.name}" processes=" {" ".join(self.processes)} "\n'
        return f"{names}{trusted_script('services/daemon', f'services/{self.shell}')}find_first\n{calls}\n"
