"""The commands of `python -m remediate`. Each returns lines and whether all is well.

It knows the order of things; how they are asked for is known in `__main__`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from audit.host.discovery import Discovery
from audit.json_codec import BadRecord, from_json, to_json
from remediate.cli.output import down_lines, ending_lines, plan_lines, status_lines
from remediate.cli.rediscovery import Access, revisit, revisit_all, seen_now
from remediate.execution.tlsa_preview import Resolution, with_records
from remediate.model.audit_results import AuditResults, BadAuditResults, read_audit_results
from remediate.model.options import RunLimits, RunOptions
from remediate.model.outcome import CaseResult
from remediate.model.plan import Plan
from remediate.notify.report import RunReport
from remediate.planning.planner import plan
from remediate.planning.recheck import stale_reason
from remediate.run import RepairRun, begin
from remediate.state.journal import open_journal

_NOTHING = Plan((), (), ())


@dataclass(frozen=True, slots=True)
class Done:
    """What is printed, and whether everything went well."""

    lines: tuple[str, ...]
    is_well: bool = True


def make_plan(results: Path, run_limits: RunLimits, resolution: Resolution, now: datetime, *, as_json: bool) -> Done:
    """Plan repairs from results, and name the TLSA records that block one; raises BadAuditResults, OSError."""
    with results.open(encoding="utf-8") as lines:
        evidence = read_audit_results(lines)
    made = with_records(plan(evidence, run_limits, now), evidence, resolution)
    return Done((json.dumps(to_json(made), indent=2),) if as_json else tuple(plan_lines(made)))


def read_plan(text: str, source: str) -> Plan:
    """Return a plan that was printed as JSON; raises BadAuditResults."""
    try:
        return from_json(Plan, json.loads(text))
    except (ValueError, BadRecord) as error:
        raise BadAuditResults(f"{source} is no plan as `plan RESULTS --json` prints it: {error}") from error


def apply(planned: Plan, options: RunOptions, access: Access) -> Done:
    """Observe what is to be repaired again, drop what is no longer so, and repair the rest."""
    with begin(options) as run:
        cases = (*planned.cases, *run.journal.unfinished())
        discoveries = revisit(cases, options, access)
        reasons = {
            case.id: why for case in planned.cases if (why := stale_reason(case, seen_now(case, discoveries, options)))
        }
        kept = replace(planned, cases=tuple(case for case in planned.cases if case.id not in reasons))
        endings = run.repair(kept, discoveries)
        dropped = (f"dropped: {case.repair} on {case.host}, case {case.id}: {reasons[case.id]}"
                   for case in planned.cases if case.id in reasons)  # fmt: skip
        return _done(_Run(run, kept, endings, discoveries), before=dropped)


def resume(options: RunOptions, access: Access) -> Done:
    """Take up what earlier runs left unfinished."""
    with begin(options) as run:
        cases = run.journal.unfinished()
        if not cases:
            return _done(_Run(run, _NOTHING, ()), before=("no case is open",))
        discoveries = revisit(cases, options, access)
        return _done(_Run(run, _NOTHING, run.repair(_NOTHING, discoveries), discoveries))


def status(state: Path, now: datetime) -> Done:
    """Say where the cases stand that have not ended; raises UnusableState where there is no journal."""
    with open_journal(state, existing=True) as journal:
        return Done(tuple(status_lines(journal, now)))


def roll_back(case_id: str, options: RunOptions, access: Access) -> Done:
    """Take a case back to what was there before it; raises BadAuditResults for one that is not known."""
    with begin(options) as run:
        case = run.journal.case(case_id)
        if case is None:
            raise BadAuditResults(
                f"{options.state} knows no case {case_id!r}: reports name cases, `status` the open ones"
            )
        ending = run.roll_back(case_id, revisit((case,), options, access))
        return Done((*down_lines((ending,)), *ending_lines((ending,))), ending.kind == "undone")


def release(case_id: str | None, options: RunOptions, access: Access) -> Done:
    """Make links of earlier versions files again, of a case or everywhere; raises BadAuditResults."""
    with begin(options) as run:
        case = run.journal.case(case_id) if case_id else None
        if case_id and case is None:
            raise BadAuditResults(f"{options.state} has no case {case_id!r}: use --all to release every case of a host")
        found = revisit((case,), options, access) if case else revisit_all(options, access)
        if not found:
            raise BadAuditResults("no host is named: name each in the configuration or by --hosts")
        released = run.release(case, found)
        return Done(tuple(line for one in released for line in one.lines), all(one.is_well for one in released))


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of the command line: what was planned, how it ended, and on which hosts."""

    repairs: RepairRun
    plan: Plan
    endings: tuple[CaseResult, ...]
    discoveries: tuple[Discovery, ...] = ()


def _done(run: _Run, before: Iterable[str] = ()) -> Done:
    """Tell of a run, and say how it ended."""
    report = RunReport(run.plan, run.endings, AuditResults((), {}, is_complete=False), run.repairs.journal)
    notified = run.repairs.notify(report, run.discoveries, b"")
    is_well = all(ending.kind == "proven" for ending in run.endings)
    return Done((*down_lines(run.endings), *before, *ending_lines(run.endings), *notified), is_well)
