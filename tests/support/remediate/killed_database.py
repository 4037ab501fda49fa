"""Ends a run right before or right after one of its records, and lets the next run complete it.

A run is not made anew for each record: the directory is copied at the records of one whole run, and each next run
starts from such a copy. Only where the detached script of a switch runs at that moment, the first run is made again,
because a copy has no processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn

from remediate.state.database import JOURNAL_FILE, Database, open_database
from remediate.state.journal import Journal, open_journal
from tests.support.crash_points import STEP
from tests.support.remediate.saved_folder import SavedFolder, is_locked

Point = tuple[Literal["before", "after"], int]


class Killed(BaseException):
    """An end of the run that no code catches."""


def die() -> NoReturn:
    raise Killed


class MortalDatabase(Database):
    """Counts its records from 1 and calls `see` right before and right after each."""

    def __init__(self, file: Path, see: Callable[[Point], object]) -> None:
        self._see, self.records = see, -1  # the first transaction makes the tables
        super().__init__(file)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Count the outermost ones."""
        if self._connection.in_transaction:
            yield
            return
        self.records += 1
        number = self.records
        if number:
            self._see(("before", number))
        with super().transaction():
            yield
        if number:
            self._see(("after", number))


def watched_database(folder: Path, see: Callable[[Point], object]) -> MortalDatabase:
    """Open the journal's file in a state directory, made as it is made otherwise."""
    open_database(folder).close()
    return MortalDatabase(folder / JOURNAL_FILE, see)


def mortal_database(folder: Path, at: Point | None, end: Callable[[], object]) -> MortalDatabase:
    """Open the journal of a run that is ended at this point, if one is given."""
    return watched_database(folder, lambda point: end() if point == at else None)


@dataclass(frozen=True, slots=True)
class KilledRun:
    """A run that can be ended at its records, and the next one.

    `folder` has all that both change, with the journal in its directory `state`; a double may have more in `memory`.
    `complete` makes the next run and returns what is found after it, which has to be `expected`. `changes` counts what
    was changed on the host and ordered.
    """

    folder: Path
    begin: Callable[[Journal], object]
    complete: Callable[[Journal], object]
    expected: object
    changes: Callable[[], object]
    memory: MutableMapping[Any, Any] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """The directory of the journal."""
        return self.folder / "state"

    def start(self, see: Callable[[Point], object]) -> int:
        """Make the first run and return the number of its records."""
        database = watched_database(self.state, see)
        with Journal(database) as journal, suppress(Killed):
            self.begin(journal)
        return database.records

    def fault(self) -> object | None:
        """Make the next run and return what is found after it, if that is not what is expected."""
        with open_journal(self.state) as journal:
            found = self.complete(journal)
        return None if found == self.expected else found


class _Copy:
    """The directory and memory of a run at one moment."""

    def __init__(self, run: KilledRun, to: Path) -> None:
        self._run, self._saved, self._memory = run, SavedFolder(run.folder, to), dict(run.memory)

    def restore(self) -> None:
        """Put both back."""
        self._saved.restore()
        self._run.memory.clear()
        self._run.memory.update(self._memory)


def faults_after_each(run: KilledRun, *, records_above: int = 10, step: int = STEP) -> list[str]:
    """Return the faults after the next run, for one in `step` of the states in which the first run can be ended.

    Two points are one state if nothing is recorded or changed on the host between them.
    """
    copies = run.folder.with_name(f"{run.folder.name}-copies")
    beginning = _Copy(run, copies / "beginning")
    states: set[object] = set()
    tried: dict[Point, _Copy | None] = {}

    def see(point: Point) -> None:
        moment, number = point
        state = (number - (moment == "before"), run.changes())
        if state in states:
            return
        states.add(state)
        if len(states) % step == 0:
            tried[point] = None if is_locked(run.folder) else _Copy(run, copies / f"{moment}-{number}")

    assert run.start(see) > records_above
    assert run.fault() is None
    assert len(tried) > 1
    faults = {point: _fault_after(run, point, copy, beginning) for point, copy in tried.items()}
    return [f"ended {moment} record {number}: {fault}" for (moment, number), fault in faults.items() if fault]


def _fault_after(run: KilledRun, point: Point, copy: _Copy | None, beginning: _Copy) -> object | None:
    (copy or beginning).restore()
    if copy is None:
        run.start(lambda seen: die() if seen == point else None)
    return run.fault()
