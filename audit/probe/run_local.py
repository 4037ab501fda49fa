"""Runs one local command for a login (ssh, docker, …) with a deadline, a byte limit and nobody to ask.

It knows nothing of what the command does, and never lets it reach a terminal.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Final, Literal

MAX_BYTES: Final = 64_000_000  # of one answer; eight sections of the largest kind
_CHUNK: Final = 65_536
_PATIENCE_S: Final = 0.5
_LOOK_UP_S: Final = 0.2  # how often a run that was called off is noticed


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended: by itself with its status, or cut short by the deadline, the limit or the user."""

    rc: int
    stdout: bytes
    stderr: bytes
    cut: Literal["timeout", "too-much", "stopped"] | None = None


def run_bounded(command: str, timeout_s: float, stop: threading.Event) -> Finished:
    """Run a shell command without input or terminal; its whole process group is ended where it outlasts the bounds."""
    deadline = time.monotonic() + timeout_s
    process = subprocess.Popen(  # noqa: S602 - testinfra's own form: it quotes every argument
        command,
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        try:
            taken, cut = _read(process, deadline, stop)
            if not cut and not _exits(process, deadline):  # it closed its output and stays
                cut = "timeout"
        finally:
            _end(process)
        return Finished(process.wait(), taken["stdout"], taken["stderr"], cut)


def _read(
    process: subprocess.Popen[bytes], deadline: float, stop: threading.Event
) -> tuple[dict[str, bytes], Literal["timeout", "too-much", "stopped"] | None]:
    taken = {"stdout": bytearray(), "stderr": bytearray()}
    cut: Literal["timeout", "too-much", "stopped"] | None = None
    with selectors.DefaultSelector() as selector:
        for name in taken:
            selector.register(getattr(process, name), selectors.EVENT_READ, name)
        while selector.get_map() and not cut:
            left = deadline - time.monotonic()
            cut = "timeout" if left <= 0 else "stopped" if stop.is_set() else None
            for key, _ in selector.select(max(0.0, min(left, _LOOK_UP_S))):
                data = os.read(key.fd, _CHUNK)
                taken[key.data] += data
                if not data:
                    selector.unregister(key.fileobj)
            if sum(map(len, taken.values())) > MAX_BYTES:
                cut = "too-much"
    return {name: bytes(data) for name, data in taken.items()}, cut


def _exits(process: subprocess.Popen[bytes], deadline: float) -> bool:
    """Return whether a process ends by then; it is not reaped, so that its group's number stays its own."""
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.005)
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all it started: first by SIGTERM, which sshpass passes on to a session of its own."""
    # what sudo started here is root's and may not be ended by us: it has its own limits
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if not _exits(process, 0.0):
            os.killpg(process.pid, signal.SIGTERM)
            _exits(process, time.monotonic() + _PATIENCE_S)
        os.killpg(process.pid, signal.SIGKILL)
