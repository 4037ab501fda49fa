"""A host that starts with its own systemd: units, timers and user managers work there as on a real machine."""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.hosts import roots
from tests.support.hosts.host import ENVIRONMENT, Host, booted
from tests.support.hosts.overlay import layer_of

_START_S = 120.0  # two seconds on an idle machine
_END_S = 20.0


@contextmanager
def running_systemd_host(release: str, name: str) -> Iterator[Host]:
    """Start a host from a bootstrapped Debian release (`debian12`, `debian13`); on leaving, all of it is gone."""
    layer = layer_of(release)
    with layer.locked(fcntl.LOCK_SH):
        # The kernel ends unshare with this process, and the host's first process with unshare.
        argv = ["setpriv", "--pdeathsig", "KILL", *roots.UNSHARE, "--uts", "--ipc", "--net", "--cgroup"]
        with subprocess.Popen(
            [*argv, "sh", "-euc", roots.BOOT_SYSTEMD, "sh", str(layer.upper), str(layer.folder / "root"), name],
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
