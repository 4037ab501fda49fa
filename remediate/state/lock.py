"""The lock of a state folder: one run at a time, and who holds it for how long.

The system gives it back whenever its holder ends, however it ends: there is no lock file to delete by hand.
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

LOCK_FILE: Final = "lock"


class LockHeld(Exception):
    """Another run holds the lock; `owner` is what it said of itself, `since` when it took it, None where untold."""

    def __init__(self, folder: Path, owner: str, since: datetime | None, now: datetime) -> None:
        """Say who, since when, and that waiting is all there is to do."""
        age = f" for {duration(now - since)}" if since else ""
        super().__init__(f"{folder} is in use by {owner}{age}: let it end")
        self.owner = owner
        self.since = since


@contextmanager
def locked(folder: Path, what: str, now: datetime) -> Iterator[None]:
    """Hold the lock of a state folder; `what` says for whom, such as the command that runs. Raises Held."""
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockHeld(folder, *_holder(descriptor), now) from error
        _sign(descriptor, f"process {os.getpid()} ({what})", now)
        yield
    finally:
        os.close(descriptor)


def _sign(descriptor: int, owner: str, now: datetime) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps({"owner": owner, "since": format_time(now)}).encode(), 0)


def _holder(descriptor: int) -> tuple[str, datetime | None]:
    """Return what the holder wrote; it may just be about to."""
    try:
        said = json.loads(os.pread(descriptor, 4096, 0))
        return str(said["owner"]), parse_time(said["since"])
    except (ValueError, KeyError, TypeError):
        return "another run", None
