"""Creates the tables of a journal, and migrates those of an older version.

Each file in `migrations` makes one version from the one before; its number is the version that it makes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

SCHEMA: Final = 9
"""The version of `schema.sql`, which a journal keeps as SQLite's `user_version`."""
_FOLDER: Final = files("remediate.state")


def migrate(connection: sqlite3.Connection) -> None:
    """Create the tables, or migrate older ones, within the open transaction.

    Raises sqlite3.DatabaseError; the caller then rolls the transaction back.
    """
    version = schema_version(connection)
    if version == SCHEMA:
        return
    if version == 0:
        _run(connection, _FOLDER / "schema.sql")
    else:
        for file in _after(version):
            _run(connection, file)
    connection.execute(f"PRAGMA user_version = {SCHEMA}")


def schema_version(connection: sqlite3.Connection) -> int:
    """Return the version of a journal's tables; 0 if there are none yet."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _after(version: int) -> Iterator[Traversable]:
    """Yield the migrations that an older version needs, in their order."""
    named = {int(file.name[:4]): file for file in (_FOLDER / "migrations").iterdir() if file.name.endswith(".sql")}
    yield from (named[number] for number in range(version + 1, SCHEMA + 1))


def _run(connection: sqlite3.Connection, file: Traversable) -> None:
    for statement in _statements(file.read_text("utf-8")):
        connection.execute(statement)


def _statements(text: str) -> Iterator[str]:
    """Yield the statements of a file, because `executescript` would commit the open transaction."""
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
