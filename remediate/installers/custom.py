"""An installer for any service that the configuration declares: it runs the commands as they are written there."""

from __future__ import annotations

from dataclasses import dataclass

from remediate.hosts.command import Command


@dataclass(frozen=True, slots=True)
class CustomInstaller:
    """An installer made of shell commands; a service without a reload command reads its files by itself."""

    name: str
    check_command: str | None = None
    reload_command: str | None = None

    def check_config(self, host: str) -> Command:
        """Return the declared test command."""
        return Command(host, f"check the configuration of {self.name}", self.check_command or ":", changes=False)

    def reload(self, host: str) -> Command:
        """Return the declared reload command."""
        return Command(host, f"reload {self.name}", self.reload_command or ":")

    def start(self, host: str) -> Command:
        """Return the declared reload command; no other command for a start is declared."""
        return Command(host, f"start {self.name} if it has stopped", self.reload_command or ":")
