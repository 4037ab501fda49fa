"""A network namespace for a test, so that the sockets of this machine are not touched."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

_CLONE_NEWNET: Final = 0x40000000  # sched.h
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def own_network() -> Iterator[None]:
    """Put this thread, and the threads and processes it starts, into a network namespace with nothing but loopback.

    An audit tries TLS on unknown sockets of the host; those of this machine have to be left alone.
    """
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    before = os.open(Path("/proc/thread-self/ns/net"), os.O_RDONLY)
    try:
        _do(_LIBC.unshare(_CLONE_NEWNET))
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
    finally:
        _do(_LIBC.setns(before, _CLONE_NEWNET))
        os.close(before)


def _do(status: int) -> None:
    if status:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
