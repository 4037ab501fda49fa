"""Any service that the configuration declares: its own test and reload commands, run as they are written.

It knows nothing of the service.
"""

from __future__ import annotations

from dataclasses import dataclass

from remediate.hosts.command import Command


@dataclass(frozen=True, slots=True)
class Declared:
    """An installer made of shell commands; a service without a reload command reads its files by itself."""

    name: str
    tests: str | None = None
    reload: str | None = None

    def test(self, host: str) -> Command:
        """Return the declared test."""
        return Command(host, f"test the configuration of {self.name}", self.tests or ":", changes=False)

    def take_up(self, host: str) -> Command:
        """Return the declared reload."""
        return Command(host, f"let {self.name} take up its files", self.reload or ":")

    def revive(self, host: str) -> Command:
        """Return the declared reload: there is no other word for a start."""
        return Command(host, f"start {self.name} where it has ended", self.reload or ":")
