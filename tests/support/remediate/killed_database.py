"""A journal's database that ends its run right before or right after one of its records.

It counts transactions; its caller decides how the run ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from remediate.state.database import JOURNAL_FILE, Database, open_database

Point = tuple[Literal["before", "after"], int]


class MortalDatabase(Database):
    """Counts its records from 1; without a point it ends nothing."""

    def __init__(self, file: Path, at: Point | None, end: Callable[[], object]) -> None:
        self._at, self._end, self.records = at, end, -1  # the first transaction makes the tables
        super().__init__(file)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Count the outermost ones."""
        if self._connection.in_transaction:
            yield
            return
        self.records += 1
        number = self.records
        if self._at == ("before", number):
            self._end()
        with super().transaction():
            yield
        if self._at == ("after", number):
            self._end()


def mortal_database(folder: Path, at: Point | None, end: Callable[[], object]) -> MortalDatabase:
    """Open the journal's file in a state directory, made as it is made otherwise."""
    open_database(folder).close()
    return MortalDatabase(folder / JOURNAL_FILE, at, end)
