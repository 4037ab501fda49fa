"""The hooks of a run with `--remediate`: judge, repair what failed, judge again, and send the notifications."""

from __future__ import annotations

import traceback
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Final

import pytest

from audit.config import BadConfiguration, known_secrets
from audit.config.line_files import read_lines
from audit.evaluation.observation_row import observation_row
from audit.host.discovery import redacted
from audit.verdict import Verdict
from audit.x509.path.trust_store import TrustAnchors
from pytest_sslaudit.controller import Controller
from pytest_sslaudit.remediation.coverage import Coverage
from pytest_sslaudit.remediation.first_pass import FirstPass
from pytest_sslaudit.remediation.progress import RepairProgress
from pytest_sslaudit.remediation.reobserve import affected_ids, observe_again
from pytest_sslaudit.remediation.result_rows import remediation_rows
from pytest_sslaudit.remediation.spooled_rows import SpooledRows
from pytest_sslaudit.reports.carried_results import is_grouped, rows_of
from pytest_sslaudit.reports.repairs import RepairRow, counted
from pytest_sslaudit.reports.totals import BUG
from pytest_sslaudit.settings import Settings
from remediate.cli.output import brief_plan_lines, case_result_lines, case_result_row, down_lines, plan_lines
from remediate.model.audit_results import AuditResults, audit_results_of
from remediate.model.causes import Cause
from remediate.model.options import EarlyTries, RunOptions
from remediate.model.outcome import CaseResult
from remediate.model.plan import Blocker, Plan
from remediate.notify.report import RunReport
from remediate.run import RepairRun, dry_run, repair_run, unrecorded_run, validate_configuration
from remediate.state.database import BrokenState, UnusableState
from remediate.state.journal import Journal
from remediate.state.lock import LockHeld

CONTINUED: Final = ("ssh_config", "ssh_identity_file", "ansible_inventory")
"""The options of a login that are files; those of `CONTINUED_TEXTS` are other texts, and the last are flags."""
CONTINUED_TEXTS: Final = ("connection", "ssh_extra_args", "sudo_user")
CONTINUED_FLAGS: Final = ("sudo", "force_ansible")


