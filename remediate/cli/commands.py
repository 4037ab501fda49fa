"""The commands of `python -m remediate`. Each returns lines to print and whether it succeeded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from audit.config.line_files import UnreadableLines, read_lines
from audit.host.discovery import Discovery
from audit.json_codec import BadRecord, from_json, to_json
from audit.text import format_utc
from remediate.challenges.dns_lookup import Resolution
from remediate.cli.output import case_result_lines, down_lines, plan_lines, status_lines
from remediate.cli.rediscovery import Access, observe_case, rediscover, rediscover_all
from remediate.execution.dead_names import without_dead_names
from remediate.execution.tlsa_preview import with_records
from remediate.model.audit_results import AuditResults, BadAuditResults, read_audit_results
from remediate.model.case import Case
from remediate.model.options import RunLimits, RunOptions
from remediate.model.outcome import CaseResult
from remediate.model.plan import Plan
from remediate.notify.report import RunReport
from remediate.planning.planner import plan
from remediate.planning.recheck import stale_reason
from remediate.run import RepairRun, repair_run
from remediate.state.journal import open_journal
from remediate.state.lock import holder_now

_NOTHING = Plan((), (), ())


@dataclass(frozen=True, slots=True)
class CliResult:
    """What a command prints, and whether it succeeded."""

    lines: tuple[str, ...]
    is_well: bool = True


def make_plan(
    results: Path, run_limits: RunLimits, resolution: Resolution, now: datetime, *, as_json: bool
) -> CliResult:
    """Plan repairs from results, and name the TLSA records that block one; raises BadAuditResults, OSError."""
    try:
        evidence = read_audit_results(read_lines(results))
    except UnreadableLines as error:
        raise BadAuditResults(str(error)) from error
    planned = without_dead_names(plan(evidence, run_limits, now), evidence, resolution)
    planned = with_records(planned, evidence, resolution)
    return CliResult((json.dumps(to_json(planned), indent=2),) if as_json else tuple(plan_lines(planned)))


def read_plan(text: str, source: str) -> Plan:
    """Return a plan that was printed as JSON; raises BadAuditResults."""
    try:
        return from_json(Plan, json.loads(text))
    except (ValueError, BadRecord) as error:
        raise BadAuditResults(f"{source} is not a plan as `plan RESULTS --json` prints it: {error}") from error


def apply(planned: Plan, options: RunOptions, access: Access) -> CliResult:
    """Observe the planned cases again, drop those that are out of date, and repair the others."""
    with repair_run(options) as run:
        cases = (*planned.cases, *run.journal.unfinished())
        discoveries = rediscover(cases, options, access)
        reasons = {
            case.id: reason
            for case in planned.cases
            if (reason := stale_reason(case, observe_case(case, discoveries, options)))
        }
        kept = replace(planned, cases=tuple(case for case in planned.cases if case.id not in reasons))
        results = run.repair(kept, discoveries)
        dropped = _dropped_lines(planned.cases, reasons)
        return _cli_result(_FinishedRun(run, kept, results, discoveries), before=dropped)


def _dropped_lines(cases: Iterable[Case], reasons: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each case that is not repaired, because the observation shows another state."""
    for case in cases:
        if case.id in reasons:
            yield f"dropped: {case.repair} on {case.host}, case {case.id}: {reasons[case.id]}"


def resume(options: RunOptions, access: Access) -> CliResult:
    """Resume the unfinished cases of earlier runs, and the cases whose waiting time is lifted (`options.early`).

    Raises BadAuditResults if the case to try now does not wait.
    """
    with repair_run(options) as run:
        again = _cases_to_try_now(run)
        cases = tuple({case.id: case for case in (*again, *_resumed(run))}.values())
        if not cases:
            return _cli_result(_FinishedRun(run, _NOTHING, ()), before=("no case is open",))
        discoveries = rediscover(cases, options, access)
        unfinished = {case.id for case in run.journal.unfinished()}
        reasons = {
            case.id: reason
            for case in again
            if case.id not in unfinished and (reason := stale_reason(case, observe_case(case, discoveries, options)))
        }
        kept = replace(_NOTHING, cases=tuple(case for case in again if case.id not in reasons))
        dropped = tuple(_dropped_lines(again, reasons))
        return _cli_result(_FinishedRun(run, kept, run.repair(kept, discoveries), discoveries), before=dropped)


