"""Services and certificates for tests of the switch: files, a reload that copies them, certificates in one line.

It uses openssl and directories; it starts no daemon.
"""

from __future__ import annotations

import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from remediate.deployment import Deployment
from remediate.deployment.progress import TERMINAL, Progress
from remediate.deployment.replace import REPLACE
from remediate.deployment.versions import FileSet, FileTarget, Part, Version
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.workdir import HostWorkdir
from remediate.installers import CustomInstaller
from tests.support.remediate.local_commands import ask, run


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key on disk."""

    certificate: str
    key: str
    key_path: Path


def new_pair(folder: Path, name: str) -> Pair:
    """Return a self-signed certificate and its key."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    subprocess.run(
        [*argv, "-subj", f"/CN={name}", "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    return Pair(certificate.read_text(), key.read_text(), key)


def target(path: str, codes: str) -> FileTarget:
    """Return a file that holds the parts of these codes."""
    return FileTarget(path, frozenset(map(Part, codes)))


def was_interrupted(progress: Progress) -> bool:
    """Return whether a switch ended before it was finished, so that it has to be started again."""
    return progress.last.state not in TERMINAL and progress.holder is None


def staged(file_set: FileSet, pair: Pair, bundle: str = "", deployment: Deployment = REPLACE) -> str:
    """Lay a version of some files ready and return its name."""
    version = Version(pair.certificate, bundle, str(pair.key_path))
    done = run(deployment.stage(file_set, version))
    assert done.ok, done
    return version.name


def progress_of(file_set: FileSet, deployment: Deployment = REPLACE) -> Progress:
    """Return where the switch of some files is."""
    return ask(deployment.status(file_set))


def waited_for(read: Callable[[], Progress], condition: Callable[[Progress], bool]) -> Progress:
    """Return where the switch of some files is when that has come true."""
    deadline = time.monotonic() + 60
    while not condition(progress := read()):
        assert time.monotonic() < deadline, progress
        time.sleep(0.05)
    return progress


@dataclass(frozen=True, slots=True)
class SwitchHost:
    """A host that is a folder: certificate and key of a service, and what the service took up of them last."""

    folder: Path
    file_set: FileSet
    service: CustomInstaller

    @property
    def certificate(self) -> Path:
        """Where the service has its certificate."""
        return self.folder / "etc/tls.crt"

    @property
    def key(self) -> Path:
        """Where it has its key."""
        return self.folder / "etc/private/tls.key"

    @property
    def configured(self) -> tuple[str, str]:
        """What is at the configured paths."""
        return self.certificate.read_text(), self.key.read_text()

    @property
    def served(self) -> tuple[str, str]:
        """What the service took up last."""
        return (self.folder / "served.crt").read_text(), (self.folder / "served.key").read_text()

    def stage(self, pair: Pair) -> str:
        """Lay a version ready and return its name."""
        return staged(self.file_set, pair)

    def start(self, version: str, *, confirm_within_s: int = 20, returns: bool = True) -> CommandResult:
        """Start a switch."""
        return run(self.starting(version, confirm_within_s=confirm_within_s, returns=returns))

    def starting(self, version: str, *, confirm_within_s: int = 20, returns: bool = True) -> Command:
        """Return the command that starts a switch."""
        return REPLACE.activate(
            self.file_set, (self.service,), version, confirm_within_s=confirm_within_s, returns=returns
        )

    def confirm(self, version: str) -> Progress:
        """Confirm a version and return the progress after that."""
        assert run(REPLACE.confirm(self.file_set, version)).ok
        return self.progress()

    def revert(self, version: str) -> Progress:
        """Revert a version and return the progress after that."""
        assert run(REPLACE.revert(self.file_set, version)).ok
        return self.progress()

    def progress(self) -> Progress:
        """Return where the switch is."""
        return progress_of(self.file_set)

    def wait_for(self, *states: str) -> Progress:
        """Return where the switch is when it has come to one of these states, and its script has let go if it ends."""
        return self.wait_until(lambda progress: progress.last.state in states)

    def wait_until(self, condition: Callable[[Progress], bool]) -> Progress:
        """Return where the switch is when that has come true."""
        return waited_for(self.progress, condition)


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
