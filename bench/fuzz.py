"""Fuzzes the readers of remote data with mutants of certificates, CRLs and OCSP responses that are made here.

    python -m bench.fuzz [MUTANTS [SEED]]

Each mutant replaces its original in the evidence of a sound endpoint. Two thirds are signed again, so that the code
after the signature check runs too (`tests/support/x509/mutated_evidence.py`). Then facts, chain, path, lints,
revocation, keys and all checks are evaluated (`tests/support/x509/evidence_fuzzing.py`). An escape is an exception that
is not a verdict, a warning, or an unreadable leaf without a finding.

Prints for each kind the mutants, the findings of `cert.malformed`, the escapes and the slowest mutant; then each escape
with its bytes. Exits with status 1 if there was an escape, or if a mutant took more than a second of CPU. The seed
determines the edits; keys and serial numbers are new in each run.
"""

from __future__ import annotations

import gc
import logging
import random
import signal
import sys
import time
import traceback
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from audit.analysis.chains import MALFORMED
from tests.support.x509.evidence_fuzzing import KINDS, read_all
from tests.support.x509.mutated_evidence import Attempt, attempt, good_evidence

MUTANTS: Final = 100_000
SEED: Final = 20261123
SLOWEST_S: Final = 1.0
HANGS_S: Final = 30.0  # of CPU for one mutant
SHOWN: Final = 10  # escapes, one for each place
PROGRESS: Final = 10_000
IN_FULL_EVERY: Final = 20  # every so many mutants pkilint runs too, if it is installed: it takes about 8 ms
SWEPT_EVERY: Final = 1000  # every so many mutants garbage is collected, outside the time of a mutant


class Hangs(BaseException):
    """A mutant exceeded its time; no reader may catch this."""


@dataclass(slots=True)
class Counts:
    """The counts of the mutants of one kind."""

    mutants: int = 0
    malformed: int = 0
    escapes: int = 0
    slowest_s: float = 0.0

    def add(self, other: Counts) -> None:
        """Add the counts of another kind."""
        self.mutants += other.mutants
        self.malformed += other.malformed
        self.escapes += other.escapes
        self.slowest_s = max(self.slowest_s, other.slowest_s)

    def __str__(self) -> str:
        """Return a line of the table."""
        return f"{self.mutants:9}{self.malformed:11}{self.escapes:9}{1000 * self.slowest_s:10.0f} ms"


@dataclass(slots=True)
class Run:
    """A run so far: the counts by kind, and the first escape by place and exception."""

    tallies: dict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    escapes: dict[str, str] = field(default_factory=dict)  # by exception and place
    slowest: tuple[float, str] = (0.0, "")

    def judge(self, tried: Attempt, *, in_full: bool) -> None:
        """Evaluate one mutant."""
        tally, began = self.tallies[tried.kind], time.process_time()
        tally.mutants += 1
        try:
            with _limited():
                tally.malformed += read_all(tried.evidence, tried.kind, in_full=in_full)[MALFORMED] is not None
        except (Exception, Hangs) as error:  # noqa: BLE001 - every exception is an escape
            tally.escapes += 1
            self.escapes.setdefault(_place(error), f"{error}\n  {tried.kind} {tried.der.hex()}")
        took = time.process_time() - began
        tally.slowest_s = max(tally.slowest_s, took)
        if took > self.slowest[0]:
            self.slowest = took, f"{tried.kind} {tried.der.hex()}"


def main(mutants: int, seed: int) -> int:
    """Try this many mutants, print the table, and return the exit status."""
    print(f"{mutants} mutants, seed {seed}", flush=True)
    chance, run = random.Random(seed), Run()  # noqa: S311 - not a secret
    read_all(good_evidence()[0], "leaf", in_full=True)  # late imports happen now
    began = time.process_time()
    with _undisturbed():
        for number in range(mutants):
            run.judge(attempt(chance), in_full=not number % IN_FULL_EVERY)
            if not number % SWEPT_EVERY:
                gc.collect()
            if number and not number % PROGRESS:
                print(f"{number} so far, {time.process_time() - began:.0f} s of CPU", file=sys.stderr)
    return _report(run, time.process_time() - began)


def _report(run: Run, cpu_s: float) -> int:
    """Print the counts; return 1 if there was an escape or a mutant took too long."""
    total = Counts()
    print(f"{'mutants of':14}  mutants  malformed  escapes      slowest")
    for kind in KINDS:
        total.add(run.tallies[kind])
        print(f"{kind:14}{run.tallies[kind]}")
    print(f"{'all':14}{total}")
    print(f"{cpu_s:.0f} s of CPU, {1000 * cpu_s / max(1, total.mutants):.2f} ms each")
    for place, what in list(run.escapes.items())[:SHOWN]:
        print(f"escape: {place}\n  {what}")
    if total.slowest_s > SLOWEST_S:
        print(f"slowest:\n  {run.slowest[1]}")
    return int(bool(total.escapes) or total.slowest_s > SLOWEST_S)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Make warnings errors, and turn off garbage collection and logging: pkilint logs what it cannot judge."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logging.disable()
        gc.disable()
        try:
            yield
        finally:
            gc.enable()
            logging.disable(logging.NOTSET)


@contextmanager
def _limited() -> Iterator[None]:
    """Raise after this much CPU time; a call into the library is not interrupted."""

    def give_up(*_: object) -> None:
        raise Hangs(f"not finished after {HANGS_S:.0f} s of CPU")

    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, HANGS_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _place(error: BaseException) -> str:
    """Return the exception, and the last two lines of this project in its trace."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "/audit/" in frame.filename]
    way = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in ours[:-3:-1])
    return f"{type(error).__name__} ({way})"


if __name__ == "__main__":
    arguments = [*map(int, sys.argv[1:]), *(MUTANTS, SEED)[len(sys.argv) - 1 :]]
    sys.exit(main(arguments[0], arguments[1]))
