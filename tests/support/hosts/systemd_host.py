"""A host that starts with its own systemd: units, timers and user managers work there as on a real machine.

A machine is such a host with a disk: it can lose its power and start again.
"""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from tests.support.hosts import roots
from tests.support.hosts.host import ENVIRONMENT, Host, booted
from tests.support.hosts.overlay import layer_of

_START_S = 120.0  # two seconds on an idle machine
_END_S = 20.0


class Machine:
    """A host with a systemd, and with a disk that is gone with the machine. It starts in `start`."""

    def __init__(self, release: str, name: str) -> None:
        self._release, self._name, self._power = release, name, ExitStack()
        self._disk = tempfile.TemporaryDirectory(prefix="disk", dir=layer_of(release).folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.crash()
        self._disk.cleanup()

    def file(self, path: str) -> Path:
        """Return where its disk keeps a file that it has written; the machine must not run."""
        return Path(self._disk.name, "upper", path.lstrip("/"))

    def start(self) -> Host:
        """Start it with what its disk holds; it has neither a cable nor the names of other hosts."""
        return self._power.enter_context(running_systemd_host(self._release, self._name, Path(self._disk.name)))

    def crash(self) -> None:
        """Kill all of its processes at once, without a signal that they could handle."""
        self._power.close()


@contextmanager
def running_systemd_host(release: str, name: str, disk: Path | None = None) -> Iterator[Host]:
    """Start a host from a Debian release (`debian12`, `debian13`) or a layer above it; on leaving, all of it is gone.

    What it writes is in memory, or in the folder of its disk.
    """
    layer = layer_of(release)
    with layer.locked(fcntl.LOCK_SH):
        # The kernel ends unshare with this process, and the host's first process with unshare.
        argv = ["setpriv", "--pdeathsig", "KILL", *roots.UNSHARE, "--uts", "--ipc", "--net", "--cgroup"]
        places = (layer.lower, str(layer.folder / "root"), name, *([str(disk)] if disk else []))
        with subprocess.Popen(
            [*argv, "sh", "-euc", roots.BOOT_SYSTEMD, "sh", *places],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        ) as first:
            try:
                host = booted(first, name)
                _wait_for_start(host)
                with _gone_at_the_end(host.first_pid, first):
                    yield host
            finally:
                first.kill()


def _wait_for_start(host: Host) -> None:
    """Wait until systemd has started everything; before its socket exists, systemctl fails at once."""
    deadline = time.monotonic() + _START_S
    while (state := host.run("systemctl", "is-system-running", "--wait").stdout.strip()) not in ("running", "degraded"):
        assert time.monotonic() < deadline, f"{host.name}: systemd is {state or 'silent'}"
        time.sleep(0.05)


@contextmanager
def _gone_at_the_end(pid: int, first: subprocess.Popen[str]) -> Iterator[None]:
    """End the host, and wait until its first process is gone: only then are its mounts and its network."""
    descriptor = os.pidfd_open(pid)
    try:
        yield
    finally:
        first.kill()
        select.select([descriptor], [], [], _END_S)
        os.close(descriptor)
