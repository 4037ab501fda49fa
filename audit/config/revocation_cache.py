"""Keeps CRLs and OCSP responses on disk until the next is due, each in a file of its own.

Files are renamed into place when they are complete. A locked file lets one process at a time send a request. A response
from the cache is verified like one from the network. If the folder cannot be read or written, no response is kept.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from audit.config.private_files import own_directory
from audit.json_codec import format_time, parse_time
from audit.probe.deadline import Deadline
from audit.probe.http.request import HttpRequest
from audit.probe.revocation import Reply

_SUFFIX: Final = ".answer"
_PARTIAL: Final = ".partial"
_LOCK: Final = ".lock"
_LOOK_S: Final = 0.02  # how often a process looks whether another one has ended its request
_MAX_BYTES: Final = 32 * 1024 * 1024
_ABANDONED_S: Final = 3600.0  # after which a half-written file belongs to a process that has ended


class RevocationCache:
    """The folder of responses; created (0700) before the first request."""

    def __init__(self, folder: Path) -> None:
        """Create nothing yet."""
        self._folder = folder
        self._is_made = False

    def get(self, request: HttpRequest, at: datetime) -> Reply | None:
        """Return the response, unless the next one is due by then."""
        try:
            with open(self._folder / _name(request), "rb", opener=_without_following) as file:
                kept = os.fstat(file.fileno())
                if not _is_ours(kept) or kept.st_mtime <= at.timestamp() or kept.st_size > _MAX_BYTES:
                    return None
                asked_at, _, content = file.read().partition(b"\n")
            return Reply(parse_time(asked_at.decode("ascii")), content)
        except (OSError, ValueError):
            return None

    def keep(self, request: HttpRequest, reply: Reply, until: datetime) -> None:
        """Keep a response until the next one is due."""
        partial = None
        try:
            self._make(reply.asked_at)
            number, partial = tempfile.mkstemp(_PARTIAL, dir=self._folder)
            with os.fdopen(number, "wb") as file:
                file.write(format_time(reply.asked_at).encode("ascii") + b"\n" + (reply.content or b""))
            os.utime(partial, (until.timestamp(), until.timestamp()))
            Path(partial).replace(self._folder / _name(request))
        except (OSError, ValueError, OverflowError):
            if partial is not None:
                Path(partial).unlink(missing_ok=True)

    @contextlib.contextmanager
    def alone(self, request: HttpRequest, deadline: Deadline) -> Iterator[None]:
        """Wait while another process sends the request; after the deadline, or without a folder, wait no longer."""
        file = (self._folder / _name(request)).with_suffix(_LOCK)
        locked = None
        with contextlib.suppress(OSError):
            own_directory(self._folder).chmod(0o700)
            locked = _locked(file, deadline)
        try:
            yield
        finally:
            if locked is not None:
                file.unlink(missing_ok=True)  # a process that waits for it finds the response
                os.close(locked)

    def _make(self, now: datetime) -> None:
        """Create the folder, and delete responses in it that are out of date."""
        if self._is_made:
            return
        own_directory(self._folder).chmod(0o700)
        self._is_made = True
        for file in self._folder.iterdir():
            with contextlib.suppress(OSError):  # another thread or run may have moved it: what is to be kept is kept
                _delete_outdated(file, now)


def _locked(file: Path, deadline: Deadline) -> int | None:
    """Return the descriptor of a file that this process has locked; None after the deadline. Raises OSError."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if deadline.has_passed:
                os.close(descriptor)
                return None
            time.sleep(_LOOK_S)
        else:
            return descriptor


def _delete_outdated(file: Path, now: datetime) -> None:
    spared_s = _ABANDONED_S if file.suffix == _PARTIAL else 0.0
    if file.suffix in (_SUFFIX, _PARTIAL) and file.lstat().st_mtime + spared_s <= now.timestamp():
        file.unlink()


def _name(request: HttpRequest) -> str:
    return hashlib.sha256(request.url.encode() + b"\0" + request.body).hexdigest() + _SUFFIX


def _without_following(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid()
