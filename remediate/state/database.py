"""The file the journal is kept in: who may read it, and that it survives being killed.

Its tables are in `remediate.state`; what the rows mean is the journal's.
"""

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
from remediate.state.migrations import SCHEMA, bring_up_to_date, schema_version

JOURNAL_FILE: Final = "journal.sqlite"
BUSY_S: Final = 30.0  # a reader of `status` and a run side by side; two runs are kept apart by the lock


class UnusableState(Exception):
    """A state folder or journal that cannot be used; its message names it, what is wrong and what would be right."""


class Database:
    """A connection that several threads share: each transaction is one of them alone, and on disk when it ends.

    A write-ahead log, as with `synchronous=FULL` it is synced at each commit, while of a rollback journal only EXTRA
    syncs the folder that it is unlinked from: there a power cut could take back what was committed.
    """

    def __init__(self, file: Path, *, reads_only: bool = False, migrates: bool = True) -> None:
        """Open the file; its tables are made if there are none, and those of an older version become those of today.

        If it `reads_only`, the file is not changed: an older version is read from a copy in memory. Without `migrates`
        an older version stays as it is. Raises UnusableState.
        """
        self._turn = threading.RLock()
        place, is_uri = (f"{file.absolute().as_uri()}?mode=ro", True) if reads_only else (str(file), False)
        self._connection = _connected(place, is_uri=is_uri)
        try:
            if reads_only:
                self._prepare_to_read(file)
            else:
                self._prepare(file, migrates=migrates)
        except sqlite3.OperationalError as error:
            self._connection.close()
            raise UnusableState(f"{file} cannot be used now: {error}") from error
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise UnusableState(f"{file} is no journal, or damaged: {error}; keep it aside and look at it") from error
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
            bring_up_to_date(self._connection)

    def _prepare(self, file: Path, *, migrates: bool) -> None:
        (mode,) = self._connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise UnusableState(f"{file}: no write-ahead log can be kept there; the state has to lie on a local disk")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        with self.transaction():
            if _known_version(self._connection, file) == 0 or migrates:
                bring_up_to_date(self._connection)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all of what is written inside, or nothing of it."""
        with self._turn:
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
        """Write one row; return its number."""
        with self.transaction():
            return self._connection.execute(statement, values).lastrowid or 0

    def read(self, statement: str, *values: Any) -> Sequence[tuple[Any, ...]]:  # noqa: ANN401 - as above
        """Return all rows of a question."""
        with self._turn:
            return self._connection.execute(statement, values).fetchall()

    def close(self) -> None:
        """Close the file."""
        with self._turn:
            self._connection.close()


def _connected(place: str, *, is_uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(place, timeout=BUSY_S, isolation_level=None, check_same_thread=False, uri=is_uri)


def _known_version(connection: sqlite3.Connection, file: Path) -> int:
    """Return the version of a journal's tables; raises UnusableState for one that is newer than this program."""
    version = schema_version(connection)
    if version > SCHEMA:
        raise UnusableState(f"{file} is of a newer version (schema {version}, {SCHEMA} is known): upgrade this")
    return version


def open_database(folder: Path, *, existing: bool = False, migrates: bool = True) -> Database:
    """Open the journal's file in a folder of ours alone (0700), itself ours alone (0600); raises UnusableState.

    One that has to be `existing` is only read.
    """
    try:
        if not safe_path(folder).exists() and not existing:
            own_directory(folder)
        _insist_on_privacy(folder)
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
        raise UnusableState(f"the state folder {folder}: {error.strerror}") from error
    except OSError as error:
        raise UnusableState(f"{folder / JOURNAL_FILE} cannot be opened: {error.strerror}") from error
    return Database(folder / JOURNAL_FILE, reads_only=existing, migrates=migrates)


def _insist_on_privacy(folder: Path) -> None:
    """Refuse a folder that others may enter: what is in it decides what is done as root."""
    status = folder.stat()
    if status.st_uid != os.geteuid():
        raise UnusableState(f"the state folder {folder} belongs to another user (uid {status.st_uid})")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise UnusableState(f"others may enter the state folder {folder} (mode {mode:04o}): chmod 700, or name another")
