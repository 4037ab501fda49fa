"""The SQLite file of the journal: private to its owner, and durable if a run is killed. `schema.sql` has its tables."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from audit.config.private_files import UnsafePath, own_directory, safe_path
from remediate.state.migrations import SCHEMA, migrate, schema_version

JOURNAL_FILE: Final = "journal.sqlite"
BUSY_S: Final = 30.0  # for `status` beside a run; two runs exclude each other by the lock


class UnusableState(Exception):
    """A state directory or journal that cannot be used; the message names it, the fault and the fix."""


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
        self._lock = threading.RLock()
        place, is_uri = (f"{file.absolute().as_uri()}?mode=ro", True) if reads_only else (str(file), False)
        self._connection = _connected(place, is_uri=is_uri)
        try:
            if reads_only:
                self._prepare_to_read(file)
            else:
                self._prepare(file, migrates=migrates)
        except sqlite3.OperationalError as error:
            self._connection.close()
            raise UnusableState(f"cannot use {file} now: {error}") from error
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise UnusableState(f"{file} is not a journal, or is damaged: {error}; move it away") from error
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
        """Commit all writes of the block, or none if it raises."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def write(self, statement: str, *values: Any) -> int:  # noqa: ANN401 - what SQLite takes
        """Execute a statement; return the number of the row that it inserted."""
        with self.transaction():
            return self._connection.execute(statement, values).lastrowid or 0

    def read(self, statement: str, *values: Any) -> Sequence[tuple[Any, ...]]:  # noqa: ANN401 - as above
        """Return all rows of a query."""
        with self._lock:
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
        raise UnusableState(f"cannot open {folder / JOURNAL_FILE}: {error.strerror}") from error
    return Database(folder / JOURNAL_FILE, reads_only=existing, migrates=migrates)


def _require_private(folder: Path) -> None:
    """Refuse a directory that others may enter, because its content decides what is done as root."""
    status = folder.stat()
    if status.st_uid != os.geteuid():
        raise UnusableState(f"the state directory {folder} belongs to another user (uid {status.st_uid})")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise UnusableState(f"others may enter the state directory {folder} (mode {mode:04o}): chmod it to 700")
