"""A copy of a directory that is put back under the same path, so that tests start from a prepared state.

A host that is a folder, its work directory and the journal hold absolute paths, so a copy elsewhere could not be used.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from pathlib import Path
from typing import Final

_RELEASED_S: Final = 60.0


class SavedFolder:
    """What a directory held when this was made."""

    def __init__(self, folder: Path, copy: Path) -> None:
        wait_for_scripts(folder)
        self.folder, self._copy = folder, copy
        shutil.copytree(folder, copy, symlinks=True, ignore=shutil.ignore_patterns("*-shm"))

    def restore(self) -> None:
        """Put everything back, when no script runs any more."""
        wait_for_scripts(self.folder)
        for entry in self.folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        shutil.copytree(self._copy, self.folder, symlinks=True, dirs_exist_ok=True)


def is_locked(folder: Path) -> bool:
    """Return whether a script on a host below a directory holds the lock of its host."""
    return any(map(_is_held, folder.rglob("lock")))


def wait_for_scripts(folder: Path) -> None:
    """Wait until no host below a directory is locked."""
    deadline = time.monotonic() + _RELEASED_S
    while is_locked(folder):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _is_held(lock: Path) -> bool:
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
