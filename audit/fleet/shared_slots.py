"""A limit of concurrent connections to one address that all processes of a run share.

Each slot is a lock of one byte in a file. The kernel frees the locks of a process that ends, however it ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections import defaultdict
from pathlib import Path
from typing import Final

_KEY_BYTES: Final = 5
"""Of the digest of a key: two keys with the same ones share their slots, which is slower and not wrong."""


class SharedSlots:
    """The slots of one process, which has one of these objects: a process that closes the file loses all its locks."""

    def __init__(self, file: Path, per_key: int) -> None:
        """Open the file, which every process of the run names; create it (0600) if it is missing."""
        self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self._per_key = per_key
        self._taken: defaultdict[str, list[int]] = defaultdict(list)

    def take(self, key: str) -> bool:
        """Take a slot of a key; False if all of them are taken."""
        own = self._taken[key]
        first = self._per_key * int.from_bytes(hashlib.sha256(key.encode()).digest()[:_KEY_BYTES])
        for place in range(first, first + self._per_key):
            if place not in own and self._lock(place):
                own.append(place)
                return True
        return False

    def free(self, key: str) -> None:
        """Free a slot that this process has taken."""
        own = self._taken[key]
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, own.pop())
        if not own:
            del self._taken[key]

    def close(self) -> None:
        """Free all slots of this process."""
        os.close(self._file)

    def _lock(self, place: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except BlockingIOError:
            return False
        return True
