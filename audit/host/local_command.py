"""Runs one local command or program with a deadline, a byte limit and no terminal.

A command is for a login (ssh, docker, …). The standard input is given as bytes.
"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Final, Literal, Protocol

from audit.probe.deadline import Deadline

MAX_BYTES: Final = 64_000_000  # of one output; eight sections of the largest kind
_CHUNK: Final = 65_536
_TERMINATE_S: Final = 0.5
_LOOK_S: Final = 0.01  # how often to look whether a process has ended, on a system without pidfd_open
Cut = Literal["timeout", "too-much", "stopped"]
_CHECK_S: Final = 0.2  # how often the event that stops a run is checked


@dataclass(frozen=True, slots=True)
class Finished:
    """The outcome of a command: its status and output, or why it was cut short: the deadline, the limit or the user."""

    rc: int
    stdout: bytes
    stderr: bytes
    cut: Cut | None = None


class ProcessGroups(Protocol):
    """What ends the process groups of commands that still run when this process is killed."""

    def begin(self, group: int) -> None:
        """Record a group before its command begins."""

    def end(self, group: int) -> None:
        """Forget a group: it has ended."""


@dataclass(frozen=True, slots=True)
class Command:
    """A shell command, its standard input, and additions to its environment (a password is never an argument).

    If it has `groups`, its text is one simple command.
    """

    text: str
    stdin: bytes = field(default=b"", repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    groups: ProcessGroups | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """A program and its arguments, run without a shell in `/`. Its environment has these variables and no others.

    It is over when its process ends, also if a child still holds its output. More output than `max_bytes` cuts it off;
    of what it writes to standard error only the end is kept.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    stdin: bytes = field(default=b"", repr=False)
    max_bytes: int = 1_048_576


def run_bounded(
    command: Command, timeout_s: float, stop: threading.Event, responds: Callable[[], object] = bool
) -> Finished:
    """Run a command without a terminal; its whole process group is killed if it exceeds the bounds.

    `responds` is called when it has printed something.
    """
    deadline = Deadline.after(timeout_s)
    process = _started(command, subprocess.PIPE, subprocess.PIPE)
    try:
        return _finished(process, command.stdin, _Bounds(deadline, stop, responds=responds))
    finally:
        if command.groups:
            command.groups.end(process.pid)


def run_to_background(command: Command, timeout_s: float, stop: threading.Event) -> Finished:
    """Run a command that leaves a process in the background if it succeeds; else its process group is killed.

    What it prints is read when it has ended, because the process in the background may hold its output open.
    """
    deadline = Deadline.after(timeout_s)
    with tempfile.TemporaryFile() as output, _started(command, output, output) as process:
        try:
            cut = _cut_before_end(process, output, _Bounds(deadline, stop, _CHUNK))
            is_well = not cut and _status(process) == 0
        except BaseException:
            is_well = False
            raise
        finally:
            if not is_well:
                _end(process)
            if command.groups:
                command.groups.end(process.pid)
        output.seek(0)
        return Finished(process.wait(), b"", output.read(_CHUNK), cut)


def _status(process: subprocess.Popen[bytes]) -> int:
    """Return the exit status of a process that has ended, or the signal; it is not reaped, as in `_exits`."""
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    return ended.si_status if ended else 0


def _cut_before_end(process: subprocess.Popen[bytes], output: IO[bytes], bounds: _Bounds) -> Cut | None:
    """Wait until a process ends; return why it is to be ended before that."""
    while not _exits(process, bounds.deadline.within(_CHECK_S)):
        if bounds.deadline.has_passed:
            return "timeout"
        if bounds.stop.is_set():
            return "stopped"
        if os.fstat(output.fileno()).st_size > bounds.max_bytes:
            return "too-much"
    return None


