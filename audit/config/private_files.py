"""Writes files and directories of this machine so that no other local user can redirect what is written.

Every component of a path belongs to root or to the user of the audit, and others cannot write to it; in a directory
with the sticky bit, such as /tmp, the entry itself does. Then no other user can replace a name that is opened by a
link.

    UnsafePath
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_ADMINISTRATORS: Final = ("root", "wheel", "adm", "syslog", *(("staff",) if sys.platform == "linux" else ()))
"""Groups that distributions let write to /var/log and /usr/local; on macOS every user is in `staff`."""
_MAX_LINKS: Final = 40
_NEW: Final = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class UnsafePath(OSError):
    """A path that another local user could redirect; its message names the component and its owner."""

    def __init__(self, reason: str) -> None:
        """Store the reason."""
        super().__init__(0, reason)


def state_folder() -> Path:
    """Return the user's own folder for state (XDG Base Directory Specification 0.8)."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "sslaudit"


def safe_path(path: Path) -> Path:
    """Return the real path of a file or directory, which may be missing; raises UnsafePath, OSError."""
    return _Walk(path).end()


def require_own_file(file: Path) -> None:
    """Raise UnsafePath if another user can change the file of a name; a missing file is accepted. Raises OSError."""
    real = safe_path(file)
    try:
        status = real.lstat()
    except FileNotFoundError:
        return
    if _is_open(real, status):
        raise UnsafePath(f"others can write to {real} ({_mode(status)}): chmod go-w {real}")


def own_directory(folder: Path) -> Path:
    """Return the real path of a directory of this user's own, made with mode 0700 if it is missing.

    An existing one may be read by others, and not be written to. Raises UnsafePath, OSError.
    """
    real = safe_path(folder)
    missing = [directory for directory in (real, *real.parents) if not directory.exists()]
    for directory in reversed(missing):
        with contextlib.suppress(FileExistsError):  # made meanwhile by another thread, run or user: checked below
            directory.mkdir(0o700)
    real = safe_path(real)
    status = real.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(0, f"{real} is not a directory")
    if status.st_uid != os.geteuid():
        raise UnsafePath(f"{real} belongs to {_user(status.st_uid)}: name a directory of your own, or a new one")
    if _is_open(real, status):
        raise UnsafePath(f"{real}: others can write to it ({_mode(status)}): name another, or chmod go-w {real}")
    return real


def create(file: Path, mode: int = 0o600) -> int:
    """Create a file that must not exist yet, for writing; return its descriptor. Raises OSError."""
    return os.open(file, os.O_WRONLY | _NEW, mode)


