"""The worker processes of this machine, as the run sees them: it hands them chunks and receives a line per endpoint.

A worker that ends costs its chunk. What is missing of that goes to another worker, once.
"""

from __future__ import annotations

import os
import pickle
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from audit.endpoint import Endpoint
from audit.fleet import Chunk, EndpointReply
from audit.observation import Accident, Observation
from pytest_sslaudit.fleet.local_worker import BROKEN, DONE, LENGTH, REPLY, WorkerSetup
from pytest_sslaudit.fleet.plan import Batch

_LOOK_S: Final = 0.1  # how often the run looks after its own work while no worker sends anything
_CONTROL_S: Final = 60.0  # how long the server may take, which imports the audit first
_GOODBYE_S: Final = 0.5  # after which a process that should end is killed
_RECEIVED_BYTES: Final = 1 << 20
_ATTEMPTS: Final = 2
_START: Final = (
    "import sys; sys.path[:] = {path!r}; from pytest_sslaudit.fleet.local_worker import serve; serve({descriptor})"
)


@dataclass(frozen=True, slots=True)
class _Task:
    """A chunk, or what is missing of it, and how the workers that had it ended."""

    chunk: Chunk
    ends: tuple[Accident, ...] = ()


@dataclass(slots=True)
class _Worker:
    """A worker process; `missing` are the endpoints of its task that it has not returned yet, by id."""

    pid: int
    connection: socket.socket
    received: bytearray = field(default_factory=bytearray)
    batch: deque[_Task] = field(default_factory=deque)
    task: _Task | None = None
    missing: dict[str, Endpoint] = field(default_factory=dict)
    trace: str = ""  # of the exception that ended it

    def send(self, message: object) -> None:
        """Send a message; a worker that has ended is noticed when it is read."""
        content = pickle.dumps(message)
        with suppress(OSError):
            self.connection.sendall(LENGTH.pack(len(content)) + content)

    def begin(self, task: _Task) -> None:
        """Send the next chunk of its batch."""
        self.task = task
        self.missing = {str(target.endpoint): target.endpoint for target in task.chunk.targets}
        self.send(task.chunk)

    def lines(self) -> list[bytes] | None:
        """Return the whole lines that have come; None if the worker has ended."""
        try:
            content = self.connection.recv(_RECEIVED_BYTES)
        except OSError:
            content = b""
        if not content:
            return None
        self.received += content
        *lines, rest = self.received.split(b"\n")
        self.received = rest
        return [bytes(line) for line in lines]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the run does with a reply, with an endpoint that no worker could audit, and between replies."""

    reply: Callable[[EndpointReply], None]
    observed: Callable[[EndpointReply, Observation], None]  # a reply with an observation that no worker could store
    lost: Callable[[Endpoint, Accident], None]
    meanwhile: Callable[[], bool]  # returns whether other work of the run is not done yet


class LocalFleet:
    """The workers of a run, forked by a server that is started when this is made."""

    is_here: Final = True
    notes: Final[tuple[str, ...]] = ()

    def __init__(self, size: int) -> None:
        """Start the server: it imports the audit while the run collects its tests."""
        self.size = size
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()
        self._server = _Server()

    def audit(self, setup: WorkerSetup, batches: Iterable[Batch], delivery: Delivery, stop: threading.Event) -> None:
        """Have all chunks audited. It returns early if `stop` is set."""
        pending = deque(deque(map(_Task, batch)) for batch in batches)
        total = sum(map(len, pending))
        while not stop.is_set():
            try:
                self._hand_out(setup, pending)
            except ChildProcessError as error:
                self.size = len(self._workers)  # those that there are do the rest
                if not self._workers:
                    _lose_all(pending, Accident(str(error)), delivery)
            is_busy = delivery.meanwhile()
            if not is_busy and not any(worker.task for worker in self._workers):
                return
            for key, _ in self._selector.select(_LOOK_S):
                ended = self._receive(key.data, delivery)
                if ended:
                    self._take_back(key.data, ended, pending, lambda task: _lose(task, total, delivery))

    def close(self) -> None:
        """End all processes; whatever they do is dropped."""
        for worker in self._workers:
            with suppress(OSError):
                worker.connection.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + _GOODBYE_S
        for worker in self._workers:
            _end(worker, deadline)
        self._workers.clear()
        self._selector.close()
        self._server.close()

    def _hand_out(self, setup: WorkerSetup, pending: deque[deque[_Task]]) -> None:
        """Give each worker that is idle its next chunk; start workers while there are batches for them."""
        while pending and len(self._workers) < self.size:
            self._start(setup)
        for worker in self._workers:
            if worker.task is None and not worker.batch and pending:
                worker.batch = pending.popleft()
            if worker.task is None and worker.batch:
                worker.begin(worker.batch.popleft())

    def _start(self, setup: WorkerSetup) -> None:
        """Start a worker; raises ChildProcessError."""
        if self._server.has_ended:
            self._server.close()
            self._server = _Server()
        worker = _Worker(*self._server.fork())
        self._workers.append(worker)
        self._selector.register(worker.connection, selectors.EVENT_READ, worker)
        worker.send(setup)

    def _receive(self, worker: _Worker, delivery: Delivery) -> Accident | None:
        """Deliver what a worker has sent; return how it ended, None if it has not."""
        lines = worker.lines()
        for line in lines or ():
            kind, content = line[:1], line[1:]
            if kind == REPLY:
                reply = EndpointReply.from_line(content)
                worker.missing.pop(reply.endpoint, None)
                delivery.reply(reply)
            elif kind == DONE:
                worker.task = None
            elif kind == BROKEN:
                worker.trace = content.decode("unicode_escape")
        return self._end_of(worker) if lines is None else None

    def _end_of(self, worker: _Worker) -> Accident:
        if worker.trace:
            return Accident(worker.trace.strip().rpartition("\n")[2], worker.trace)
        return Accident(_named(self._server.status_of(worker.pid)))

    def _take_back(
        self, worker: _Worker, end: Accident, pending: deque[deque[_Task]], lose: Callable[[_Task], None]
    ) -> None:
        """Plan again what a worker that has ended had to do, or give it up after the last attempt."""
        self._selector.unregister(worker.connection)
        worker.connection.close()
        self._workers.remove(worker)
        task = worker.task
        if task is not None and worker.missing:
            targets = tuple(target for target in task.chunk.targets if str(target.endpoint) in worker.missing)
            again = _Task(replace(task.chunk, targets=targets), (*task.ends, end))
            if len(again.ends) < _ATTEMPTS:
                worker.batch.appendleft(again)
            else:
                lose(again)
        if worker.batch:
            pending.appendleft(worker.batch)


def _lose_all(pending: deque[deque[_Task]], end: Accident, delivery: Delivery) -> None:
    """Report all endpoints that are left, because there is no worker."""
    for batch in pending:
        for task in batch:
            for target in task.chunk.targets:
                delivery.lost(target.endpoint, end)
    pending.clear()


def _lose(task: _Task, total: int, delivery: Delivery) -> None:
    """Report the endpoints of a chunk that no worker could audit, with the reasons."""
    trace = next((end.trace for end in task.ends if end.trace), "")
    ends = " and ".join(dict.fromkeys(end.reason for end in task.ends))
    reason = f"{_ATTEMPTS} worker processes ended in chunk {task.chunk.number} of {total}: {ends}. Run the audit again."
    for target in task.chunk.targets:
        delivery.lost(target.endpoint, Accident(reason, trace))


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


def _end(worker: _Worker, deadline: float) -> None:
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


class _Server:
    """The process that forks the workers."""

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

    def status_of(self, pid: int) -> int | None:
        """Return the exit status of a worker that has ended, negative for a signal; None if it is not known."""
        with suppress(OSError):
            while pid not in self._statuses:
                self._next("ended")
        return self._statuses.pop(pid, None)

    def close(self) -> None:
        """End the server."""
        self._control.close()
        try:
            self._process.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

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
