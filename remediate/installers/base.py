"""The interface of an installer: how one service is made to use the certificate that its files hold."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from remediate.hosts.command import Command


@runtime_checkable
class Installer(Protocol):
    """Returns the commands for one service, and runs none."""

    @property
    def name(self) -> str:
        """The name of the service."""

    def check_config(self, host: str) -> Command:
        """Return the command that fails, and prints why, if the service would not start with its present files."""

    def reload(self, host: str) -> Command:
        """Return the command that makes the service load its files; it fails if the service stops because of that.

        If the service has to be restarted, the command prints `gap` and for how many seconds it did not respond.
        """

    def start(self, host: str) -> Command:
        """Return the command that starts the service after a reload has stopped it."""
