"""The overlays real servers are installed in: what is in each, whether it is built, and how it is built.

`python -m tests.support.hosts.overlay build [NAME…]` builds what is not built. The machine's own system is read,
never written: each overlay keeps its difference to `/` below `.lab/NAME/`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.checkout import CHECKOUT
from tests.support.hosts import roots

_TOOLS: Final = ("acl", "attr", "iproute2", "openssh-server", "openssl", "procps", "sudo")
_EVERY_HOST: Final = (*_TOOLS, "busybox", "openssh-client")
_SYSTEMD_HOST: Final = (
    *(*_TOOLS, "dbus", "libpam-systemd", "systemd", "systemd-sysv"),
    *("apache2", "dovecot-imapd", "haproxy", "nginx-light"),
)
_DOVECOT: Final = ("dovecot-lmtpd", "dovecot-managesieved", "dovecot-pop3d", "dovecot-submissiond")
_NEWER_HOST: Final = (*_SYSTEMD_HOST, *_DOVECOT, "libnginx-mod-stream", "python3-venv", "ssl-cert")
_SERVICES: Final = ("dovecot-pop3d", "exim4-daemon-light", "pure-ftpd", "python3", "stunnel4")
_BELOW: Final = {"debian12-services": "debian12", "debian13-services": "debian13"}
"""Layers that add packages to a whole release."""
_SUITES: Final = {"debian12": "bookworm", "debian13": "trixie", "sid": "sid"}
"""Layers that are a whole Debian release of their own instead of an addition to this machine's."""
RELEASES: Final = tuple(os.environ.get("SSLAUDIT_TEST_RELEASES", "debian12").split())
"""The releases that hosts with a systemd run in a test run; `make test-matrix PART=debian` runs the newer one."""
_OF_PARTS: Final = frozenset(os.environ.get("SSLAUDIT_TEST_OVERLAYS", "").split())
"""Further overlays that a part of the matrix needs."""
PACKAGES: Final[dict[str, tuple[str, ...]]] = {
    "main": (
        *_EVERY_HOST,
        *("apache2", "dovecot-imapd", "dovecot-pop3d", "exim4-daemon-light", "haproxy", "nginx-light", "pure-ftpd"),
        *("at", "bsdextrautils", "dnsutils", "iptables", "nftables", "sslscan", "testssl.sh"),
    ),
    "second": (*_EVERY_HOST, "postfix", "vsftpd"),  # exclude exim4 and pure-ftpd
    "third": (*_EVERY_HOST, "proftpd-core", "proftpd-mod-crypto"),  # excludes both other FTP servers
    "names": (*_EVERY_HOST, "bind9", "bind9-dnsutils", "knot", "nsd"),
    "controller": (*_EVERY_HOST, "at", "exim4-daemon-light"),
    "browser": ("chromium",),
    "containers": (*_EVERY_HOST, "conmon", "exim4-daemon-heavy", "podman", "runc"),
    "logins": (*_EVERY_HOST, "ansible-core", "nginx-light", "sshpass", "tcsh"),
    "debian12": _SYSTEMD_HOST,
    "debian13": _NEWER_HOST,
    "sid": _NEWER_HOST,
    "debian12-services": _SERVICES,
    "debian13-services": _SERVICES,
}
"""What is installed in each overlay; packages that exclude one another are in different ones."""
NEEDED: Final = tuple(
    name
    for name in PACKAGES
    if name not in (*_SUITES, *_BELOW, "containers", "logins") or name in (*RELEASES, *_OF_PARTS)
)
"""The overlays that the tests of this run need; the matrix builds those of its parts."""


