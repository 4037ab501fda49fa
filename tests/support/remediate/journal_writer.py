"""A process that writes a journal and is killed: after so many records, or in the middle of anything.

`python -m tests.support.remediate.journal_writer DIR RECORDS`; without RECORDS it prints each on standard output, and
never ends.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from remediate.model.outcome import Attempt
from remediate.state.journal import open_journal
from tests.support.remediate.journals import a_case, instants, walk


def after(folder: Path, records: int) -> None:
    """Write so many records of a repair and be killed."""
    with open_journal(folder) as journal:
        for number, _ in enumerate(walk(journal, a_case()), start=1):
            if number == records:
                os.kill(os.getpid(), signal.SIGKILL)


def for_ever(folder: Path) -> None:
    """Record attempts without end, and print the number of each when it is on disk."""
    case = a_case()
    with open_journal(folder) as journal:
        journal.begin(case, next(instants()))
        for number, at in enumerate(instants()):
            journal.attempts.add(case.id, Attempt(at, "failed", note=str(number)))
            os.write(sys.stdout.fileno(), f"{number}\n".encode())


if __name__ == "__main__":
    if len(sys.argv) > 2:
        after(Path(sys.argv[1]), int(sys.argv[2]))
    else:
        for_ever(Path(sys.argv[1]))
