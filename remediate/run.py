"""One run of repairs: the state folder held, findings planned, repaired, and told of.

It knows the order of these; each of them is known elsewhere. This is what the plugin, the command line and the panel's
script begin and end with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from audit.targets import Discovery
from remediate.assignment import Assignment
from remediate.equipment import issuer_of, means_of
from remediate.evidence import Evidence
from remediate.journal import Journal, open_journal
from remediate.lock import locked
from remediate.plan import Plan, plan
from remediate.runner import repair
from remediate.site import Means
from remediate.walk import Ending


@dataclass(frozen=True, slots=True)
class Repairs:
    """A run that holds the state folder."""

    assignment: Assignment
    journal: Journal

    def plan(self, evidence: Evidence) -> Plan:
        """Decide what to do about every finding."""
        return plan(evidence, self.assignment.bounds, self.assignment.clock())

    def means(self, discoveries: Iterable[Discovery]) -> Means:
        """Return what this run may use on the hosts that were looked at."""
        return means_of(self.assignment, self.journal, tuple(discoveries))

    def repair(self, planned: Plan, discoveries: Sequence[Discovery]) -> tuple[Ending, ...]:
        """Repair what an earlier run left and what is planned; return how each case ended."""
        return repair(planned.cases, self.means(discoveries), self.assignment.pace)


@contextmanager
def repairs(assignment: Assignment) -> Iterator[Repairs]:
    """Hold the state folder for one run.

    Raises BadConfiguration before anything is done where the issuer, or a secret, cannot be used as it is configured,
    UnusableState for the folder, and Held where another run has it.
    """
    issuer_of(assignment)
    with open_journal(assignment.state) as journal, locked(assignment.state, assignment.command, assignment.clock()):
        yield Repairs(assignment, journal)
