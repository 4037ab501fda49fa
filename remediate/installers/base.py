"""How a service takes new files into use: test its configuration, reload, start."""

from __future__ import annotations

from typing import Protocol

from remediate.hosts.command import Command


class Installer(Protocol):
    """How one service is brought to use the certificate that its files hold. It yields commands and runs none."""

    @property
    def name(self) -> str:
        """What the service is called."""

    def test(self, host: str) -> Command:
        """Return the command that fails, and says why, where the service would not start with its files as they are."""

    def take_up(self, host: str) -> Command:
        """Return the command that makes the service use its files as they are; it fails where the service then ends.

        Where the service has to be restarted it prints `gap` and the seconds in which nobody answered.
        """

    def revive(self, host: str) -> Command:
        """Return the command that starts the service again where taking up has ended it."""
