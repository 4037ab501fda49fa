"""The file the journal is kept in: who may read it, that it survives being killed, and its tables.

It knows SQLite; what the rows mean is the journal's.
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

SCHEMA: Final = 1
FILE: Final = "journal.sqlite"
BUSY_S: Final = 30.0  # a reader of `status` and a run side by side; two runs are kept apart by the lock

_TABLES: Final = (
    "CREATE TABLE cases (id TEXT PRIMARY KEY, round INTEGER NOT NULL, document TEXT NOT NULL, begun_at TEXT NOT NULL)",
    """CREATE TABLE steps (seq INTEGER PRIMARY KEY AUTOINCREMENT, case_id TEXT NOT NULL REFERENCES cases,
       round INTEGER NOT NULL, step TEXT NOT NULL, state TEXT NOT NULL, at TEXT NOT NULL, note TEXT NOT NULL)""",
    "CREATE INDEX steps_of_case ON steps (case_id, round, seq)",
    """CREATE TRIGGER steps_stay BEFORE UPDATE ON steps BEGIN SELECT RAISE(ABORT, 'a record is never changed'); END""",
    """CREATE TRIGGER steps_last BEFORE DELETE ON steps BEGIN SELECT RAISE(ABORT, 'a record is never removed'); END""",
    """CREATE TABLE orders (case_id TEXT NOT NULL REFERENCES cases, attempt INTEGER NOT NULL, issuer TEXT NOT NULL,
       csr_sha256 TEXT NOT NULL, order_id TEXT, status TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (case_id, attempt),
       UNIQUE (issuer, csr_sha256))""",
    """CREATE TABLE attempts (seq INTEGER PRIMARY KEY AUTOINCREMENT, case_id TEXT NOT NULL REFERENCES cases,
       at TEXT NOT NULL, ended TEXT NOT NULL, next_at TEXT, step TEXT NOT NULL, note TEXT NOT NULL,
       issuer TEXT, busy_until TEXT)""",
    "CREATE INDEX attempts_of_case ON attempts (case_id, seq)",
    """CREATE TABLE outcomes (case_id TEXT NOT NULL REFERENCES cases, round INTEGER NOT NULL, at TEXT NOT NULL,
       outcome TEXT NOT NULL, leaf_sha256 TEXT, note TEXT NOT NULL, PRIMARY KEY (case_id, round))""",
    """CREATE TABLE letters (id INTEGER PRIMARY KEY AUTOINCREMENT, state TEXT NOT NULL, message BLOB,
       kept_at TEXT NOT NULL, handed_over_at TEXT, progress TEXT NOT NULL DEFAULT '')""",
)


class UnusableState(Exception):
    """A state folder or journal that cannot be used; its message names it, what is wrong and what would be right."""


class Database:
    """A connection that several threads share: each transaction is one of them alone, and on disk when it ends.

    A write-ahead log, as with `synchronous=FULL` it is synced at each commit, while of a rollback journal only EXTRA
    syncs the folder that it is unlinked from: there a power cut could take back what was committed.
    """

    def __init__(self, file: Path) -> None:
        """Open the file; its tables are made where there are none. Raises UnusableState."""
        self._turn = threading.RLock()
        self._connection = sqlite3.connect(file, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(file)
        except sqlite3.OperationalError as error:
            self._connection.close()
            raise UnusableState(f"{file} cannot be used now: {error}") from error
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise UnusableState(f"{file} is no journal, or damaged: {error}; keep it aside and look at it") from error
        except UnusableState:
            self._connection.close()
            raise

    def _prepare(self, file: Path) -> None:
        (mode,) = self._connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise UnusableState(f"{file}: no write-ahead log can be kept there; the state has to lie on a local disk")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        with self.transaction():
            (schema,) = self._connection.execute("PRAGMA user_version").fetchone()
            if schema > SCHEMA:
                raise UnusableState(f"{file} is of a newer version (schema {schema}, {SCHEMA} is known): upgrade this")
            if schema == 0:
                for statement in _TABLES:
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {SCHEMA}")

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


def open_database(folder: Path, *, existing: bool = False) -> Database:
    """Open the journal's file in a folder of ours alone (0700), itself ours alone (0600); raises UnusableState."""
    try:
        if not safe_path(folder).exists() and not existing:
            own_directory(folder)
        _insist_on_privacy(folder)
        flags = os.O_RDWR | os.O_NOFOLLOW | (0 if existing else os.O_CREAT)
        descriptor = os.open(folder / FILE, flags, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise UnusableState(f"there is no journal in {folder}") from error
    except UnsafePath as error:
        raise UnusableState(f"the state folder {folder}: {error.strerror}") from error
    except OSError as error:
        raise UnusableState(f"{folder / FILE} cannot be opened: {error.strerror}") from error
    return Database(folder / FILE)


def _insist_on_privacy(folder: Path) -> None:
    """Refuse a folder that others may enter: what is in it decides what is done as root."""
    status = folder.stat()
    if status.st_uid != os.geteuid():
        raise UnusableState(f"the state folder {folder} belongs to another user (uid {status.st_uid})")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise UnusableState(f"others may enter the state folder {folder} (mode {mode:04o}): chmod 700, or name another")