class Remediation:
    """The hooks of a run with `--remediate` or `--remediate-dry-run`."""

    def __init__(self, config: pytest.Config, controller: Controller) -> None:
        """Validate the configuration of the repair before anything is observed; raises pytest.UsageError."""
        self._config, self._controller = config, controller
        self._first_pass, self._coverage, self._stack = FirstPass(), Coverage(), ExitStack()
        self._progress = RepairProgress(config)
        self._repairs: RepairRun | None = None
        self._report: RunReport | None = None
        self._case_lines: tuple[str, ...] = ()
        self._notice_lines: tuple[str, ...] = ()
        self._is_dry_run = controller.settings.repair == "dry-run"
        try:
            validate_configuration(self._run_options(TrustAnchors({})), is_dry_run=self._is_dry_run)
            controller.state_fault = None if self._is_dry_run else ""
        except BrokenState as fault:  # the audit is made and notified all the same
            controller.state_fault = str(fault)
        except (BadConfiguration, UnusableState) as error:
            raise pytest.UsageError(str(error)) from error

    @cached_property
    def _rows(self) -> SpooledRows:
        """The rows of all results and observations so far; the file is made when the first one is written."""
        return self._stack.enter_context(closing(SpooledRows(self._controller.evidence.temporary)))

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Record the endpoints of tests that do not run: they are not repaired."""
        self._coverage.leave_out(items)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Judge, repair and observe again; then let pytest report, and judge again what the repair affected."""
        if not self._config.option.collectonly and not session.testsfailed:
            self._judge(session.items)
            try:
                self._repair(self._evidence(session.items), session.items)
            except Exception:  # noqa: BLE001 - the audit is reported even if the repair has a bug
                self._controller.totals.repairs_broken = True
                self._progress.say(self._trace())
        return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Report a test that has run already; run a test again if the repair affected its endpoint."""
        if self._first_pass.run(item, nextitem):
            return True
        reports = self._first_pass.take(item)
        if not reports:
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        self._controller.writes_results = False
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        self._controller.writes_results = True
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Store the rows of the tests that run again."""
        if self._controller.writes_results:
            self._rows.extend(rows_of(report, only_after=is_grouped(report)))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Send the notifications when everything is judged and the results are written."""
        if self._repairs is None:
            return
        try:
            self._notice_lines = self._notified(self._repairs)
        except Exception:  # noqa: BLE001 - as above
            session.exitstatus = BUG
            self._notice_lines = self._trace()
        self._progress.mention((*self._case_lines, *self._notice_lines))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the results of the repairs, and the notified recipients."""
        lines = (*self._case_lines, *self._notice_lines)
        if lines:
            terminalreporter.write_sep("=", "repairs")
        for line in lines:
            terminalreporter.write_line(line)

    def pytest_unconfigure(self) -> None:
        """Release the lock of the state directory."""
        self._stack.close()

    def _judge(self, items: Sequence[pytest.Item]) -> None:
        """Run all tests for the first time, and write their results."""
        results = self._controller.results
        for report in self._first_pass.judge(items):
            for row in rows_of(report):
                self._rows.append(row)
                if results:
                    results.write(**row)

    def _evidence(self, items: Sequence[pytest.Item]) -> AuditResults:
        run, summary = self._controller.run, {"kind": "summary"}
        endpoints = (*run.inventory.hosts, *run.inventory.endpoints)
        facts_of_each = (
            run.facts_of(endpoint) for endpoint in endpoints if self._controller.store.observation(endpoint)
        )
        self._rows.extend({"kind": "observation", **observation_row(facts)} for facts in facts_of_each)
        unfinished = self._coverage.unfinished(self._config, items, self._controller.hosts.targets)
        unfinished |= {str(row["endpoint"]) for row in self._rows if row.get("verdict") == Verdict.ERROR}
        return replace(audit_results_of(chain(self._rows, [summary])), unfinished=unfinished)

    def _repair(self, evidence: AuditResults, items: Sequence[pytest.Item]) -> None:
        options = self._run_options(self._controller.run.anchors)
        if self._is_dry_run:
            verbose = self._config.get_verbosity() > 0
            self._progress.say(dry_run(options, evidence, self._controller.hosts.discoveries, verbose=verbose))
            return
        try:
            if self._controller.state_fault:
                self._leave_unrepaired(options, evidence, self._controller.state_fault)
            else:
                self._repair_recorded(options, evidence, items)
        except LockHeld as held:
            self._controller.totals.failed_repairs += 1
            self._progress.say([f"nothing was repaired: {held}"])
        except BrokenState as fault:
            self._leave_unrepaired(options, evidence, str(fault))

    def _leave_unrepaired(self, options: RunOptions, evidence: AuditResults, fault: str) -> None:
        """Let every case wait, because the state cannot be used; the notifications of the findings are still sent."""
        self._controller.totals.failed_repairs += 1
        self._progress.say([f"nothing is repaired: {fault}"])
        self._repairs = self._stack.enter_context(unrecorded_run(options))
        planned = self._repairs.plan(evidence).all_waiting(Blocker(Cause.OPS_STATE_UNUSABLE, fault))
        self._report = RunReport(planned, (), evidence, self._repairs.journal)

    def _repair_recorded(self, options: RunOptions, evidence: AuditResults, items: Sequence[pytest.Item]) -> None:
        repairs = self._stack.enter_context(repair_run(options))
        self._repairs, planned = repairs, repairs.plan(evidence)
        self._controller.totals.accidents += planned.accidents
        case_results = self._repaired(repairs, planned, evidence)
        self._report = RunReport(planned, case_results, evidence, repairs.journal)
        ids = affected_ids(case_results, self._controller.hosts.targets, planned.cases)
        if ids:
            observe_again(self._controller, ids)
            self._controller.run.judge_again(ids, datetime.now(UTC))
            self._first_pass.judge_again(items, ids)
        self._write(repairs.journal, case_results, evidence)

    def _repaired(self, repairs: RepairRun, planned: Plan, evidence: AuditResults) -> tuple[CaseResult, ...]:
        totals, progress = self._controller.totals, self._progress
        self._config.hook.pytest_sslaudit_plan(config=self._config, plan=planned, evidence=evidence)
        progress.write(plan_lines(planned) if self._config.get_verbosity() > 0 else brief_plan_lines(planned))
        with progress.shown(planned):
            case_results = repairs.repair(planned, self._controller.hosts.discoveries)
        totals.repairs += (RepairRow(*case_result_row(case_result)) for case_result in case_results)
        totals.findings_before = sum(row["verdict"] == "fail" for row in self._rows if row["kind"] == "result")
        self._case_lines = (*down_lines(case_results), *case_result_lines(case_results))
        totals.services_down += tuple(down_lines(case_results))
        progress.write([f"{counted(totals.repairs)}; the affected endpoints are judged again"] if case_results else [])
        unrepaired = ("failed", "interrupted")  # a host that does not respond has no findings when it is judged again
        totals.failed_repairs += sum(result.ended_as in unrepaired or result.is_in_part for result in case_results)
        totals.repairs_broken |= any(case_result.cause is Cause.RUN_BUG for case_result in case_results)
        return case_results

    def _write(self, journal: Journal, case_results: Iterable[CaseResult], evidence: AuditResults) -> None:
        """Write the steps of the repair for each endpoint, and the leaf that it serves now."""
        run = self._controller.run
        facts_of_each = (
            run.facts_of(endpoint) for endpoint in run.inventory.endpoints if str(endpoint) in run.judged_again
        )
        after = {str(facts.endpoint): observation_row(facts, "after") for facts in facts_of_each}
        self._rows.extend({"kind": "observation", **row} for row in after.values())
        leaves = {endpoint: row["chain"][0]["sha256"] if row["chain"] else None for endpoint, row in after.items()}
        for case_result in case_results:
            for row in remediation_rows(case_result, journal.events(case_result.case.id), evidence, leaves):
                if self._controller.results:
                    self._controller.results.write("remediation", **row)

    def _notified(self, repairs: RepairRun) -> tuple[str, ...]:
        """Notify, also if the journal cannot be written any more."""
        try:
            return self._notify(repairs)
        except BrokenState as fault:
            unrecorded = self._stack.enter_context(unrecorded_run(self._run_options(self._controller.run.anchors)))
            self._report = replace(self._report, journal=unrecorded.journal) if self._report else None
            return (f"the notifications are not recorded: {fault}", *self._notify(unrecorded))

    def _notify(self, repairs: RepairRun) -> tuple[str, ...]:
        if self._report is None:  # interrupted before the first case ended: the next run notifies
            return ()
        rows = chain(self._rows, [{"kind": "summary"}])
        after = audit_results_of(rows) if self._controller.run.judged_again else None
        results = "".join(self._lines_of_results()).encode()
        refuse = self._controller.totals.refused_contacts.append
        return repairs.notify(replace(self._report, after=after), self._controller.hosts.discoveries, results, refuse)

    def _lines_of_results(self) -> Iterator[str]:
        file, written = self._controller.settings.results, self._controller.results
        if file and written and not written.failure:
            return read_lines(file, limit=None)
        return self._rows.lines()

    def _trace(self) -> tuple[str, ...]:
        """Return the lines of the trace of the current exception, without the secrets that it may hold."""
        secrets = known_secrets(self._controller.settings.configuration)
        return tuple(secrets.hide(traceback.format_exc()).splitlines())

    def _run_options(self, anchors: TrustAnchors) -> RunOptions:
        settings = self._controller.settings
        return RunOptions(
            configuration=settings.configuration,
            state=settings.state,
            anchors=anchors,
            command=settings.invocation.command,
            limits=replace(settings.limits, depth="certificate"),
            issuer=settings.issuer,
            profiles=settings.policy,
            fail_on=settings.fail_on,
            unknown_fails=settings.inconclusive == "fail",
            allow_retry=settings.may_continue,
            early=EarlyTries(every_case=settings.tries_early),
            access=access_options(settings),
            resume_argv=settings.invocation.again,
            log=self._progress.detail,
            announce=lambda text: self._progress.say([text]),
            on_step=self._progress.watch,
            stop=self._controller.stop,
        )


def access_options(settings: Settings) -> tuple[str, ...]:
    """Return the options by which `python -m remediate resume` logs into the same hosts; a password is left out."""
    hosts = ",".join(redacted(host) for host in settings.hosts)
    given = settings.testinfra
    files = [word for name in CONTINUED if given.get(name) for word in (_flag(name), str(Path(given[name]).absolute()))]
    texts = [f"{_flag(name)}={given[name]}" for name in CONTINUED_TEXTS if given.get(name)]
    flags = [_flag(name) for name in CONTINUED_FLAGS if given.get(name)]
    issuer = ("--issuer", settings.issuer) if settings.issuer else ()
    trust = [word for source in settings.trust for word in ("--trust", source)]
    return (
        *(("--hosts", hosts) if hosts else ()), *files, *texts, *flags, *trust, *issuer,
    )  # fmt: skip


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
