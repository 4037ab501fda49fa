"""Counts how many small changes of the source the tests notice.

    python -m bench.mutants [MUTANTS [SEED]]

The files and their tests are in `mutants.toml`. Each file gets the same number of mutants (a remainder goes to the
first files), drawn by the seed and the file's new path. So a file that moves, or whose names change, gets the same
mutants. A file whose statements change gets others, but as many: compare the rates then, not the mutants.

The tests of each file run once without a change; it is an error if they fail or need more than 20 s. Two runs go on at
a time, each in a private copy of the checkout. Mutants that are left after 40 minutes are not run.

Prints how many mutants were killed, survived and timed out, per package and in all, then each survivor. A mutant that
timed out was noticed, like a killed one. Exits 1 if there was no time for all mutants, 2 on an error.
"""

from __future__ import annotations

import queue
import random
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from bench.mutation.operators import Edit, compiles, edits
from bench.mutation.trial import Copy, Done, NotImportedFromCopy, Outcome, Selection

CHECKOUT: Final = Path(__file__).parent.parent
TABLE: Final = Path(__file__).with_suffix(".toml")
MUTANTS: Final = 150
SEED: Final = 20261130
LIMIT_S: Final = 20.0  # of one run of tests
TOTAL_S: Final = 40 * 60.0
AT_A_TIME: Final = 2
_T = TypeVar("_T")


