"""The SQLite file of the journal: private to its owner, and durable if a run is killed. `schema.sql` has its tables."""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from audit.config.private_files import UnsafePath, own_directory, safe_path
from remediate.state.migrations import SCHEMA, migrate, schema_version

JOURNAL_FILE: Final = "journal.sqlite"
ROOM: Final = 1 << 20
"""Bytes that a run needs in the state directory besides the journal."""
BUSY_S: Final = 30.0  # for `status` beside a run; two runs exclude each other by the lock


class UnusableState(Exception):
    """A state directory or journal that cannot be used; the message names it, the fault and the fix."""


class BrokenState(UnusableState):
    """A state directory on a full, read-only or broken disk, or a damaged journal: an audit can do without it."""


_FAULTS_OF_STORAGE: Final = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY,
    }
)  # fmt: skip
_PRIMARY_CODE: Final = 0xFF  # of the extended codes that SQLite returns


class Database:
    """A connection that threads share: a transaction belongs to one of them, and is on disk when it ends.

    It uses a write-ahead log because `synchronous=FULL` syncs that at each commit. A rollback journal would need EXTRA
    to sync its directory after it is unlinked; without that, a power cut could undo a commit.
    """

    def __init__(self, file: Path, *, reads_only: bool = False, migrates: bool = True) -> None:
        """Open the file; its tables are created if there are none, and those of an older version are migrated.

        With `reads_only` the file is not changed: an older version is migrated in a copy in memory. Without `migrates`
        an older version stays as it is. Raises UnusableState.
        """
        self._lock, self._file = threading.RLock(), file
        place, is_uri = (f"{file.absolute().as_uri()}?mode=ro", True) if reads_only else (str(file), False)
        self._connection = _connected(place, is_uri=is_uri)
        try:
            if reads_only:
                self._prepare_to_read(file)
            else:
                self._prepare(file, migrates=migrates)
        except sqlite3.OperationalError as error:
            self._connection.close()
            raise BrokenState(f"cannot use the journal now ({error}): {file}") from error
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise BrokenState(f"the file is not a journal, or is damaged ({error}): move {file} away") from error
        except UnusableState:
            self._connection.close()
            raise

    def _prepare_to_read(self, file: Path) -> None:
        if _known_version(self._connection, file) == SCHEMA:
            return
        stored, self._connection = self._connection, _connected(":memory:")
        stored.backup(self._connection)
        stored.close()
        with self.transaction():
            migrate(self._connection)

    def _prepare(self, file: Path, *, migrates: bool) -> None:
        (mode,) = self._connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise UnusableState(f"{file}: cannot create a write-ahead log there; the state must be on a local disk")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        with self.transaction():
            if _known_version(self._connection, file) == 0 or migrates:
                migrate(self._connection)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all writes of the block, or none if it raises; raises BrokenState."""
        with self._lock, self._storage():
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._roll_back()
                raise
            try:
                self._connection.execute("COMMIT")
            except sqlite3.DatabaseError:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # SQLite itself ends it if the disk is full
            self._connection.execute("ROLLBACK")

    @contextmanager
    def _storage(self) -> Iterator[None]:
        """Raise BrokenState for an error of the disk or of the file."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE in _FAULTS_OF_STORAGE:
                raise BrokenState(f"cannot use the journal ({error}): {self._file}") from error
            raise

    def require_sound(self) -> None:
        """Raise BrokenState if the file is damaged."""
        faults = [str(text) for (text,) in self.read("PRAGMA quick_check(1)") if text != "ok"]
        if faults:
            raise BrokenState(f"the journal is damaged ({faults[0]}): move {self._file} away")

    def write(self, statement: str, *values: Any) -> int:  # noqa: ANN401 - what SQLite takes
        """Execute a statement; return the number of the row that it inserted."""
        with self.transaction():
            return self._connection.execute(statement, values).lastrowid or 0

    def read(self, statement: str, *values: Any) -> Sequence[tuple[Any, ...]]:  # noqa: ANN401 - as above
        """Return all rows of a query; raises BrokenState."""
        with self._lock, self._storage():
            return self._connection.execute(statement, values).fetchall()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


def _connected(place: str, *, is_uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(place, timeout=BUSY_S, isolation_level=None, check_same_thread=False, uri=is_uri)


def _known_version(connection: sqlite3.Connection, file: Path) -> int:
    """Return the version of a journal's tables; raises UnusableState for one that is newer than this program."""
    version = schema_version(connection)
    if version > SCHEMA:
        raise UnusableState(
            f"{file} has a newer schema ({version}, this program supports {SCHEMA}): upgrade this program"
        )
    return version


def open_database(folder: Path, *, existing: bool = False, migrates: bool = True) -> Database:
    """Open the journal in a directory that only we may enter (0700), itself ours alone (0600); raises UnusableState.

    An `existing` one is only read.
    """
    try:
        if not safe_path(folder).exists() and not existing:
            own_directory(folder)
        _require_private(folder)
        flags = os.O_RDONLY if existing else os.O_RDWR | os.O_CREAT
        descriptor = os.open(folder / JOURNAL_FILE, flags | os.O_NOFOLLOW, 0o600)
        try:
            if not existing:
                os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise UnusableState(f"there is no journal in {folder}") from error
    except UnsafePath as error:
        raise UnusableState(f"state directory {folder}: {error.strerror}") from error
    except OSError as error:
        raise BrokenState(f"cannot open the journal ({error.strerror}): {folder / JOURNAL_FILE}") from error
    return Database(folder / JOURNAL_FILE, reads_only=existing, migrates=migrates)


def require_room(folder: Path) -> None:
    """Raise BrokenState if a state directory cannot take what a run writes, because of the disk or a quota."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(ROOM))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        why = f"cannot write {ROOM // 1024} kB to the state directory ({error.strerror}): {folder}"
        raise BrokenState(why) from error


def _require_private(folder: Path) -> None:
    """Refuse a directory that others may enter, because its content decides what is done as root."""
    status = folder.stat()
    if status.st_uid != os.geteuid():
        raise UnusableState(f"the state directory {folder} belongs to another user (uid {status.st_uid})")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise UnusableState(f"others may enter the state directory {folder} (mode {mode:04o}): chmod it to 700")
