"""Hosts for tests of the switch: files of a service and a reload that copies them. No daemon runs."""

from __future__ import annotations

import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remediate.cpanel.panel import Panel
from remediate.deployment import Deployment
from remediate.deployment.cpanel import panel_deployment
from remediate.deployment.progress import TERMINAL, Progress
from remediate.deployment.replace import REPLACE
from remediate.deployment.versions import FileSet, FileTarget, Part, Version, file_targets
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.workdir import HostWorkdir
from remediate.installers import CustomInstaller, Installer
from tests.support.remediate.fake_host.ca import key_pem, leaf_of
from tests.support.remediate.fake_host.panel import (
    calls_of,
    whmapi1_of,
    write_certificate,
    write_panel,
    write_restart_scripts,
)
from tests.support.remediate.fake_host.session import ask, run
from tests.support.store.issuance import to_pem
from tests.support.x509.ca import Identity, issue


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key on disk."""

    certificate: str
    key: str
    key_path: Path

    @property
    def contents(self) -> tuple[str, str]:
        """Both as PEM."""
        return self.certificate, self.key

    @property
    def secrets(self) -> list[str]:
        """The lines of the key that hold the secret."""
        return [line for line in self.key.splitlines() if "-----" not in line]


Pairs = tuple[Pair, Pair, Pair]


def new_pair(folder: Path, name: str, issuer: Identity | None = None) -> Pair:
    """Return a new certificate, self-signed without an issuer, and its key, which is written to a directory."""
    identity = issue(leaf_of(name), issuer)
    pair = Pair(to_pem(identity.certificate), key_pem(identity.key), folder / f"{name}.key")
    pair.key_path.write_text(pair.key)
    return pair


def target(path: str, codes: str) -> FileTarget:
    """Return a file that holds the parts of these codes."""
    return FileTarget(path, frozenset(map(Part, codes)))


def was_interrupted(progress: Progress) -> bool:
    """Return whether a switch ended before it was finished, so that it has to be started again."""
    return progress.last.state not in TERMINAL and progress.holder is None


@dataclass(frozen=True, slots=True)
class SwitchHost:
    """A host that is a directory: the files of a service, and what the service loaded last. `panel` may deploy them."""

    folder: Path
    file_set: FileSet
    service: Installer
    deployment: Deployment = REPLACE
    panel: Panel | None = None

    @property
    def certificate(self) -> Path:
        """The certificate file of the service."""
        return Path(self.file_set.targets[0].path)

    @property
    def key(self) -> Path:
        """The key file of the service."""
        return Path(self.file_set.targets[-1].path)

    @property
    def configured(self) -> tuple[str, str]:
        """The contents of both."""
        return self.certificate.read_text(), self.key.read_text()

    @property
    def served(self) -> tuple[str, str]:
        """The certificate and the key that the service loaded last."""
        return (self.folder / "served.crt").read_text(), (self.folder / "served.key").read_text()

    @property
    def program(self) -> Path:
        """Where `whmapi1` is."""
        return whmapi1_of(self.folder)

    @property
    def calls(self) -> list[str]:
        """The calls of `whmapi1` that change something."""
        return calls_of(self.folder)

    def install(self, pair: Pair) -> None:
        """Install a certificate as the panel does, and let the service load it."""
        write_certificate(self.folder, self.service.name, pair.certificate, pair.key)
        assert run(self.service.reload("server")).ok

    def stage(self, pair: Pair) -> str:
        """Stage a version and return its name."""
        version = Version(pair.certificate, "", str(pair.key_path))
        done = run(self.deployment.stage(self.file_set, version))
        assert done.ok, done
        return version.name

    def starting(self, version: str, *, confirm_within_s: int = 20, returns: bool = True) -> Command:
        """Return the command that starts a switch."""
        return self.deployment.activate(
            self.file_set, (self.service,), version, confirm_within_s=confirm_within_s, returns=returns
        )

    def start(self, version: str, **options: Any) -> CommandResult:  # noqa: ANN401 - options as of `starting`
        """Start a switch."""
        return run(self.starting(version, **options))

    def begin(self, pair: Pair) -> str:
        """Switch to a certificate, and return the name of its version when it waits for a confirmation."""
        name = self.stage(pair)
        assert self.start(name).ok
        self.wait_for("waiting")
        return name

    def leave_unconfirmed(self, pair: Pair) -> Progress:
        """Switch to a certificate that is not confirmed within a second, and return the progress after the return."""
        assert self.start(self.stage(pair), confirm_within_s=1).ok
        return self.wait_for("returned")

    def switch(self, pair: Pair) -> str:
        """Stage a version and switch to it without waiting for a confirmation; return its name when that is done."""
        name = self.stage(pair)
        assert self.start(name, confirm_within_s=0).ok
        self.wait_for_end("confirmed")
        return name

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
        return ask(self.deployment.status(self.file_set))

    def wait_for(self, *states: str) -> Progress:
        """Return where the switch is when it has come to one of these states."""
        return self.wait_until(lambda progress: progress.last.state in states)

    def wait_for_end(self, state: str) -> Progress:
        """Return where the switch is when it has come to this state and its script has ended."""
        return self.wait_until(lambda progress: progress.last.state == state and progress.holder is None)

    def wait_until(self, condition: Callable[[Progress], bool]) -> Progress:
        """Return where the switch is when that has come true."""
        deadline = time.monotonic() + 60
        while not condition(progress := self.progress()):
            assert time.monotonic() < deadline, progress
            time.sleep(0.05)
        return progress


def new_switch_host(folder: Path, old: Pair, *, test: str = ":", reload: str | None = None) -> SwitchHost:
    """Return a folder in which a service serves the old certificate from two files."""
    certificate, key = folder / "etc/tls.crt", folder / "etc/private/tls.key"
    key.parent.mkdir(parents=True, mode=0o710)
    key.parent.chmod(0o710)
    certificate.write_text(old.certificate)
    key.write_text(old.key)
    key.chmod(0o640)
    copying = f"cp {certificate} {folder}/served.crt && cp {key} {folder}/served.key"
    subprocess.run(["sh", "-c", copying], check=True)
    workdir = HostWorkdir("web1", "c4f3", "test", str(folder / "sslaudit"))
    placed = (target(str(certificate), "lc"), target(str(key), "k"))
    service = CustomInstaller("gateway", f"cd {folder}; {test}", f"cd {folder}; {reload}" if reload else copying)
    return SwitchHost(folder, FileSet(workdir, placed), service)


def new_panel_switch_host(folder: Path, service: str, old: Pair | None, api_limit_s: int = 20) -> SwitchHost:
    """Return a folder in which a service of a panel serves a certificate of the panel, or none."""
    panel = Panel(str(folder), api_limit_s)
    write_panel(folder)
    crt, key = f"{folder}/served.crt", f"{folder}/served.key"
    write_restart_scripts(folder, service, f'openssl x509 -in "$crt" >{crt} && openssl pkey -in "$key" >{key}')
    installer = panel.installer(service)
    assert installer
    workdir = HostWorkdir("server", "c4f3", "test", str(folder / "sslaudit"))
    files = FileSet(workdir, file_targets(panel.default_files(service), workdir.root))
    host = SwitchHost(folder, files, installer, panel_deployment(panel), panel)
    if old:
        host.install(old)
    return host


def leave_links(host: SwitchHost, new: Pair) -> None:
    """Leave a host as the earlier version left it: its paths are links to a version, and the old files are kept."""
    folder = Path(host.file_set.folder)
    name = Version(new.certificate, "", str(new.key_path)).name
    contents = {host.certificate: new.certificate, host.key: new.key}
    modes = [(stat.S_IMODE(path.stat().st_mode), path) for path in contents]
    for path, text in contents.items():
        for version in ("0", name):
            shutil.copytree(path.parent, f"{folder}/{version}{path.parent}", dirs_exist_ok=True)
        Path(f"{folder}/0{path}").chmod(0o600)
        Path(f"{folder}/{name}{path}").write_text(text)
        path.unlink()
        path.symlink_to(f"{folder}/live{path}")
    for directory in (folder.parent.parent, folder.parent, folder, folder / "0", folder / name):
        directory.chmod(0o711)
    for link, version in {"live": name, "proven": name, "before": "0"}.items():
        (folder / link).symlink_to(version)
    (folder / "0.modes").write_text("".join(f"{mode:o} 0{path}\n" for mode, path in modes))
    states = ("begun test", "switching from 0", "switched ", "taken-up ", "confirmed without a confirmation")
    (folder / "state").write_text("".join(f"{time.time():.0f} {name} {state}\n" for state in states))
    (folder.parent.parent / "lock").write_text(f"{time.time():.0f} c4f3 test\n")
    assert run(host.service.reload("web1")).ok
