"""The panel's host as it runs: what it serves, what is planted on it, and what was written, logged and queued there."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support import whmapi1
from tests.support.checkout import CHECKOUT
from tests.support.cpanel import daemons, layout, vendor_command
from tests.support.cpanel import restart_scripts as restarting
from tests.support.cpanel.cpsrvd import PORTS
from tests.support.hosts import try_later
from tests.support.hosts.host import Host, HostFile
from tests.support.hosts.pki import Credential

_PORTS: Final = tuple(port for places in layout.PORTS.values() for port, _ in places)
_START: Final = "".join(
    f"/scripts/restartsrv_{name} >/dev/null\n" for names in layout.RESTARTS.values() for name in names
)


@dataclass(frozen=True, slots=True)
class Panel:
    """A host that a panel keeps."""

    host: Host

    @property
    def name(self) -> str:
        """Its hostname, which its services' certificates are for."""
        return self.host.name

    def install(self, contact: str, credentials: Mapping[str, Credential]) -> None:
        """Put on a fresh host all that the panel has there, a certificate for each service, and start it."""
        self.host.shell(layout.PREPARE)
        self.host.write(
            *layout.state(contact),
            *daemons.configuration(self.name),
            *doubles(),
        )
        self._write(credentials)
        self.host.shell(f"{_START} /scripts/restartsrv_httpd >/dev/null; /usr/sbin/atd -l 1000")
        self.host.wait_for(80, *_PORTS)

    def plant(self, **credentials: Credential) -> None:
        """Let services serve other certificates, as if an administrator had copied files; the others do not change."""
        self.host.shell(f"cd {layout.SSL}; rm -f {' '.join(f'{service}/my*' for service in credentials)}")
        self._write(credentials)
        for service in credentials:
            for name in layout.RESTARTS[service]:
                self.host.do(f"/scripts/restartsrv_{name}")

    def lose(self, *services: str) -> None:
        """Let services lose their certificates, and so not start again."""
        processes = {"cpanel": "$(pidof -x cpsrvd) $(pidof -x cpdavd)", "ftp": "$(pidof pure-ftpd)"}
        for service in services:
            self.host.shell(f"rm -f {layout.SSL}/{service}/*; kill {processes[service]}")

    def switch_off_exim(self) -> None:
        """Let exim be no service of this server."""
        self.host.shell("touch /etc/eximdisable; kill $(cat /run/exim4/exim.pid)")

    def switch_on_exim(self) -> None:
        """Let exim be one again."""
        self.host.shell("rm /etc/eximdisable; /scripts/restartsrv_exim")

    def _write(self, credentials: Mapping[str, Credential]) -> None:
        self.host.write(*(file for name, one in credentials.items() for file in layout.CERTIFICATES[name](one)))

    def serials(self) -> dict[str, set[int | None]]:
        """Return for each service the serial numbers of what its ports serve; None where a port serves nothing."""
        places = (f"{port}={word or ''}" for places in layout.PORTS.values() for port, word in places)
        argv = ("env", "-C", str(CHECKOUT), sys.executable, "-m", "tests.support.cpanel.handshakes", self.name, *places)
        reported = json.loads(self.host.do(*argv))
        return {service: {reported[str(port)] for port, _ in places} for service, places in layout.PORTS.items()}

    def restarts(self) -> list[str]:
        """Return what was restarted since the host began, in order."""
        return self.host.read(restarting.LOG).split()

    def use(self, docroot: str) -> None:
        """Serve the website from another folder, as it is with another EasyApache."""
        self.host.write(daemons.website(self.name, docroot), HostFile(f"{docroot}/index.html", "It works\n"))
        self.host.do("/scripts/restartsrv_httpd")


def doubles() -> tuple[HostFile, ...]:
    """Return the programs of the panel's own that stand in for its proprietary ones."""
    return (
        *restarting.scripts(),
        *(layout.double(f"/usr/local/cpanel/{name}", "tests.support.cpanel.cpsrvd", name) for name in PORTS),
        layout.double(vendor_command.PATH, "tests.support.cpanel.vendor_command"),
        layout.double(try_later.PATH, "tests.support.hosts.try_later"),
        HostFile("/usr/local/cpanel/bin/whmapi1", Path(whmapi1.__file__).read_text(), 0o755),
    )