def _started(command: Command, stdout: int | IO[bytes], stderr: int | IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a command; one with `groups` waits for a line until its process group is recorded."""
    waits = command.groups is not None
    process = subprocess.Popen(  # noqa: S602 - testinfra's own form: it quotes every argument
        f"read -r begin && exec {command.text}" if waits else command.text,
        shell=True,
        stdin=subprocess.PIPE if waits or command.stdin else subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        env={**os.environ, **command.environment} if command.environment else None,
    )
    if command.groups and process.stdin:
        command.groups.begin(process.pid)
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(b"\n")
            process.stdin.flush()
        if not command.stdin:
            process.stdin.close()
            process.stdin = None
    return process


def run_program(program: Program, timeout_s: float, stop: threading.Event) -> Finished:
    """Run a program in a process group of its own, which is killed when the program is over; raises OSError."""
    deadline = Deadline.after(timeout_s)
    process = subprocess.Popen(
        program.arguments,
        stdin=subprocess.PIPE if program.stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        start_new_session=True,
        env=dict(program.environment),
    )
    return _finished(process, program.stdin, _Bounds(deadline, stop, program.max_bytes, ends_with_process=True))


@dataclass(frozen=True, slots=True)
class _Bounds:
    deadline: Deadline
    stop: threading.Event
    max_bytes: int = MAX_BYTES
    ends_with_process: bool = False  # and standard error is cut to its end instead of counted
    responds: Callable[[], object] = bool  # called when something is printed to standard output

    def exceeded_by(self, outputs: Mapping[str, bytearray]) -> bool:
        """Return whether the output is too long; the beginning of a long standard error may be dropped."""
        if self.ends_with_process:
            del outputs["stderr"][:-_CHUNK]
            return len(outputs["stdout"]) > self.max_bytes
        return sum(map(len, outputs.values())) > self.max_bytes


def _finished(process: subprocess.Popen[bytes], stdin: bytes, bounds: _Bounds) -> Finished:
    with process:
        try:
            outputs, cut = _communicate(process, stdin, bounds)
            if not cut and not _exits(process, bounds.deadline):  # it closed its output and still runs
                cut = "timeout"
        finally:
            _end(process)
        return Finished(process.wait(), outputs["stdout"], outputs["stderr"], cut)


def _communicate(
    process: subprocess.Popen[bytes], stdin: bytes, bounds: _Bounds
) -> tuple[dict[str, bytes], Cut | None]:
    """Write the input and read both outputs at the same time; return the outputs, and why they are incomplete."""
    outputs = {"stdout": bytearray(), "stderr": bytearray()}
    rest = memoryview(stdin)
    cut: Cut | None = None
    with selectors.DefaultSelector() as selector:
        for name in outputs:
            selector.register(getattr(process, name), selectors.EVENT_READ, name)
        if process.stdin:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE, "stdin")
        while selector.get_map() and not cut:
            cut = "timeout" if bounds.deadline.has_passed else "stopped" if bounds.stop.is_set() else None
            is_over = bounds.ends_with_process and _exits(process, Deadline.after(0.0))
            ready = selector.select(0.0 if is_over else min(bounds.deadline.left_s, _CHECK_S))
            if is_over and not any(key.data in outputs for key, _ in ready):
                break
            for key, _ in ready:
                if key.data == "stdin":
                    rest = _written(key.fd, rest)
                    is_at_end = not rest
                else:
                    is_at_end = not _read(key, outputs, bounds)
                if is_at_end:
                    selector.unregister(key.fileobj)
                if is_at_end and key.data == "stdin" and process.stdin:
                    process.stdin.close()
            if bounds.exceeded_by(outputs):
                cut = "too-much"
    return {name: bytes(data) for name, data in outputs.items()}, cut


def _read(key: selectors.SelectorKey, outputs: Mapping[str, bytearray], bounds: _Bounds) -> bool:
    """Read a part of an output; return whether there was one."""
    data = os.read(key.fd, _CHUNK)
    outputs[key.data].extend(data)
    if data and key.data == "stdout":
        bounds.responds()
    return bool(data)


def _written(fd: int, rest: memoryview) -> memoryview:
    """Write a part of the input and return the rest; the rest is empty if the command has closed its input."""
    try:
        return rest[os.write(fd, rest[:_CHUNK]) :]
    except BlockingIOError:
        return rest
    except BrokenPipeError:
        return rest[:0]


def _exits(process: subprocess.Popen[bytes], deadline: Deadline) -> bool:
    """Return whether a process ends before the deadline; it is not reaped, so the number of its group is not reused."""
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if deadline.has_passed:
            return False
        _wait_for_end(process.pid, deadline.left_s)
    return True


def _wait_for_end(pid: int, seconds: float) -> None:
    """Wait until a process of ours may have ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):  # not Linux
        time.sleep(min(seconds, _LOOK_S))
        return
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        poller.poll(1000 * min(seconds, _CHECK_S))
    finally:
        os.close(descriptor)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children: first by SIGTERM, which sshpass passes on to a session of its own."""
    # we may not end processes of root that sudo started: they have limits of their own
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if not _exits(process, Deadline.after(0.0)):
            os.killpg(process.pid, signal.SIGTERM)
            _exits(process, Deadline.after(_TERMINATE_S))
        os.killpg(process.pid, signal.SIGKILL)
