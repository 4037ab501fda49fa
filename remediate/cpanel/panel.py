"""cPanel & WHM: its own API installs the certificates of its services, and its own scripts restart them.

The panel's files stay the panel's: none of them is ever written here.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from audit.host.trust import TRUST
from audit.observation import FileKind, InstalledFile
from remediate.cpanel.whm_api import whm_api
from remediate.deployment.base import Deployment
from remediate.hosts import script
from remediate.hosts.command import Command
from remediate.installers import dovecot, exim, proftpd, pure_ftpd
from remediate.installers.base import Installer

_FOLDER: Final = "/var/cpanel/ssl"
_FILE: Final = re.compile(r"(?P<folder>/var/cpanel/ssl/(?:cpanel|dovecot|exim|ftp)/)(?P<my>my)?(?P<name>[^/]+)")


@dataclass(frozen=True, slots=True)
class Restarted:
    """An installer for a service that the panel's own scripts restart; its test is the daemon's own, if it has one."""

    name: str
    scripts: tuple[str, ...]  # the first has to be there
    daemon: Installer | None = None

    def test(self, host: str) -> Command:
        """Return the daemon's own test."""
        nothing = Command(host, f"test the configuration of {self.name}", ":", changes=False)
        return self.daemon.test(host) if self.daemon else nothing

    def take_up(self, host: str) -> Command:
        """Return the restart."""
        return Command(host, f"let the panel restart {self.name}", self._script)

    def revive(self, host: str) -> Command:
        """Return the restart: it starts what has ended too. If it fails, a daemon that still runs is no failure."""
        script = self._script
        if self.daemon:
            script = f"(\n{script}) || {{\n{self.daemon.revive(host).script}}}\n"
        return Command(host, f"let the panel start {self.name}", script)

    @property
    def _script(self) -> str:
        return f"{TRUST}scripts={shlex.quote(' '.join(self.scripts))}\n{script('panel_restart')}"


_SERVICES: Final[Mapping[str, tuple[tuple[str, ...], Installer | None]]] = {
    "cpanel": (("cpsrvd", "cpdavd"), None),
    "dovecot": (("dovecot",), dovecot.INSTALLER),
    "exim": (("exim",), exim.INSTALLER),
    "pure-ftpd": (("ftpserver",), pure_ftpd.INSTALLER),
    "proftpd": (("ftpserver",), proftpd.INSTALLER),
}
"""Which scripts restart a service, and whose test it has."""

_USUAL: Final[Mapping[str, tuple[str, str]]] = {
    "cpanel": ("cpanel/cpanel.pem", "cpanel/cpanel.pem"),
    "dovecot": ("dovecot/dovecot.crt", "dovecot/dovecot.key"),
    "exim": ("exim/exim.crt", "exim/exim.key"),
    "pure-ftpd": ("ftp/pure-ftpd.pem", "ftp/pure-ftpd.pem"),
    "proftpd": ("ftp/ftpd-rsa.pem", "ftp/ftpd-rsa-key.pem"),
}
"""Certificate and key of a service, in the panel's folder."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A cPanel & WHM server. `root` stands before all of its paths, `answers_s` is how long its API may take."""

    root: str = ""
    answers_s: int = 60

    def owns(self, path: str) -> bool:
        """Tell whether a real path is that of a certificate of the panel's services; its accounts' are others."""
        return path.startswith(self.root) and _FILE.fullmatch(path.removeprefix(self.root)) is not None

    def origin(self, path: str) -> str:
        """Return by which path a file of a service is known, whether the panel has installed it or made it itself."""
        match = _FILE.fullmatch(path.removeprefix(self.root)) if self.owns(path) else None
        return f"{self.root}{match['folder']}{match['name']}" if match else path

    def installer(self, service: str) -> Installer | None:
        """Return what brings a service of the panel's to use its files; None where it is none."""
        if service not in _SERVICES:
            return None
        scripts, daemon = _SERVICES[service]
        return Restarted(service, tuple(f"{self.root}/scripts/restartsrv_{script}" for script in scripts), daemon)

    def usual(self, service: str) -> tuple[InstalledFile, ...]:
        """Return which files a service has once the panel has installed a certificate for it; none for another's."""
        paths = _USUAL.get(service, ())
        kinds: tuple[FileKind, FileKind] = ("certificate", "key")
        return tuple(
            InstalledFile(f"{self.root}{_FOLDER}/{path}", kind) for path, kind in zip(paths, kinds, strict=False)
        )

    @property
    def deployment(self) -> Deployment:
        """How a version comes into use: the panel installs it."""
        api = whm_api(self.root, self.answers_s)
        files = script("agree", "files") + api
        return Deployment(files + script("panel_deployment"), api + script("panel_needs"), " by WHM API 1")
