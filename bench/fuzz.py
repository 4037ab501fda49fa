"""Everything that reads what others send, over mutants of certificates, CRLs and OCSP answers that are made here.

    python -m bench.fuzz [MUTANTS [SEED]]

Each mutant takes its original's place in the evidence of an endpoint that is otherwise good. Two thirds are signed
again, so that what comes after the signature is reached (`tests/support/x509/mutated_evidence.py`). Then facts,
chain, path, linter, revocation, keys and all checks are asked (`tests/support/x509/evidence_fuzzing.py`). An escape
is whatever is raised and is no judgement, a warning too, and a leaf that cannot be read and is no finding. Prints of
each kind its mutants, in how many `cert.malformed` was a finding, the escapes and the slowest; then how each escape
came about, with its bytes. Exits 1 where there was one, or where a mutant took more than a second of CPU. The seed
chooses the edits; keys and serial numbers are new in each run.
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
HANGS_S: Final = 30.0  # of CPU, after which a mutant is given up
SHOWN: Final = 10  # escapes, one of each place
PROGRESS: Final = 10_000
IN_FULL_EVERY: Final = 20  # mutants one is also put to pkilint, where it is installed: it takes some 8 ms
SWEPT_EVERY: Final = 1000  # mutants, after which garbage is collected: no one of them is charged with what all left


class Hangs(BaseException):
    """A mutant took so long that it was given up; nothing that is read with may catch it."""


@dataclass(slots=True)
class Counts:
    """What became of the mutants of one kind."""

    mutants: int = 0
    malformed: int = 0
    escapes: int = 0
    slowest_s: float = 0.0

    def add(self, other: Counts) -> None:
        """Count another's mutants too."""
        self.mutants += other.mutants
        self.malformed += other.malformed
        self.escapes += other.escapes
        self.slowest_s = max(self.slowest_s, other.slowest_s)

    def __str__(self) -> str:
        """Return a line of the table."""
        return f"{self.mutants:9}{self.malformed:11}{self.escapes:9}{1000 * self.slowest_s:10.0f} ms"


@dataclass(slots=True)
class Run:
    """A run so far: by kind what was counted, and by place and exception the first escape of each."""

    tallies: dict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    escapes: dict[str, str] = field(default_factory=dict)  # by what was raised and where
    slowest: tuple[float, str] = (0.0, "")

    def judge(self, tried: Attempt, *, in_full: bool) -> None:
        """Have one mutant read."""
        tally, began = self.tallies[tried.kind], time.process_time()
        tally.mutants += 1
        try:
            with _limited():
                tally.malformed += read_all(tried.evidence, tried.kind, in_full=in_full)[MALFORMED] is not None
        except (Exception, Hangs) as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            tally.escapes += 1
            self.escapes.setdefault(_place(error), f"{error}\n  {tried.kind} {tried.der.hex()}")
        took = time.process_time() - began
        tally.slowest_s = max(tally.slowest_s, took)
        if took > self.slowest[0]:
            self.slowest = took, f"{tried.kind} {tried.der.hex()}"


def main(mutants: int, seed: int) -> int:
    """Try so many mutants, print the table, and return the exit status."""
    print(f"{mutants} mutants, seed {seed}", flush=True)
    chance, run = random.Random(seed), Run()  # noqa: S311 - nothing is secret here
    read_all(good_evidence()[0], "leaf", in_full=True)  # what is imported late is imported now
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
    """Print what was counted; return 1 where anything escaped or took too long."""
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
    """Let warnings be errors; collect no garbage meanwhile, and log nothing: pkilint does where it cannot judge."""
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
    """Give up after so much CPU; what the library does in one call is waited for."""

    def give_up(*_: object) -> None:
        raise Hangs(f"no end after {HANGS_S:.0f} s of CPU")

    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, HANGS_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _place(error: BaseException) -> str:
    """Return what was raised, and the last two lines of ours through which it came."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "/audit/" in frame.filename]
    way = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in ours[:-3:-1])
    return f"{type(error).__name__} ({way})"


if __name__ == "__main__":
    arguments = [*map(int, sys.argv[1:]), *(MUTANTS, SEED)[len(sys.argv) - 1 :]]
    sys.exit(main(arguments[0], arguments[1]))
