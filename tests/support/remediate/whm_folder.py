"""A panel's server that is a folder: the double of `whmapi1`, restart scripts that copy files, and its certificates.

It has the paths of the panel; it starts no daemon.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from remediate.cpanel.panel import Panel
from remediate.deployment import Deployment
from remediate.deployment.cpanel import panel_deployment
from remediate.deployment.progress import Progress
from remediate.deployment.versions import FileSet
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.workdir import HostWorkdir
from remediate.installers import Installer
from tests.support import whmapi1
from tests.support.remediate.folder_services import Pair, progress_of, staged, target, waited_for
from tests.support.remediate.local_commands import run

# What each service reads when it starts: its certificate file, and its key file.
SERVED: Final = {
    "cpanel": ("cpanel/mycpanel.pem", "cpanel/mycpanel.pem"),
    "exim": ("exim/exim.crt", "exim/exim.key"),
}
_RESTART: Final = """\
#!/bin/sh
cd {root}/var/cpanel/ssl || exit 1
mkdir -p {root}/served
crt={certificate} key={key}
[ -e "$crt" ] || {{ crt=cpanel/cpanel.pem; key=$crt; }}
echo "Waiting for {service} to restart......finished."
openssl x509 -in "$crt" >{root}/served/{service}.crt && openssl pkey -in "$key" >{root}/served/{service}.key
"""


@dataclass(frozen=True, slots=True)
class PanelServiceHost:
    """One service of a panel, in a folder: what is installed, and what it loaded last."""

    root: Path
    service: str
    api_limit_s: int = 20

    @property
    def panel(self) -> Panel:
        """The panel whose paths are below the folder."""
        return Panel(str(self.root), self.api_limit_s)

    @property
    def deployment(self) -> Deployment:
        """The deployment by this panel."""
        return panel_deployment(self.panel)

    @property
    def file_set(self) -> FileSet:
        """The files of the service, as they are switched."""
        folder = f"{self.root}/var/cpanel/ssl"
        placed = {
            "cpanel": (target(f"{folder}/cpanel/cpanel.pem", "klc"),),
            "exim": (target(f"{folder}/exim/exim.crt", "lc"), target(f"{folder}/exim/exim.key", "k")),
        }
        workdir = HostWorkdir("server", "c4f3", "test", str(self.root / "sslaudit"))
        return FileSet(workdir, placed[self.service])

    @property
    def program(self) -> Path:
        """Where `whmapi1` is."""
        return self.root / "usr/local/cpanel/bin/whmapi1"

    @property
    def installer(self) -> Installer:
        """What restarts the service."""
        found = self.panel.installer(self.service)
        assert found
        return found

    @property
    def served(self) -> tuple[str, str]:
        """Certificate and key that the service took up last."""
        return tuple((self.root / f"served/{self.service}.{end}").read_text() for end in ("crt", "key"))  # type: ignore[return-value]  # it has two

    @property
    def calls(self) -> list[str]:
        """The calls of `whmapi1`."""
        calls = self.root / "var/cpanel/whmapi1.calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def give(self, pair: Pair, bundle: str = "") -> None:
        """Install a certificate as the panel does, and let the service take it up."""
        folder = self.root / "var/cpanel/ssl"
        for kept in whmapi1.FILES[self.service]:
            path = folder / kept.path
            path.parent.mkdir(parents=True, exist_ok=True)
            parts = {"k": pair.key, "l": pair.certificate, "c": bundle}
            path.write_text("".join(parts[part] for part in kept.parts))
            path.chmod(kept.mode)
        assert run(self.installer.reload("server")).ok

    def stage(self, pair: Pair, bundle: str = "") -> str:
        """Lay a version ready and return its name."""
        return staged(self.file_set, pair, bundle, self.deployment)

    def starting(self, version: str, *, confirm_within_s: int = 20) -> Command:
        """Return the command that starts a switch."""
        return self.deployment.activate(self.file_set, (self.installer,), version, confirm_within_s=confirm_within_s)

    def start(self, version: str, *, confirm_within_s: int = 20) -> CommandResult:
        """Start a switch."""
        return run(self.starting(version, confirm_within_s=confirm_within_s))

    def confirm(self, version: str) -> Progress:
        """Confirm a version and return the progress after that."""
        assert run(self.deployment.confirm(self.file_set, version)).ok
        return self.progress()

    def revert(self, version: str) -> Progress:
        """Revert a version and return the progress after that."""
        assert run(self.deployment.revert(self.file_set, version)).ok
        return self.progress()

    def progress(self) -> Progress:
        """Return where the switch is."""
        return progress_of(self.file_set, self.deployment)

    def wait_for(self, *states: str) -> Progress:
        """Return where the switch is when it has come to one of these states."""
        return self.wait_until(lambda progress: progress.last.state in states)

    def wait_until(self, condition: Callable[[Progress], bool]) -> Progress:
        """Return where the switch is when that has come true."""
        return waited_for(self.progress, condition)


def write_whmapi1(file: Path) -> None:
    """Write the double of `whmapi1`, which starts without looking for an interpreter and its packages."""
    _, _, program = Path(whmapi1.__file__).read_text(encoding="utf-8").partition("\n")
    file.write_text(f"#!{sys.executable} -IS\n{program}", encoding="utf-8")
    file.chmod(0o755)


def new_panel_host(root: Path, service: str, old: Pair | None, **changes: int) -> PanelServiceHost:
    """Return a folder in which a panel serves a certificate, or none."""
    host = PanelServiceHost(root, service, **changes)
    for folder in (host.program.parent, root / "scripts", root / "var/cpanel/ssl"):
        folder.mkdir(parents=True)
    write_whmapi1(host.program)
    for name, script in (("cpanel", "cpsrvd"), ("cpanel", "cpdavd"), ("exim", "exim")):
        certificate, key = SERVED[name]
        file = root / "scripts" / f"restartsrv_{script}"
        file.write_text(_RESTART.format(root=root, service=name, certificate=certificate, key=key))
        file.chmod(0o755)
    if old:
        host.give(old)
    return host
