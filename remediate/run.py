"""One run of repairs: the state folder held, findings planned, repaired, and told of; or all of it only rehearsed.

It knows the order of these; each of them is known elsewhere. This is what the plugin and the command line begin with.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from audit.targets import Discovery
from remediate.assignment import Assignment
from remediate.database import FILE
from remediate.equipment import issuer_of, means_of, root_hints
from remediate.evidence import Evidence
from remediate.journal import Journal, open_journal
from remediate.lock import locked
from remediate.plan import Plan, plan
from remediate.rehearsal import rehearsal_lines
from remediate.runner import repair
from remediate.walk import Ending


@dataclass(frozen=True, slots=True)
class Repairs:
    """A run that holds the state folder."""

    assignment: Assignment
    journal: Journal

    def plan(self, evidence: Evidence) -> Plan:
        """Decide what to do about every finding."""
        return plan(evidence, self.assignment.bounds, self.assignment.clock())

    def repair(self, planned: Plan, discoveries: Iterable[Discovery]) -> tuple[Ending, ...]:
        """Repair what an earlier run left and what is planned, on hosts that were looked at; return how each ended."""
        means = means_of(self.assignment, self.journal, tuple(discoveries))
        return repair(planned.cases, means, self.assignment.pace)


def insist_on_usable(assignment: Assignment, *, only_looks: bool = False) -> None:
    """Raise BadConfiguration or UnusableState for what would keep a run from repairing anything."""
    issuer_of(assignment)
    root_hints(assignment)
    if not only_looks:
        with open_journal(assignment.state):
            """It can be opened."""


@contextmanager
def begin(assignment: Assignment) -> Iterator[Repairs]:
    """Hold the state folder for one run; raises UnusableState, and Held where another run has it."""
    with open_journal(assignment.state) as journal, locked(assignment.state, assignment.command, assignment.clock()):
        yield Repairs(assignment, journal)


def rehearse(
    assignment: Assignment, evidence: Evidence, discoveries: Sequence[Discovery], *, verbose: bool
) -> Iterator[str]:
    """Give the lines that say what a run would do now; nothing is touched, and the journal is read from a copy."""
    planned = plan(evidence, assignment.bounds, assignment.clock())
    with tempfile.TemporaryDirectory(prefix="sslaudit-") as folder:
        for file in assignment.state.glob(f"{FILE}*"):
            shutil.copy(file, folder)
        with open_journal(Path(folder)) as journal:
            means = means_of(assignment, journal, tuple(discoveries))
            yield from rehearsal_lines(planned, means, verbose=verbose)
