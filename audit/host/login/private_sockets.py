"""The directory of a run's control sockets, which no other user can enter, and the watcher that removes it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from audit.host.login import watcher

LONGEST: Final = 90  # octets of a path: ssh adds 17 to it while it makes a socket, and 108 is the limit of the system
NAME_LENGTH: Final = 20  # characters of a socket's name
_CLOSE_S: Final = 5.0


@dataclass(slots=True)
class PrivateSockets:
    """The directory and its watcher, both made when they are first needed. Safe for threads.

    If the run is killed, the watcher also removes the directories that `temporary` returns.
    """

    temporary: Callable[[], tuple[Path, ...]] = tuple
    _folder: Path | None = None
    _watcher: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _is_closed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def folder(self) -> Path:
        """The directory (0700); raises OSError."""
        with self._lock:
            if self._is_closed:
                raise OSError("the connections of this run are closed")
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="sslaudit-ssh-", dir=_place()))
                self._watcher = _started(self._folder, *self.temporary())
            return self._folder

    @property
    def open_folder(self) -> Path | None:
        """The directory if there is one."""
        return self._folder

    def watch(self) -> None:
        """Start the watcher although there is no connection yet, if its directory can be made."""
        with contextlib.suppress(OSError):
            _ = self.folder

    def path(self, name: str) -> str:
        """Return the path of the socket of a connection; raises OSError."""
        return str(self.folder / name)

    def begin(self, group: int) -> None:
        """Have a process group ended with the run."""
        self._write(b"+%d\n" % group)

    def end(self, group: int) -> None:
        """Forget a process group: it has ended."""
        self._write(b"-%d\n" % group)

    def close(self) -> None:
        """End all connections and remove the directory."""
        with self._lock:
            self._is_closed = True
            folder, self._folder = self._folder, None
            process, self._watcher = self._watcher, None
        if folder is None or process is None:
            return
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            process.communicate(b"end\n", _CLOSE_S)
        if process.poll() is not None:
            watcher.clean_up(folder)  # nothing is left to do unless something killed the watcher

    def _write(self, line: bytes) -> None:
        with self._lock, contextlib.suppress(OSError):  # a watcher that was killed: `close` does its work
            if self._watcher and self._watcher.stdin:
                self._watcher.stdin.write(line)
                self._watcher.stdin.flush()


def _place() -> str:
    """Return the system's directory for temporary files, or `/tmp` if its path is too long for sockets."""
    place = tempfile.gettempdir()
    return place if len(os.fsencode(place)) + len("/sslaudit-ssh-12345678/") + NAME_LENGTH <= LONGEST else "/tmp"  # noqa: S108 - mkdtemp makes a directory of its own there


def _started(*folders: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", watcher.__file__, str(os.getpid()), *map(str, folders)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
