"""One TCP connection with deadlines and a byte limit; each way to fail has its own kind of error."""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
import time
from dataclasses import replace
from typing import Final, NoReturn, Self

from audit.observation import FailureKind, ProbeFailure, Stage
from audit.probe.deadline import Deadline
from audit.probe.thread_pool import Turn

_CHUNK: Final = 16_384  # the most a TLS record holds (RFC 8446 5.1)
_ELSEWHERE: Final = {socket.AF_INET: ("198.41.0.4", 53), socket.AF_INET6: ("2001:503:ba3e::2:30", 53)}
"""An address far away (a.root-servers.net) of each family, for the routing table only: nothing is sent there."""

_RESET: Final = (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED)
_KINDS: Final[dict[int, FailureKind]] = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "refused",
    errno.ETIMEDOUT: "timeout",
    errno.EAFNOSUPPORT: "no-family",
}


class ProbeError(Exception):
    """A fault at an address: the stage, the kind, and one line for people."""

    def __init__(self, stage: Stage, kind: FailureKind, detail: str) -> None:
        """Store the stage, the kind and the line."""
        super().__init__(detail)
        self.stage = stage
        self.kind = kind
        self.detail = detail

    def at(self, address: str) -> ProbeFailure:
        """Return the failure of that address."""
        return ProbeFailure(self.stage, self.kind, self.detail, address)


class TcpConnection:
    """A connection to one address; `begin` sets the stage and its deadline, `received` has the bytes since then."""

    def __init__(self, *, deadline: Deadline, stop: threading.Event, max_bytes: int, turn: Turn | None = None) -> None:
        """Take the deadline of the whole probe, the event that stops it, and the byte limit.

        Between its waits the connection has the `turn`, which it shares with others. A thread has at most one of them.
        """
        self.stage: Stage = "connect"
        self.received = bytearray()
        self.local_address = ""
        self._total = deadline
        self._stop = stop
        self.awaiting = "a response"  # named in the message of a timeout
        self._max_bytes = max_bytes
        self._received = 0
        self._rest_s: float | None = None  # for the rest of a stage after its first byte
        self._has_sent = False
        self._began = time.monotonic()
        self._deadline = deadline
        self._socket: socket.socket | None = None
        self._poll = select.poll()
        self._turn = turn

    def __enter__(self) -> Self:
        """Return the connection, which is closed at the end of the block."""
        self._take_turn()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        try:
            if self._socket is not None:
                self._socket.close()
        finally:
            self._end_turn()

    @property
    def peer_address(self) -> str:
        """The address at the other end."""
        return str(self._open.getpeername()[0])

    def begin(self, stage: Stage, seconds: float, awaiting: str) -> None:
        """Enter a stage that may take this many seconds."""
        self.stage = stage
        self._rest_s = None
        self.received.clear()
        self._began = time.monotonic()
        self._deadline = self._total.within(seconds)
        self.awaiting = awaiting

    def begin_apart(self, stage: Stage, seconds: float, awaiting: str, *, rest_s: float) -> None:
        """Enter a stage whatever the deadline of the whole probe: seconds for the first byte, and for the rest."""
        self.begin(stage, seconds, awaiting)
        self._deadline, self._rest_s = Deadline.after(seconds), rest_s

    def end_apart(self) -> float:
        """Return the seconds that this stage took; the deadline of the whole probe is later by them."""
        seconds = time.monotonic() - self._began
        self._total = replace(self._total, at=self._total.at + seconds)
        return seconds

    def connect(self, address: str, port: int, seconds: float) -> None:
        """Connect within this many seconds."""
        self.begin("connect", seconds, "a response to our SYN")
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            self._socket = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            if error.errno == errno.EAFNOSUPPORT:
                self._refuse_connect(error.errno, family)
            raise  # such as no free file descriptors: our fault, not the server's
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll.register(self._socket, select.POLLOUT)
        number = self._socket.connect_ex((address, port))
        if number == errno.EINPROGRESS:
            self._wait(select.POLLOUT)
            number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self._refuse_connect(number, family)
        self.local_address = self._socket.getsockname()[0].partition("%")[0]

    def send(self, octets: bytes) -> None:
        """Send all bytes."""
        self._has_sent = True
        rest = memoryview(octets)
        while rest:
            try:
                rest = rest[self._open.send(rest) :]
            except BlockingIOError:
                self._wait(select.POLLOUT)
            except OSError as error:
                self._lost(error)

    def receive(self) -> bytes:
        """Return the next bytes, or none if the server has closed the connection."""
        while True:
            self._wait(select.POLLIN)
            try:
                octets = self._open.recv(_CHUNK)
            except BlockingIOError:
                continue
            except OSError as error:
                self._lost(error)
            if self._rest_s is not None:
                self._deadline, self._rest_s = Deadline.after(self._rest_s), None
            self.received += octets
            self._received += len(octets)
            if self._received > self._max_bytes:
                raise ProbeError(
                    self.stage,
                    "too-much",
                    f"{self._received} bytes were received without {self.awaiting} (limit {self._max_bytes})",
                )
            return octets

    def pending(self) -> bytes:
        """Return the bytes that have come already, without waiting."""
        try:
            return self._open.recv(_CHUNK)
        except OSError:
            return b""

    def closed(self) -> ProbeError:
        """Return the fault of a server that has closed the connection now."""
        came = f"after {len(self.received)} bytes" if self.received else "without a byte"
        return ProbeError(self.stage, "closed", f"the server closed the connection {came}, instead of {self.awaiting}")

    @property
    def _open(self) -> socket.socket:
        if self._socket is None:
            raise RuntimeError("not connected yet")
        return self._socket

    def _wait(self, events: int) -> None:
        self._poll.modify(self._open, events)
        self._end_turn()
        try:
            is_ready = any(self._poll.poll(wait_s * 1000) for wait_s in self._deadline.waits(self._stop))
        finally:
            self._take_turn()
        if not is_ready:
            raise ProbeError(self.stage, "timeout", self._timeout_detail())

    def _take_turn(self) -> None:
        if self._turn:
            self._turn.take()

    def _end_turn(self) -> None:
        if self._turn:
            self._turn.end()

    def _timeout_detail(self) -> str:
        waited = f"{time.monotonic() - self._began:.3g} s"
        came = f", only {len(self.received)} bytes" if self.received else ""
        return f"timed out after {waited}, waiting for {self.awaiting}{came}"

    def _lost(self, error: OSError) -> NoReturn:
        if error.errno not in _RESET:
            raise ProbeError(self.stage, "closed", f"the connection was lost: {error.strerror}") from error
        if self._received or self._has_sent:  # a close with unread bytes is a reset, too
            raise ProbeError(
                self.stage, "closed", f"the server reset the connection instead of {self.awaiting}"
            ) from error
        raise ProbeError(self.stage, "refused", "the server reset the connection before a byte") from error

    def _refuse_connect(self, number: int, family: socket.AddressFamily) -> NoReturn:
        kind = _KINDS.get(number, "unreachable")
        if kind == "unreachable" and not has_route(family):
            kind = "no-family"
        if kind == "no-family":
            version = "IPv6" if family == socket.AF_INET6 else "IPv4"
            raise ProbeError(
                "connect", kind, f"this machine has no {version} to try it with ({errno.errorcode[number]})"
            )
        raise ProbeError("connect", kind, os.strerror(number).lower())


def has_route(family: socket.AddressFamily) -> bool:
    """Return whether this machine has a route in that family; connecting a datagram socket sends nothing."""
    with socket.socket(family, socket.SOCK_DGRAM) as datagram:
        return datagram.connect_ex(_ELSEWHERE[family]) == 0
