"""The worker processes of this machine, which import no pytest: a server that forks them, and the work of one.

The server has imported the audit when it forks: a worker is ready in some milliseconds, and its imports cost no CPU
time again. Server and workers end when the run closes their connections, which the kernel does for a run that is
killed.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import queue
import select
import signal
import socket
import struct
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, cast

from audit.checks import built_in_checks
from audit.fleet import Chunk, ChunkAuditor, EndpointReply, WorkerSettings
from audit.fleet.shared_slots import SharedSlots
from audit.x509.public_suffix import is_top_level_domain, registered_domain
from pytest_sslaudit.evidence import EvidenceStore

LENGTH: Final = struct.Struct(">I")
"""What precedes a message to a worker: its length."""
REPLY, BROKEN = b"R", b"B"
"""The first byte of a line from a worker: the reply of an endpoint, and the trace of an exception of ours."""
_BETWEEN_SEARCHES: Final = (50_000, 20, 20)
"""How many new objects, and searches of the newer ones, there are between two searches of the garbage collector, which
take a tenth of the CPU time of a process."""


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What a worker begins with. With `slots`, the file of the limit per address, it observes; else it only judges."""

    settings: WorkerSettings
    store: EvidenceStore
    slots: Path | None


def serve(descriptor: int) -> NoReturn:
    """Fork a worker for each connection that comes through this socket, and report the end of each, until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run ends its workers itself
    built_in_checks()
    registered_domain("example.com")  # the list of public suffixes is parsed when it is first needed, in 0.1 s
    is_top_level_domain("com")
    gc.collect()
    gc.freeze()  # the workers share what is imported
    gc.set_threshold(*_BETWEEN_SEARCHES)
    control = socket.socket(fileno=descriptor)
    woken = _wake_at_end_of_child()
    while True:
        ready, _, _ = select.select([control.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _report_ended(control)
        if control.fileno() in ready:
            descriptor_of_worker = _received_descriptor(control)
            if descriptor_of_worker is None:
                _wait_for_workers()
                os._exit(0)
            _fork(control, descriptor_of_worker)


def _received_descriptor(control: socket.socket) -> int | None:
    """Return the connection for a new worker; None if the run has closed its own, perhaps with reports unread."""
    try:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
    except OSError:
        return None
    return descriptors[0] if message else None


def _wake_at_end_of_child() -> int:
    """Return a pipe that can be read when a child has ended."""
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    return woken


def _fork(control: socket.socket, descriptor: int) -> None:
    pid = os.fork()
    if pid == 0:
        control.close()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        work(socket.socket(fileno=descriptor))
    os.close(descriptor)
    control.sendall(b"started %d 0\n" % pid)


def _report_ended(control: socket.socket) -> None:
    """Report the workers that have ended, unless the run has closed the connection."""
    with contextlib.suppress(OSError):  # also ChildProcessError: there are no others
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            control.sendall(b"ended %d %d\n" % (ended[0], os.waitstatus_to_exitcode(ended[1])))


def _wait_for_workers() -> None:
    """Wait for the workers, which end as the run has closed their connections: their CPU time counts as the run's."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def work(connection: socket.socket) -> NoReturn:
    """Audit the chunks that come through a connection, until it closes: several at the same time."""
    messages = queue.SimpleQueue[bytes]()
    threading.Thread(target=_read, args=(connection, messages), daemon=True).start()

    def send(kind: bytes, text: str = "") -> None:
        connection.sendall(b"%s%s\n" % (kind, text.encode()))

    try:
        _audit(_received(messages.get()), messages, lambda reply: send(REPLY, reply.to_line()))
    except BaseException:  # noqa: BLE001 - the boundary of the process: the run reports it
        with contextlib.suppress(OSError):
            send(BROKEN, traceback.format_exc().encode("unicode_escape").decode())
    os._exit(1)


def _audit(setup: WorkerSetup, messages: queue.SimpleQueue[bytes], report: Callable[[EndpointReply], None]) -> None:
    """Observe the endpoints of the chunks that come, or judge what is stored of them, until the process ends."""
    if setup.slots is None:
        auditor = ChunkAuditor(setup.settings)
        while True:
            auditor.judge(_received(messages.get()), setup.store.observation_or_accident, report)

    def next_chunk(may_wait: bool) -> Chunk | None:  # noqa: FBT001 - as `NextChunk`
        with contextlib.suppress(queue.Empty):
            return cast("Chunk", _received(messages.get(block=may_wait)))
        return None

    slots = SharedSlots(setup.slots, setup.settings.limits.per_address)
    ChunkAuditor(setup.settings, keep=setup.store.keep, slots=slots).audit_all(next_chunk, report)


def _received(message: bytes) -> Any:  # noqa: ANN401 - what the run sends
    return pickle.loads(message)  # noqa: S301 - from the process that has started this one


def _read(connection: socket.socket, messages: queue.SimpleQueue[bytes]) -> None:
    """Queue what the run sends. End the process when the run has closed the connection, whatever is in progress."""
    try:
        with connection.makefile("rb") as stream:
            while header := stream.read(LENGTH.size):
                messages.put(stream.read(*LENGTH.unpack(header)))
    finally:
        os._exit(0)
