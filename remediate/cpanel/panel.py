"""cPanel & WHM: its API installs the certificates of its services, and its own scripts restart them.

No file of the panel is written from here.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from audit.host.trust import TRUST
from audit.observation import InstalledFile
from remediate.cpanel.service_files import default_files, default_path, is_panel_file
from remediate.hosts import script
from remediate.hosts.command import Command
from remediate.installers import dovecot, exim, proftpd, pure_ftpd
from remediate.installers.base import Installer


@dataclass(frozen=True, slots=True)
class PanelService:
    """An installer for a service that the panel's scripts restart. The daemon, if any, checks its configuration."""

    name: str
    scripts: tuple[str, ...]  # the first has to be there
    daemon: Installer | None = None

    def check_config(self, host: str) -> Command:
        """Return the daemon's own check."""
        no_check = Command(host, f"check the configuration of {self.name}", ":", changes=False)
        return self.daemon.check_config(host) if self.daemon else no_check

    def reload(self, host: str) -> Command:
        """Return the restart."""
        return Command(host, f"let the panel restart {self.name}", self._script)

    def start(self, host: str) -> Command:
        """Return the restart and, if that fails, the start of the daemon, which succeeds if the daemon still runs."""
        script = self._script
        if self.daemon:
            script = f"(\n{script}) || {{\n{self.daemon.start(host).script}}}\n"
        return Command(host, f"let the panel start {self.name}", script)

    @property
    def _script(self) -> str:
        return f"{TRUST}scripts={shlex.quote(' '.join(self.scripts))}\n{script('cpanel/restart_service')}"


_SERVICES: Final[Mapping[str, tuple[tuple[str, ...], Installer | None]]] = {
    "cpanel": (("cpsrvd", "cpdavd"), None),
    "dovecot": (("dovecot",), dovecot.INSTALLER),
    "exim": (("exim",), exim.INSTALLER),
    "pure-ftpd": (("ftpserver",), pure_ftpd.INSTALLER),
    "proftpd": (("ftpserver",), proftpd.INSTALLER),
}
"""The scripts that restart a service, and the daemon that checks its configuration."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A cPanel & WHM server. `root` stands before all of its paths; `api_limit_s` limits the time of one API call."""

    root: str = ""
    api_limit_s: int = 60

    def owns(self, path: str) -> bool:
        """Return whether a real path is a certificate file of the panel's services; files of its accounts are not."""
        return is_panel_file(path, self.root)

    def default_path(self, path: str) -> str:
        """Return the default path of a panel's file, whether the panel installed it or made it."""
        return default_path(path, self.root)

    def default_files(self, service: str) -> tuple[InstalledFile, ...]:
        """Return the certificate and key files of a service of the panel; none of another service."""
        return default_files(service, self.root)

    def installer(self, service: str) -> Installer | None:
        """Return the installer of a service of the panel, None for another service."""
        if service not in _SERVICES:
            return None
        scripts, daemon = _SERVICES[service]
        return PanelService(service, tuple(f"{self.root}/scripts/restartsrv_{script}" for script in scripts), daemon)

    @property
    def whm_api(self) -> str:
        """WHM API 1 as shell functions.

        They are `call_api WANTED FUNCTION…`, `succeeded VERDICT`, `has_whm` and `install_version VERSION COUNT PATH…`.
        The last gives a certificate and its key to the panel, the key on standard input if `whmapi1` accepts that.
        """
        return (
            f"panel={shlex.quote(self.root)} whm_s={self.api_limit_s}\n"
            f"reading={shlex.quote(_reply_reader())}\n{script('cpanel/whm_api')}"
        )


@cache
def _reply_reader() -> str:
    return (files("remediate.hosts") / "shell" / "cpanel" / "whm_reply.awk").read_text("utf-8")
