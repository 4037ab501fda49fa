"""Processes that write a journal and are killed: after so many records, or in the middle of anything.

`python -m tests.support.remediate.journal_writer DIR RECORDS` writes DIR/1, DIR/2 and so on up to RECORDS, each by a
process of its own that is killed after so many records, and prints how each ended. Without RECORDS it writes a journal
in DIR, prints each record on standard output, and never ends.
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


def after_each(folder: Path, most: int) -> None:
    """Let a copy of this process be killed after each number of records, and print the status of each."""
    for records in range(1, most + 1):
        if (process := os.fork()) == 0:
            after(folder / str(records), records)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))  # noqa: T201 - read by the test


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
        after_each(Path(sys.argv[1]), int(sys.argv[2]))
    else:
        for_ever(Path(sys.argv[1]))
