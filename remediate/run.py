"""Makes a run of repairs: holds the state directory, plans, repairs and notifies. Makes a dry run as well.

The plugin and the command line use only this module to repair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from audit.config import known_secrets
from audit.host.discovery import Discovery
from audit.redaction import Secrets
from audit.text import join_clauses
from remediate.deployment.base import Released
from remediate.deployment.release import ALL_CASES, not_released
from remediate.execution.dead_names import without_dead_names
from remediate.execution.dry_run_lines import dry_run_lines
from remediate.execution.placeholder_cases import install_waiting_placeholders
from remediate.execution.rollback import rollback
from remediate.execution.scheduler import repair
from remediate.execution.steps.authorizations import remove_left_over
from remediate.hosts.workdir import ROOT, HostWorkdir
from remediate.installers import configured_installers
from remediate.model.audit_results import AuditResults
from remediate.model.case import Case
from remediate.model.causes import Cause
from remediate.model.options import RunOptions
from remediate.model.outcome import CaseResult
from remediate.model.plan import Plan
from remediate.notify.notifier import notify
from remediate.notify.report import RunReport
from remediate.planning.planner import plan
from remediate.retry.resume_job import queue_if_pending, resume_job_of
from remediate.state.database import UnusableState
from remediate.state.journal import (
    Journal,
    journal_snapshot,
    open_journal,
    require_usable_journal,
    substitute_journal,
)
from remediate.state.lock import locked
from remediate.state.waiting import IN_PLAN, Wait
from remediate.wiring.notification import known_hosts, notification_settings
from remediate.wiring.run_context import host_sessions, run_context
from remediate.wiring.sections import configured_issuer, configured_solvers, resolution_of, root_hints, run_limits

_NO_ISSUER: Final = (
    "no issuer is chosen, so no certificate can be ordered: choose one with [remediate] issuer and its section "
    "[issuer.NAME], or with --audit-issuer"
)


@dataclass(frozen=True, slots=True)
class RepairRun:
    """A run that holds the state directory."""

    options: RunOptions
    journal: Journal
    secrets: Secrets = field(default_factory=Secrets)

    def plan(self, evidence: AuditResults) -> Plan:
        """Return the plan for every finding."""
        planned, now = _planned(self.options, evidence), self.options.clock()
        hosts = {seen.label for seen in evidence.seen.values() if seen.label}
        waits = [
            Wait(waiting.case, join_clauses([blocker.text for blocker in waiting.blocked_by]))
            for waiting in planned.waiting
        ]
        self.journal.waiting.replace(hosts, waits, now, kept={case.id for case in planned.cases})
        return planned

    def repair(self, planned: Plan, discoveries: Iterable[Discovery]) -> tuple[CaseResult, ...]:
        """Run unfinished and planned cases on the discovered hosts, and return the result of each."""
        run = run_context(self.options, self.journal, tuple(discoveries))
        remove_left_over(run)
        results = repair(planned.cases, run, self.options.concurrency)
        waits = [wait for wait in map(_wait_of, results) if wait]
        self.journal.waiting.update((result.case.id for result in results), waits, self.options.clock())
        return tuple(map(self._without_secrets, (*results, *install_waiting_placeholders(planned.waiting, run))))

    def roll_back(self, case_id: str, discoveries: Iterable[Discovery]) -> CaseResult:
        """Roll a case back to the version before it."""
        run = run_context(self.options, self.journal, tuple(discoveries))
        return self._without_secrets(rollback(case_id, run))

    def release(self, case: Case | None, discoveries: Iterable[Discovery]) -> tuple[Released, ...]:
        """Replace links of earlier versions of this program by files: those of a case, or all on all hosts."""
        seen, cases = tuple(discoveries), (case.id,) if case else ()
        run = run_context(self.options, self.journal, seen)
        released = list[Released]()
        labels = {discovery.host.endpoint.host for discovery in seen}
        for host in [case.host] if case else sorted(filter(None, labels)):
            context = run.host(host)
            workdir = HostWorkdir(host, case.id if case else ALL_CASES, run.lock_holder, context.workdir_root)
            if context.is_logged_in:
                queries = dict.fromkeys(deployment.release(workdir, *cases) for deployment in context.deployments)
                released += [query.parse(run.execute(query.command)) for query in queries]
            else:
                released.append(not_released(host, seen))
        return tuple(replace(result, lines=tuple(map(self.secrets.hide, result.lines))) for result in released)

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
        options, hide = self.options, self.secrets.hide
        resume_job = resume_job_of(options.state, options.configuration, options.access, again=options.resume_argv)
        continued = queue_if_pending(report.case_results, resume_job, allowed=options.allow_retry, now=options.clock())
        seen = tuple(discoveries)
        sessions, hosts = host_sessions(seen), known_hosts(seen, options.configuration)
        notified = notify(
            report, notification_settings(options, hosts), sessions=sessions, results=results, now=options.clock(),
            on_refused=lambda line: on_refused(hide(line)),
        )  # fmt: skip
        return tuple(map(hide, (*continued, *notified)))

    def _without_secrets(self, result: CaseResult) -> CaseResult:
        """Return a result without secrets, which may be in the text of another party."""
        return replace(result, note=self.secrets.hide(result.note))


def _wait_of(result: CaseResult) -> Wait | None:
    """Return how a case waits that was not begun in this run; None if its last attempt or a rollback says why."""
    if result.ended_as != "waiting" or result.cause in (Cause.RUN_NOT_DUE, Cause.ROLLBACK_HELD):
        return None
    step = next((step.name for step in result.case.steps if step.state != "done"), IN_PLAN)
    why = ": ".join(filter(None, (result.cause, result.note)))
    return Wait(result.case, why, result.step or step, result.next_at)


def _planned(options: RunOptions, evidence: AuditResults) -> Plan:
    planned = plan(evidence, run_limits(options), options.clock())
    return without_dead_names(planned, evidence, resolution_of(options))


def validate_configuration(options: RunOptions, *, is_dry_run: bool = False) -> None:
    """Raise BadConfiguration or UnusableState if the configuration or the state directory makes repairs impossible."""
    configured_issuer(options)
    configured_installers(options.configuration)
    configured_solvers(options.configuration)
    notification_settings(options)
    root_hints(options)
    _require_separate_state(options)
    if not is_dry_run:
        require_usable_journal(options.state)


def _require_separate_state(options: RunOptions) -> None:
    """Refuse a state directory that is also the work directory of a host: this machine may be that host."""
    state, folders = options.state.resolve(), {host.folder for host in options.configuration.host.values()}
    if any(state == Path(folder) for folder in {ROOT, *filter(None, folders)}):
        raise UnusableState(f"the state directory {state} is where a repaired host keeps its versions: choose another, "
                            f"such as {state / 'state'}")  # fmt: skip


@contextmanager
def repair_run(options: RunOptions) -> Iterator[RepairRun]:
    """Hold the state directory for a run; raises UnusableState, and LockHeld if another run holds it.

    The journal is opened under the lock, because a run of an older version may still write its own schema to it.
    """
    secrets = known_secrets(options.configuration)
    require_usable_journal(options.state)
    with (
        locked(options.state, options.command, options.clock()),
        open_journal(options.state, secrets=secrets) as journal,
    ):
        yield RepairRun(_redacted(options, secrets), journal, secrets)


@contextmanager
def unrecorded_run(options: RunOptions) -> Iterator[RepairRun]:
    """Open a run that only plans and notifies, because its state cannot be used. What it records is lost."""
    secrets = known_secrets(options.configuration)
    with substitute_journal(options.state, secrets) as journal:
        yield RepairRun(_redacted(options, secrets), journal, secrets)


def _redacted(options: RunOptions, secrets: Secrets) -> RunOptions:
    return replace(
        options,
        log=lambda text: options.log(secrets.hide(text)),
        announce=lambda text: options.announce(secrets.hide(text)),
        on_step=lambda case, step, state, note: options.on_step(case, step, state, secrets.hide(note)),
    )


def dry_run(
    options: RunOptions, evidence: AuditResults, discoveries: Sequence[Discovery], *, verbose: bool
) -> Iterator[str]:
    """Yield the lines of a dry run. Nothing is changed, and the journal is read from a copy."""
    planned = _planned(options, evidence)
    if options.issuer_name is None:
        yield _NO_ISSUER
    with journal_snapshot(options.state) as journal:
        yield from dry_run_lines(planned, run_context(options, journal, tuple(discoveries)), verbose=verbose)
    settings = notification_settings(options)
    yield from settings.preview() if settings else ()
