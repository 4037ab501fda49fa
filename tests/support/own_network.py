"""Network namespaces of tests, so that the sockets of this machine and of other tests are not touched."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

_CLONE_NEWNET: Final = 0x40000000  # sched.h
_SIOCSIFFLAGS: Final = 0x8914  # sockios.h
_IFF_UP: Final = 1  # if.h
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def enter_own_network() -> None:
    """Put this thread, and what it starts, into a new network namespace with nothing but loopback. Raises OSError."""
    _do(_LIBC.unshare(_CLONE_NEWNET))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


@pytest.fixture
def own_network() -> Iterator[None]:
    """Put a test into a network namespace of its own.

    An audit tries TLS on unknown sockets of the host; those of other tests have to be left alone.
    """
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    before = os.open(Path("/proc/thread-self/ns/net"), os.O_RDONLY)
    try:
        enter_own_network()
        yield
    finally:
        _do(_LIBC.setns(before, _CLONE_NEWNET))
        os.close(before)


def _do(status: int) -> None:
    if status:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
