"""The lock of a state directory: one run at a time. It records which process holds it, and since when.

The kernel releases it when its process ends, however it ends, so there is never a lock file to delete by hand.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from audit.json_codec import format_time, parse_time
from audit.text import duration
from remediate.state.database import BrokenState

LOCK_FILE: Final = "lock"
_LOCKS: Final = Path("/proc/locks")


class LockHeld(Exception):
    """Another run holds the lock; `holder` is its process and command, `since` is None if it is not known."""

    def __init__(self, folder: Path, holder: str, since: datetime | None, now: datetime) -> None:
        """Name the holder and its age."""
        age = f" for {duration(now - since)}" if since else ""
        super().__init__(f"{folder} is in use by {holder}{age}: wait until it ends")
        self.holder = holder
        self.since = since


@contextmanager
def locked(folder: Path, what: str, now: datetime) -> Iterator[None]:
    """Hold the lock of a state directory; `what` is the command that runs. Raises LockHeld, BrokenState."""
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise BrokenState(f"cannot open {folder / LOCK_FILE}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockHeld(folder, *_holder(descriptor), now) from error
        _record_holder(descriptor, f"process {os.getpid()} ({what})", now)
        yield
    finally:
        os.close(descriptor)


def holder_now(folder: Path, now: datetime) -> LockHeld | None:
    """Return which run holds the lock of a state directory now; None if no run does, or if there is no lock file."""
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return LockHeld(folder, *_holder(descriptor), now) if _is_locked(descriptor) else None
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    """Return whether a process holds a file's lock, as Linux lists it; taking it here could make a run fail."""
    try:
        locks = [line.split() for line in _LOCKS.read_text(encoding="ascii").splitlines()]
    except OSError:
        return False
    inode = str(os.fstat(descriptor).st_ino)
    return any("FLOCK" in lock and any(word.rpartition(":")[2] == inode for word in lock) for lock in locks)


def _record_holder(descriptor: int, holder: str, now: datetime) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"owner": holder, "since": format_time(now)}).encode(), 0)
    except OSError as error:
        raise BrokenState(f"cannot record who holds the lock of the state directory: {error.strerror}") from error


def _holder(descriptor: int) -> tuple[str, datetime | None]:
    """Return what the holder recorded; it may not have done so yet."""
    try:
        record = json.loads(os.pread(descriptor, 4096, 0))
        return str(record["owner"]), parse_time(record["since"])
    except (ValueError, KeyError, TypeError):
        return "another run", None