def _resumed(run: RepairRun) -> tuple[Case, ...]:
    """Return the unfinished cases that are resumed: all, or none if one case is named."""
    return () if run.options.early.case_id else run.journal.unfinished()


def _cases_to_try_now(run: RepairRun) -> tuple[Case, ...]:
    """Return the cases whose waiting time is lifted, as planned anew if they have ended; raises BadAuditResults."""
    early, journal = run.options.early, run.journal
    waiting = (*journal.unfinished(), *map(_planned_anew, journal.ended("failed")))
    if early.case_id is None:
        return waiting[: run.options.run_limits.max_cases] if early.every_case else ()
    rolled_back = map(_planned_anew, journal.ended("rolled-back"))
    found = tuple(case for case in (*waiting, *rolled_back) if case.id == early.case_id)
    if not found:
        raise BadAuditResults(_why_not_tried(early.case_id, run))
    return found


def _planned_anew(case: Case) -> Case:
    return replace(case, steps=tuple(replace(step, state="planned") for step in case.steps))


def _why_not_tried(case_id: str, run: RepairRun) -> str:
    """Return why a case cannot be tried now."""
    waits = next((waiting.why for waiting in run.journal.waiting.all() if waiting.case_id == case_id), None)
    if waits is not None:
        return f"the plan has no repair for case {case_id} yet: {waits}. Fix this, and run the audit with --remediate"
    outcome = run.journal.outcome(case_id)
    if outcome is None:
        return f"{run.options.state} has no case {case_id!r}: reports name cases, `status` lists those that wait"
    return f"case {case_id} does not wait: it ended as {outcome.kind} at {format_utc(outcome.at)}"


def status(state: Path, now: datetime) -> CliResult:
    """Print the cases that are unfinished or wait, and the present run; raises UnusableState without a journal."""
    with open_journal(state, existing=True) as journal:
        held = holder_now(state, now)
        return CliResult((*status_lines(journal, now), *([str(held)] if held else [])))


def roll_back(case_id: str, options: RunOptions, access: Access) -> CliResult:
    """Roll a case back to the version before it; raises BadAuditResults if the journal does not have it."""
    with repair_run(options) as run:
        case = run.journal.case(case_id)
        if case is None:
            raise BadAuditResults(
                f"{options.state} has no case {case_id!r}: reports name cases, `status` lists the open ones"
            )
        result = run.roll_back(case_id, rediscover((case,), options, access))
        return CliResult((*down_lines((result,)), *case_result_lines((result,))), result.ended_as == "undone")


def release(case_id: str | None, options: RunOptions, access: Access) -> CliResult:
    """Replace links of earlier versions by files, of a case or on all hosts; raises BadAuditResults."""
    with repair_run(options) as run:
        case = run.journal.case(case_id) if case_id else None
        if case_id and case is None:
            raise BadAuditResults(f"{options.state} has no case {case_id!r}: use --all to release every case of a host")
        discoveries = rediscover((case,), options, access) if case else rediscover_all(options, access)
        if not discoveries:
            raise BadAuditResults("no host is named: name each in the configuration or by --hosts")
        released = run.release(case, discoveries)
        return CliResult(
            tuple(line for result in released for line in result.lines), all(result.is_well for result in released)
        )


@dataclass(frozen=True, slots=True)
class _FinishedRun:
    """A finished run: its plan, the results, and the hosts that were discovered."""

    repairs: RepairRun
    plan: Plan
    results: tuple[CaseResult, ...]
    discoveries: tuple[Discovery, ...] = ()


def _cli_result(run: _FinishedRun, before: Iterable[str] = ()) -> CliResult:
    """Notify the recipients of a run and return what is printed."""
    report = RunReport(run.plan, run.results, AuditResults((), {}, is_complete=False), run.repairs.journal)
    notified = run.repairs.notify(report, run.discoveries, b"")
    is_well = all(result.ended_as == "proven" and not result.is_in_part for result in run.results)
    return CliResult((*down_lines(run.results), *before, *case_result_lines(run.results), *notified), is_well)