class MutantsError(Exception):
    """The table does not fit the checkout, or tests do not pass without a mutant."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the table as it is in the checkout."""

    package: str  # where the file is after the move
    path: str
    key: str  # the new path: the same before and after the move
    tests: Selection


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file; `text` is the file without it."""

    entry: Entry
    edit: Edit
    text: bytes

    def __str__(self) -> str:
        """Return where the change is, and what it is."""
        return f"{self.entry.path}:{self.edit.line}: {self.edit.describe(self.text)}"


@dataclass(frozen=True, slots=True)
class Result:
    """A mutant and what the tests did with it; None if there was no time to run them."""

    mutant: Mutant
    outcome: Outcome | None


def read_table(file: Path, checkout: Path) -> list[Entry]:
    """Read the table; raises MutantsError that names every path that does not exist."""
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    folders: dict[str, str] = table.get("test_folders", {})
    missing: list[str] = []

    def existing(*candidates: str) -> str:
        present = [path for path in candidates if (checkout / path).exists()]
        missing.extend([] if present else [" or ".join(candidates)])
        return present[0] if present else candidates[0]

    entries = [_entry(row, folders, existing) for row in table["file"]]
    if missing:
        raise MutantsError(f"{file.name}: these paths do not exist: {', '.join(missing)}. Correct the table.")
    return entries


def _entry(row: dict[str, Any], folders: dict[str, str], existing: Callable[..., str]) -> Entry:
    new = row.get("new", row["old"])
    tests = tuple(existing(*_locations(test, folders)) for test in row["tests"])
    return Entry(str(Path(new).parent), existing(new, row["old"]), new, Selection(tests, row.get("select", "")))


def _locations(test: str, folders: dict[str, str]) -> Iterator[str]:
    """Yield the path of a test and, if its folder moves, its path after the move."""
    yield test
    path = Path(test)
    if (folder := folders.get(str(path.parent))) is not None:
        yield f"{folder}/{path.name}"


def draw(entry: Entry, text: bytes, number: int, seed: int) -> list[Mutant]:
    """Draw this many mutants of a file that compile; fewer if the file has fewer."""
    every = edits(text)
    chance = random.Random(f"{seed} {entry.key}")  # noqa: S311 - not a secret
    usable = (edit for edit in chance.sample(every, len(every)) if compiles(edit.apply(text)))
    drawn = [edit for edit, _ in zip(usable, range(number), strict=False)]
    return [Mutant(entry, edit, text) for edit in sorted(drawn, key=lambda edit: (edit.start, edit.end))]


def draw_all(entries: Sequence[Entry], checkout: Path, number: int, seed: int) -> list[Mutant]:
    """Draw the same number of mutants of each file; a remainder goes to the first files."""
    share, remainder = divmod(number, len(entries))
    return [
        mutant
        for place, entry in enumerate(entries)
        for mutant in draw(entry, (checkout / entry.path).read_bytes(), share + (place < remainder), seed)
    ]


class Runner:
    """Runs tests in some private copies of the checkout, one run at a time in each."""

    def __init__(self, copies: Sequence[Copy], limit_s: float) -> None:
        """Take the copies; a run of tests is killed after `limit_s`."""
        self._limit_s = limit_s
        self._count = len(copies)
        self._free: queue.SimpleQueue[Copy] = queue.SimpleQueue()
        for copy in copies:
            self._free.put(copy)

    def require_passing(self, entries: Sequence[Entry]) -> None:
        """Run the tests without a mutant; raises MutantsError that names the files whose tests fail or are too slow."""
        wrong = [
            _complaint(entry, done) for entry, done in zip(entries, self._map(self._unchanged, entries), strict=True)
        ]
        if any(wrong):
            raise MutantsError("\n".join(text for text in wrong if text))

    def run(self, mutants: Sequence[Mutant], until: float) -> list[Result]:
        """Run the tests of each mutant; none is begun after `until`, a time of the monotonic clock."""
        return self._map(lambda mutant: self._judge(mutant, until), mutants)

    def _map(self, function: Callable[[Any], _T], values: Sequence[Any]) -> list[_T]:
        with ThreadPoolExecutor(self._count) as pool:
            return list(pool.map(function, values))

    def _unchanged(self, entry: Entry) -> Done:
        copy = self._free.get()
        try:
            copy.require_import(Path(entry.path).parts[0])
            return copy.run(entry.tests, self._limit_s)
        finally:
            self._free.put(copy)

    def _judge(self, mutant: Mutant, until: float) -> Result:
        if time.monotonic() >= until:
            return Result(mutant, None)
        copy = self._free.get()
        try:
            changed = mutant.edit.apply(mutant.text)
            done = copy.run_changed(mutant.entry.path, changed, mutant.entry.tests, self._limit_s)
            return Result(mutant, done.outcome)
        finally:
            self._free.put(copy)


def _complaint(entry: Entry, done: Done) -> str:
    """Return what is wrong with the tests of an unchanged file; empty if they passed in time."""
    if done.outcome is Outcome.SURVIVED:
        return ""
    how = f"took more than {done.seconds:.0f} s" if done.status is None else f"failed with status {done.status}"
    return f"{entry.path}: its tests {how} without a mutant: {' '.join(entry.tests.paths)}\n{done.output}"


def report(results: Sequence[Result]) -> str:
    """Return the table of packages and the list of survivors."""
    counts: dict[str, Counter[Outcome | None]] = {}
    for result in results:
        counts.setdefault(result.mutant.entry.package, Counter())[result.outcome] += 1
    lines = [f"{'package':28}{'killed':>8}{'survived':>10}{'timed out':>11}{'not run':>9}{'noticed':>9}"]
    lines += [_row(package, counts[package]) for package in sorted(counts)]
    lines.append(_row("all", sum(counts.values(), Counter())))
    survivors = [str(result.mutant) for result in results if result.outcome is Outcome.SURVIVED]
    return "\n".join([*lines, "", "survivors:", *(survivors or ["none"])])


def _row(name: str, count: Counter[Outcome | None]) -> str:
    run = count.total() - count[None]
    noticed = f"{100 * (run - count[Outcome.SURVIVED]) / run:.0f} %" if run else "-"
    killed, survived, timed_out = (count[outcome] for outcome in Outcome)
    return f"{name:28}{killed:8}{survived:10}{timed_out:11}{count[None]:9}{noticed:>9}"


def main(number: int = MUTANTS, seed: int = SEED) -> int:
    """Draw, run and count; return the exit status."""
    began = time.monotonic()
    try:
        mutants = draw_all(read_table(TABLE, CHECKOUT), CHECKOUT, number, seed)
        print(f"{len(mutants)} mutants, seed {seed}, at most {LIMIT_S:.0f} s each, {AT_A_TIME} at a time", flush=True)
        with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
            runner = Runner([Copy.of(CHECKOUT, Path(folder, str(place))) for place in range(AT_A_TIME)], LIMIT_S)
            runner.require_passing(list(dict.fromkeys(mutant.entry for mutant in mutants)))
            results = runner.run(mutants, began + TOTAL_S)
    except (MutantsError, NotImportedFromCopy) as error:
        print(error, file=sys.stderr)
        return 2
    print(report(results))
    return int(any(result.outcome is None for result in results))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
