"""The process that forks the workers of this machine, as the run sees it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import Final

_CONTROL_S: Final = 60.0  # how long the server may take, which imports the audit first
_GOODBYE_S: Final = 0.5  # after which it is killed
_START: Final = (
    "import sys; sys.path[:] = {path!r}; from pytest_sslaudit.fleet.local_worker import serve; serve({descriptor})"
)


class WorkerServer:
    """The process, which `local_worker.serve` is the program of."""

    def __init__(self) -> None:
        """Start it."""
        self._control, inherited = socket.socketpair()
        with inherited:
            descriptor = inherited.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START.format(path=list(map(str, sys.path)), descriptor=descriptor)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                pass_fds=[descriptor],
            )  # fmt: skip
        self._received = b""
        self._statuses: dict[int, int] = {}  # of workers that have ended, by pid

    @property
    def has_ended(self) -> bool:
        """Whether it can fork no more workers."""
        return self._process.poll() is not None

    def fork(self) -> tuple[int, socket.socket]:
        """Fork a worker; return its pid and the connection to it. Raises ChildProcessError."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"f"], [theirs.fileno()])
                return self._next("started")[0], ours
            except OSError:
                ours.close()
                self._process.kill()
                status = self._process.wait()
        raise ChildProcessError(f"no worker process could be started ({_named(status)}). Run the audit again.")

    def end_of(self, pid: int) -> str:
        """Return how a worker that has ended did so."""
        with suppress(OSError):
            while pid not in self._statuses:
                self._next("ended")
        return _named(self._statuses.pop(pid, None))

    def close(self) -> int:
        """End the server; return its exit status, which is 0 if it has waited for all workers."""
        self._control.close()
        try:
            return self._process.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _next(self, wanted: str) -> tuple[int, int]:
        """Return the pid and status of the next message of this kind, and keep the ends of workers; raises OSError."""
        self._control.settimeout(_CONTROL_S)
        while True:
            while b"\n" not in self._received:
                content = self._control.recv(4096)
                if not content:
                    raise ConnectionResetError
                self._received += content
            line, _, self._received = self._received.partition(b"\n")
            kind, pid, status = line.decode().split()
            if kind == "ended":
                self._statuses[int(pid)] = int(status)
            if kind == wanted:
                return int(pid), int(status)


def _named(status: int | None) -> str:
    """Return how a process ended."""
    if status is None:
        return "for an unknown reason"
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