class Unavailable(Exception):
    """Why no overlay can be had on this machine, in a sentence for the person who runs the tests."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One overlay's folder: `upper` is what it adds to `/`, `built` says from what it was built."""

    name: str
    folder: Path

    @property
    def upper(self) -> Path:
        """The writable layer of the build, a read-only layer ever after."""
        return self.folder / "upper"

    @property
    def below(self) -> Layer | None:
        """The release that it adds packages to; None for all other layers."""
        return layer_of(_BELOW[self.name]) if self.name in _BELOW else None

    @property
    def lower(self) -> str:
        """What the root of a host with a systemd is mounted from: `lowerdir` of mount(8)."""
        return ":".join(str(layer.upper) for layer in (self, self.below) if layer)

    @property
    def build_text(self) -> str:
        """The shell text that builds the layer."""
        if self.below:
            return roots.EXTEND
        return roots.BOOTSTRAP if self.name in _SUITES else roots.BUILD

    @property
    def build_words(self) -> list[str]:
        """The arguments of that text."""
        below = [str(self.below.upper)] if self.below else []
        suite = [_SUITES[self.name]] if self.name in _SUITES else []
        return [str(self.folder), *below, *suite, *PACKAGES[self.name]]

    @property
    def recipe(self) -> str:
        """What the layer depends on: its packages, the build's text and the packages of the machine below it."""
        known = self.below.recipe.encode() if self.below else Path("/var/lib/dpkg/status").read_bytes()
        below = hashlib.sha256(known).hexdigest()
        text = hashlib.sha256(self.build_text.encode()).hexdigest()
        return json.dumps({"packages": PACKAGES[self.name], "below": below, "text": text}, indent=1)

    def is_built(self) -> bool:
        """Whether it was built to the end from what it would be built from now."""
        stamp = self.folder / "built"
        return stamp.exists() and stamp.read_text() == self.recipe

    @contextmanager
    def locked(self, how: int) -> Iterator[None]:
        """Hold the layer: LOCK_SH while a host lives in it, LOCK_EX to build it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, how)
            yield


def layer_of(name: str) -> Layer:
    """Return the overlay of that name, built or not."""
    return Layer(name, CHECKOUT / ".lab" / name)


def require_possible() -> None:
    """Raise Unavailable where this machine cannot hold overlays."""
    if os.geteuid() != 0:
        raise Unavailable("mounting the overlays they live in needs root; to run them too: sudo make test")
    for program in ("apt-get", "unshare", "nsenter", "mount"):
        if shutil.which(program) is None:
            raise Unavailable(f"they are Debian's packages, installed into an overlay of /, and {program} is not here")
    for path in ("/usr", "/etc", "/var"):
        if Path(path).stat().st_dev != Path("/").stat().st_dev:
            raise Unavailable(f"{path} is a file system of its own, which an overlay of / does not show")


def build(name: str) -> float:
    """Build one overlay if it is not built; return the seconds it took. Raises Unavailable with the log's end."""
    layer, start = layer_of(name), time.monotonic()
    if layer.below:
        build(layer.below.name)
    if layer.is_built():
        return 0.0
    with layer.locked(fcntl.LOCK_EX):
        if not layer.is_built():  # another process may have built it while we waited
            _build(layer)
    return time.monotonic() - start


def _build(layer: Layer) -> None:
    (layer.folder / "built").unlink(missing_ok=True)
    for part in ("upper", "work", "root", "scratch"):
        shutil.rmtree(layer.folder / part, ignore_errors=True)
    for part in ("upper", "work", "root"):
        (layer.folder / part).mkdir()
    recipe = layer.recipe
    with (layer.folder / "build.log").open("wb") as log:
        # In a process namespace of its own apt and all it started end with us.
        done = subprocess.run(
            [*roots.UNSHARE, "sh", "-euc", layer.build_text, "sh", *layer.build_words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
            check=False,
        )
    if done.returncode:
        raise Unavailable(_why(layer))
    stamp = layer.folder / "built.new"
    stamp.write_text(recipe)
    stamp.rename(layer.folder / "built")


def _why(layer: Layer) -> str:
    log = (layer.folder / "build.log").read_text(errors="replace")
    last = "\n".join(log.splitlines()[-8:])
    if "wrong fs type" in last or "not supported as upperdir" in last:
        return (
            f"an overlay cannot be kept on the file system of {layer.folder}: clone to a local disk (ext4, xfs, btrfs)"
        )
    return f"the overlay {layer.name} could not be built; {layer.folder}/build.log ends:\n{last}"


def build_all(names: tuple[str, ...]) -> None:
    """Build overlays beside one another, one line each that took time; raises Unavailable."""
    require_possible()
    with ThreadPoolExecutor(len(names)) as pool:
        for name, seconds in zip(names, pool.map(build, names), strict=True):
            if seconds:
                sys.stdout.write(f"overlay {name}: {len(PACKAGES[name])} packages in {seconds:.0f} s\n")


def why_missing() -> str | None:
    """Return why the overlays cannot be used as they are, in a sentence; None where all are built."""
    try:
        require_possible()
    except Unavailable as error:
        return str(error)
    missing = [name for name in NEEDED if not layer_of(name).is_built()]
    return f"overlays not built: {', '.join(missing)}; to build them: make overlays" if missing else None


def left_out() -> str:
    """Return the line that ends `make test` where real servers were left out; nothing where they were not."""
    why = why_missing()
    return f"Left out: the tests on real servers: {why}\n" if why else ""


def main(arguments: list[str]) -> int:
    """Run `build [NAME…]` or `left-out`; return the exit status."""
    names = tuple(arguments[1:]) or NEEDED
    if arguments[:1] == ["left-out"]:
        sys.stdout.write(left_out())
        return 0
    if arguments[:1] != ["build"] or not set(names) <= set(PACKAGES):
        sys.stderr.write(f"usage: python -m tests.support.hosts.overlay build [{'|'.join(PACKAGES)}]… | left-out\n")
        return 2
    try:
        build_all(names)
    except Unavailable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
