"""A worker process of this machine as the run sees it: what it has in work, and what it sends."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from audit.fleet import Chunk, ChunkTarget
from audit.observation import Accident
from pytest_sslaudit.fleet.local_worker import LENGTH

_RECEIVED_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Task:
    """Endpoints to audit, and how the workers ended that had them in work before."""

    chunk: Chunk
    ends: tuple[Accident, ...] = ()


@dataclass(slots=True)
class WorkerProcess:
    """A worker process; `in_work` are the endpoints that it was sent and has not returned yet, by id."""

    pid: int
    connection: socket.socket
    in_work: dict[str, ChunkTarget] = field(default_factory=dict)
    ends: tuple[Accident, ...] = ()  # of the task in work, which is alone if it has any
    trace: str = ""  # of the exception that ended it
    _received: bytearray = field(default_factory=bytearray)

    def send(self, message: object) -> None:
        """Send a message; a worker that has ended is noticed when it is read."""
        content = pickle.dumps(message)
        with suppress(OSError):
            self.connection.sendall(LENGTH.pack(len(content)) + content)

    def begin(self, task: Task) -> None:
        """Send the endpoints of a task."""
        self.in_work.update((str(target.endpoint), target) for target in task.chunk.targets)
        self.ends = task.ends
        self.send(task.chunk)

    def lines(self) -> list[bytes] | None:
        """Return the whole lines that have come; None if the worker has ended."""
        try:
            content = self.connection.recv(_RECEIVED_BYTES)
        except OSError:
            content = b""
        if not content:
            return None
        self._received += content
        *lines, rest = self._received.split(b"\n")
        self._received = rest
        return [bytes(line) for line in lines]


def end_all(workers: Sequence[WorkerProcess], within_s: float) -> None:
    """Close the connections, at which the workers end; one that has not ended within so many seconds is killed."""
    for worker in workers:
        with suppress(OSError):
            worker.connection.shutdown(socket.SHUT_WR)
    deadline = time.monotonic() + within_s
    for worker in workers:
        _end(worker, deadline)


def _end(worker: WorkerProcess, deadline: float) -> None:
    """Wait until a worker has ended, and kill it after the deadline."""
    is_open = True
    try:
        while is_open and (left_s := deadline - time.monotonic()) > 0:
            worker.connection.settimeout(left_s)
            is_open = bool(worker.connection.recv(_RECEIVED_BYTES))
    except TimeoutError:
        pass
    except OSError:
        is_open = False
    if is_open:
        with suppress(OSError):
            os.kill(worker.pid, signal.SIGKILL)
    worker.connection.close()
