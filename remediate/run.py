"""One run of repairs: the state folder held, findings planned, repaired, and told of; or only a dry run of it.

It knows the order of these; each of them is known elsewhere. This is what the plugin and the command line begin with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from audit.config import known_secrets
from audit.host.discovery import Discovery
from audit.redaction import Secrets
from remediate.deployment.release import ALL, Released, not_released, release_on
from remediate.execution.dry_run_lines import dry_run_lines
from remediate.execution.placeholder_cases import stopgaps
from remediate.execution.rollback import rollback
from remediate.execution.scheduler import repair
from remediate.hosts.workdir import ROOT, HostWorkdir
from remediate.model.audit_results import AuditResults
from remediate.model.case import Case
from remediate.model.options import Assignment
from remediate.model.outcome import CaseResult
from remediate.model.plan import Plan
from remediate.notify.notifier import notify
from remediate.notify.report import RunReport
from remediate.planning.planner import plan
from remediate.retry.resume_job import continuation_of, continue_later
from remediate.state.database import UnusableState
from remediate.state.journal import Journal, journal_snapshot, open_journal, require_usable_journal
from remediate.state.lock import locked
from remediate.wiring.means import hands_of, issuer_of, means_of, root_hints
from remediate.wiring.notification import known_hosts, notification_settings


@dataclass(frozen=True, slots=True)
class Repairs:
    """A run that holds the state folder."""

    assignment: Assignment
    journal: Journal
    secrets: Secrets = field(default_factory=Secrets)

    def plan(self, evidence: AuditResults) -> Plan:
        """Decide what to do about every finding."""
        return plan(evidence, self.assignment.bounds, self.assignment.clock())

    def repair(self, planned: Plan, discoveries: Iterable[Discovery]) -> tuple[CaseResult, ...]:
        """Repair what an earlier run left and what is planned, on hosts that were looked at; return how each ended."""
        means = means_of(self.assignment, self.journal, tuple(discoveries))
        endings = (*repair(planned.cases, means, self.assignment.pace), *stopgaps(planned.waiting, means))
        return tuple(map(self._without_secrets, endings))

    def roll_back(self, case_id: str, discoveries: Iterable[Discovery]) -> CaseResult:
        """Take a case back to what was there before it."""
        means = means_of(self.assignment, self.journal, tuple(discoveries))
        return self._without_secrets(rollback(case_id, means))

    def release(self, case: Case | None, discoveries: Iterable[Discovery]) -> tuple[Released, ...]:
        """Make links of earlier versions of this program files again: those of a case, or all on all hosts."""
        seen, cases = tuple(discoveries), (case.id,) if case else ()
        means = means_of(self.assignment, self.journal, seen)
        released = list[Released]()
        labels = {one.host.endpoint.host for one in seen}
        for host in [case.host] if case else sorted(filter(None, labels)):
            premises = HostWorkdir(host, case.id if case else ALL, means.owner, means.roots.get(host, means.root))
            hands = means.hands.get(host)
            released.append(release_on(premises, hands, *cases) if hands else not_released(host, seen))
        return tuple(replace(one, lines=tuple(map(self.secrets.hide, one.lines))) for one in released)

    def notify(
        self,
        report: RunReport,
        discoveries: Iterable[Discovery],
        results: bytes,
        on_refused: Callable[[str], None] = lambda _: None,
    ) -> tuple[str, ...]:
        """Notify recipients of the run, queue a job that resumes it if it waits, and return lines about both.

        `results` is the results file of the audit; `on_refused` is called with a line about each contact that gets no
        mail.
        """
        assignment, hide = self.assignment, self.secrets.hide
        continuation = continuation_of(
            assignment.state, assignment.configuration, assignment.access, again=assignment.again
        )
        continued = continue_later(
            report.case_results, continuation, allowed=assignment.may_continue, now=assignment.clock()
        )
        seen = tuple(discoveries)
        hands, hosts = hands_of(seen), known_hosts(seen, assignment.configuration)
        notified = notify(
            report, notification_settings(assignment, hosts), sessions=hands, results=results, now=assignment.clock(),
            on_refused=lambda line: on_refused(hide(line)),
        )  # fmt: skip
        return tuple(map(hide, (*continued, *notified)))

    def _without_secrets(self, ending: CaseResult) -> CaseResult:
        """Return how a case ended as it may be printed and mailed, whichever party's words are in it."""
        return replace(ending, note=self.secrets.hide(ending.note))


def validate_configuration(assignment: Assignment, *, only_looks: bool = False) -> None:
    """Raise BadConfiguration or UnusableState for what would keep a run from repairing anything."""
    issuer_of(assignment)
    notification_settings(assignment)
    root_hints(assignment)
    _insist_on_a_state_of_its_own(assignment)
    if not only_looks:
        require_usable_journal(assignment.state)


def _insist_on_a_state_of_its_own(assignment: Assignment) -> None:
    """Refuse a folder that is also where hosts keep versions and their lock: one of them may be this machine."""
    state, folders = assignment.state.resolve(), {host.folder for host in assignment.configuration.host.values()}
    if any(state == Path(folder) for folder in {ROOT, *filter(None, folders)}):
        raise UnusableState(f"the state folder {state} is where a repaired host keeps its versions: choose another, "
                            f"such as {state / 'state'}")  # fmt: skip


@contextmanager
def begin(assignment: Assignment) -> Iterator[Repairs]:
    """Hold the state folder for one run; raises UnusableState, and Held where another run has it.

    The journal is opened under the lock: a run of an older version may still write to it in the form it knows.
    """
    secrets = known_secrets(assignment.configuration)
    shown = replace(
        assignment,
        say=lambda text: assignment.say(secrets.hide(text)),
        watch=lambda case, step, state, note: assignment.watch(case, step, state, secrets.hide(note)),
    )
    require_usable_journal(assignment.state)
    with (
        locked(assignment.state, assignment.command, assignment.clock()),
        open_journal(assignment.state, secrets=secrets) as journal,
    ):
        yield Repairs(shown, journal, secrets)


def dry_run(
    assignment: Assignment, evidence: AuditResults, discoveries: Sequence[Discovery], *, verbose: bool
) -> Iterator[str]:
    """Give the lines that say what a run would do now; nothing is touched, and the journal is read from a copy."""
    planned = plan(evidence, assignment.bounds, assignment.clock())
    with journal_snapshot(assignment.state) as journal:
        yield from dry_run_lines(planned, means_of(assignment, journal, tuple(discoveries)), verbose=verbose)
