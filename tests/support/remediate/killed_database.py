"""A journal's database that ends its run right before or right after one of its records.

It counts transactions; its caller decides how the run ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, NoReturn

from remediate.state.database import JOURNAL_FILE, Database, open_database
from tests.support.crash_points import sampled

Point = tuple[Literal["before", "after"], int]
Killing = Callable[[Path, Point | None], tuple[int, str | None]]
"""Ends the first of two runs at a point: returns the number of its records, and what is wrong after the second."""
_AT_ONCE: Final = 4  # most of a repair is waiting for the host


class Killed(BaseException):
    """An end of the run that no code catches."""


def die() -> NoReturn:
    raise Killed


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


def wrong_after_each(folder: Path, killed: Killing) -> list[str]:
    """Return what is wrong after the second of two runs, the first of which was ended at each of its records."""

    def made(name: str) -> Path:
        (folder / name).mkdir()
        return folder / name

    records, wrong = killed(made("whole"), None)
    assert (records > 10, wrong) == (True, None)
    points: list[Point] = [(at, number) for number in range(1, records + 1) for at in ("before", "after")]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        ended = pool.map(lambda at: killed(made(f"{at[0]}-{at[1]}"), at), sampled(points))
        return [why for _, why in ended if why]