def open_anew(file: Path, mode: int = 0o666) -> int:
    """Create a file, or empty the existing one, for writing; return its descriptor. Raises UnsafePath, OSError."""
    real = safe_path(file)
    if _is_own_descriptor(real):  # /dev/stdout, or a process substitution <(…) of a shell
        return os.open(real, os.O_WRONLY | os.O_CLOEXEC)
    if not real.exists():
        return os.open(real, os.O_WRONLY | _NEW, mode)
    descriptor = os.open(real, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with _closed_on_error(descriptor):
        status = os.fstat(descriptor)
        _require_trusted_owner(real, status)
        if stat.S_ISREG(status.st_mode):
            _require_one_name(real, status)
            os.ftruncate(descriptor, 0)
    return descriptor


def reserve(file: Path) -> None:
    """Raise UnsafePath if another user can redirect what a program will write to a name; raises OSError.

    In a directory like /tmp a missing file is created, so that no other user creates it first.
    """
    real = safe_path(file)
    try:
        status = real.lstat()
    except FileNotFoundError:
        if _is_open(real.parent, real.parent.lstat()):
            os.close(create(real, 0o666))
        return
    if stat.S_ISREG(status.st_mode):
        _require_one_name(real, status)


def read_regular(file: Path, limit: int) -> bytes:
    """Return the content of a regular file of at most `limit` bytes; it is not a link. Raises OSError."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(error.errno, "it is a symbolic link") from error
        raise
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is not a regular file")
        if status.st_size > limit:
            raise OSError(0, f"it has {status.st_size} bytes (limit {limit})")
        return stream.read(min(limit, status.st_size) + 1)  # the memory for all of `limit` is allocated otherwise


class _Walk:
    """The way from `/` to a path, link by link."""

    def __init__(self, path: Path) -> None:
        self._todo = list(reversed(path.absolute().parts[1:]))
        self._links = 0
        self._path = path

    def end(self) -> Path:
        at = Path("/")
        while self._todo:
            name = self._todo.pop()
            if name == "..":
                at = at.parent
                continue
            at, is_missing = self._step(at / name)
            if is_missing or _is_own_descriptor(at):
                return at.joinpath(*reversed(self._todo))
        return at

    def _step(self, entry: Path) -> tuple[Path, bool]:
        """Return the target of an entry, and whether it is missing."""
        if _is_own_descriptor(entry):
            return entry, False
        try:
            status = entry.lstat()
        except FileNotFoundError:
            return entry, True
        except NotADirectoryError as error:
            raise NotADirectoryError(0, f"{entry.parent} is not a directory") from error
        _require_trusted_owner(entry, status)
        if stat.S_ISLNK(status.st_mode):
            return self._follow(entry), False
        if stat.S_ISDIR(status.st_mode) and _is_open(entry, status) and not status.st_mode & stat.S_ISVTX:
            raise UnsafePath(f"others can write to {entry} ({_mode(status)})")
        return entry, False

    def _follow(self, link: Path) -> Path:
        self._links += 1
        if self._links > _MAX_LINKS:
            raise UnsafePath(f"{self._path} passes through too many symbolic links")
        target = link.readlink()
        self._todo.extend(reversed([part for part in target.parts if part != "/"]))
        return Path("/") if target.is_absolute() else link.parent


def _is_own_descriptor(path: Path) -> bool:
    return path.parent == Path(f"/proc/{os.getpid()}/fd")


def _require_trusted_owner(entry: Path, status: os.stat_result) -> None:
    if status.st_uid not in (0, os.geteuid()):
        raise UnsafePath(f"{entry} belongs to {_user(status.st_uid)}, who could put another file in its place")


def _require_one_name(file: Path, status: os.stat_result) -> None:
    if status.st_nlink > 1:
        raise UnsafePath(f"{file} has {status.st_nlink} hard links: it may be another file under a second name")


def _is_open(entry: Path, status: os.stat_result) -> bool:
    """Return whether users other than the owner and administrators can write."""
    by_group = status.st_mode & stat.S_IWGRP and (_has_acl(entry) or not _is_trusted_group(status.st_gid))
    return bool(status.st_mode & stat.S_IWOTH or by_group)


def _has_acl(entry: Path) -> bool:
    """Return whether a POSIX ACL decides: the mode then shows its mask as the rights of the group (acl(5))."""
    with contextlib.suppress(OSError):
        return "system.posix_acl_access" in os.listxattr(entry, follow_symlinks=False)
    return False


def _is_trusted_group(gid: int) -> bool:
    if gid == 0 or (os.geteuid() != 0 and gid == os.getegid() and _is_private_group(gid)):
        return True
    with contextlib.suppress(KeyError):
        return grp.getgrgid(gid).gr_name in _ADMINISTRATORS
    return False


def _is_private_group(gid: int) -> bool:
    """Return whether a group is that of this user alone, as useradd makes it."""
    try:
        user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(gid)
    except KeyError:  # a user or group without a name, as in containers
        return gid == os.geteuid()
    return group.gr_name == user and set(group.gr_mem) <= {user}


def _user(uid: int) -> str:
    with contextlib.suppress(KeyError):
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    return f"another user (uid {uid})"


def _mode(status: os.stat_result) -> str:
    return f"mode {stat.S_IMODE(status.st_mode):04o}"


@contextlib.contextmanager
def _closed_on_error(descriptor: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        os.close(descriptor)
        raise
