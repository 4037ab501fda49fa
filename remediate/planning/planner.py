"""Makes a plan from results: what is repaired and in which order, what has to wait, and what is not repaired."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from audit.analysis.validity import validity_limit
from audit.evaluation.result import Result
from audit.policy.thresholds import ML_DSA
from audit.text import join_clauses
from audit.verdict import Severity, Verdict
from audit.x509.public_keys import is_post_quantum
from remediate.hosts.renewal_agents import RENEWAL_AGENTS
from remediate.model.audit_results import AuditResults
from remediate.model.case import AGENT, UNKNOWN_ALONE, UNKNOWN_SERVICE, VALIDATED, Case, Repair
from remediate.model.causes import Cause
from remediate.model.options import RunLimits, matches_any
from remediate.model.plan import Blocker, Kind, NotRepairable, Plan, WaitingCase
from remediate.planning.blockers import blockers_of, endpoint_blockers, staleness
from remediate.planning.case_builder import CaseDraft, case_of, merge_panel_cases
from remediate.planning.certificate_groups import Group, group_by_certificate, used_files
from remediate.planning.fleet import Fleet, fleet_of
from remediate.planning.login_rights import login_blockers
from remediate.planning.not_repairable import not_repairable

_PANEL_ONLY: Final = (
    "the chosen issuer is the program of a cPanel & WHM server: it orders only for services of that panel"
)


def plan(evidence: AuditResults, run_limits: RunLimits, now: datetime) -> Plan:
    """Return the plan for every finding; it does not depend on the order of the results."""
    fleet = fleet_of(evidence, run_limits)
    explained = list(_healthy_endpoints(evidence))
    repairable: dict[str, list[Result]] = {}
    for result in _open_results(evidence):
        explanation = not_repairable(result, evidence, fleet)
        if explanation is None:
            repairable.setdefault(result.endpoint, []).append(result)
        else:
            explained.append(explanation)
    ready, waiting, accidents = list[Case](), list[WaitingCase](), list[str]()

    def is_held(draft: CaseDraft) -> bool:
        try:
            return any(endpoint_blockers(case_of(draft, evidence, fleet, run_limits), evidence, fleet))
        except Exception:  # noqa: BLE001 - raised again, and kept, when the draft is planned by itself
            return True

    groups = group_by_certificate(evidence.seen.values())
    explained += _of_unknown_services(groups, repairable)
    for draft in merge_panel_cases(_drafts(groups, repairable), is_held):
        try:
            case = case_of(draft, evidence, fleet, run_limits)
            exclusion = _exclusion(case, run_limits)
            blocked_by = _blocked_by(case, evidence, fleet, (run_limits, now))
        except Exception as error:  # noqa: BLE001 - the boundary of one case: the others are still planned
            accidents.append(traceback.format_exc())
            explained += _unplanned(draft, error)
            continue
        if exclusion:
            explained += [
                NotRepairable(reason.endpoint, reason.check, *exclusion, reason.message) for reason in case.reasons
            ]
        elif blocked_by:
            waiting.append(WaitingCase(case, blocked_by))
        else:
            ready.append(case)
    cases = _in_order(ready)
    return Plan(
        cases=cases[: run_limits.max_cases],
        explained=tuple(sorted(explained, key=lambda finding: (finding.endpoint, finding.check or ""))),
        waiting=(*sorted(waiting, key=lambda waiting_case: waiting_case.case.id), *_too_many(cases, run_limits)),
        accidents=tuple(accidents),
    )


def _unplanned(draft: CaseDraft, error: Exception) -> Iterator[NotRepairable]:
    """Yield the findings that are not repaired because planning their repair raised an exception."""
    why = f"its repair could not be planned: {type(error).__name__}: {error}"
    for finding in draft.findings:
        yield NotRepairable(finding.endpoint, finding.check, "manual", why, finding.message)


def _open_results(evidence: AuditResults) -> Iterator[Result]:
    """Yield the results that are neither a pass nor not applicable."""
    closed = (Verdict.PASS, Verdict.NOT_APPLICABLE)
    yield from (result for result in evidence.results if result.verdict not in closed)


def _healthy_endpoints(evidence: AuditResults) -> Iterator[NotRepairable]:
    with_findings = {result.endpoint for result in _open_results(evidence)}
    for endpoint in evidence.by_endpoint:
        if endpoint not in with_findings:
            yield NotRepairable(endpoint, None, "well", "nothing is wrong")


def _drafts(groups: Iterable[Group], repairable: Mapping[str, list[Result]]) -> Iterator[CaseDraft]:
    for certificate_group in groups:
        group = certificate_group.without_left_out()
        left_out = tuple(member.endpoint for member in certificate_group.left_out)
        findings = tuple(result for member in group.members for result in repairable.get(member.endpoint, ()))
        if findings:
            yield CaseDraft(group, findings, left_out=left_out)


def _of_unknown_services(groups: Iterable[Group], repairable: Mapping[str, list[Result]]) -> Iterator[NotRepairable]:
    """Yield the findings about unknown services, alone or beside known ones with the same certificate."""
    for group in groups:
        is_alone = not group.without_left_out().members
        for member in group.left_out:
            why = join_clauses((*member.not_inspected, UNKNOWN_ALONE)) if is_alone else UNKNOWN_SERVICE
            for result in repairable.get(member.endpoint, ()):
                yield NotRepairable(result.endpoint, result.check, "unknown-service", why, result.message)


def _exclusion(case: Case, run_limits: RunLimits) -> tuple[Kind, str] | None:
    """Return why a certificate is not repaired at all; None if it is repaired."""
    is_foreign = case.owner and not (case.is_panel and case.owner == AGENT)
    if is_foreign and run_limits.foreign == "explain":
        return "foreign", f"{case.owner} owns this certificate and renews it"
    if is_foreign and case.repair is Repair.RUN_OWNER and case.owner == AGENT:
        return "foreign", f"{AGENT} owns this certificate and renews it; only its own services are repaired"
    if case.repair is Repair.RUN_OWNER and case.owner not in RENEWAL_AGENTS:
        return "foreign", f"{case.owner} owns this certificate, and the command of its renewal is not known"
    excluded = next((name for name in case.names if matches_any(name, run_limits.excluded_names)), None)
    return ("switched-off", f"{excluded} is excluded in the configuration") if excluded else None


def _blocked_by(
    case: Case, evidence: AuditResults, fleet: Fleet, limits: tuple[RunLimits, datetime]
) -> tuple[Blocker, ...]:
    stale, order = staleness(case, evidence, *limits), _order_blockers(case, evidence, limits)
    rights = login_blockers(case, evidence, limits[0])
    return (*stale, *order, *rights, *blockers_of(case, evidence, fleet))


def _order_blockers(case: Case, evidence: AuditResults, limits: tuple[RunLimits, datetime]) -> Iterator[Blocker]:
    """Yield why the order has to wait: no issuer, too long a lifetime, or a weaker key; nothing without an order."""
    if case.repair not in VALIDATED:
        return
    run_limits, now = limits
    yield from _lifetime_blockers(run_limits, now)
    yield from _encryption_blockers(case, evidence, run_limits)
    if not run_limits.can_order:
        yield Blocker(Cause.ISSUER_NONE, "no issuer is chosen: [remediate] issuer, and its section [issuer.NAME]")
    elif run_limits.is_panels_issuer:
        yield Blocker(Cause.ISSUER_PANEL_ONLY, _PANEL_ONLY)
    elif not run_limits.replaces_post_quantum and run_limits.key_type.upper() not in ML_DSA:
        yield from _post_quantum_blockers(case, evidence, run_limits)


def _lifetime_blockers(run_limits: RunLimits, now: datetime) -> Iterator[Blocker]:
    """Yield why a certificate of the issuer's product would be a finding as soon as it is installed."""
    for profile in run_limits.lifetime_policies if run_limits.lifetime else ():
        limit = validity_limit(profile.thresholds, now)
        if limit and run_limits.lifetime and run_limits.lifetime.days > limit.days:
            rule = f"the limit of {profile.name} is {limit.days} days from {limit.issued_from:%Y-%m-%d} on"
            yield Blocker(Cause.PLAN_LIFETIME, f"the product is valid for {run_limits.lifetime.days} days: {rule}")


def _encryption_blockers(case: Case, evidence: AuditResults, run_limits: RunLimits) -> Iterator[Blocker]:
    """Yield the encrypted keys for which only a person may decide how the new key is stored, or that cannot be kept."""
    files = [file for endpoint in case.endpoints for file in used_files(evidence.seen[endpoint]) if file.kind == "key"]
    if run_limits.key_encryption is None:
        for path in dict.fromkeys(file.path for file in files if file.fault in ("encrypted", "prompted")):
            yield Blocker(Cause.PLAN_KEY_ENCRYPTION, f"{path} is encrypted, and [remediate] key_encryption is not set")
    elif run_limits.key_encryption == "keep":
        for path in dict.fromkeys(file.path for file in files if file.fault == "prompted"):
            yield Blocker(
                Cause.PLAN_KEY_PROMPT,
                f"{path} is encrypted, and its service prompts a person for the passphrase: no reload can load another",
            )


def _post_quantum_blockers(case: Case, evidence: AuditResults, run_limits: RunLimits) -> Iterator[Blocker]:
    """Yield the keys that only a person may replace by a classical one."""
    types = dict.fromkeys(evidence.seen[endpoint].key_type for endpoint in case.endpoints)
    for key_type in types:
        if key_type and is_post_quantum(key_type):
            why = f"its key is a post-quantum one ({key_type}), and the issuer's key type is {run_limits.key_type}"
            yield Blocker(Cause.PLAN_POST_QUANTUM, why)


def _in_order(cases: Sequence[Case]) -> tuple[Case, ...]:
    """Return the canary, which is the strongest repair on the fewest endpoints, and the others by severity."""
    if not cases:
        return ()
    canary = min(cases, key=lambda case: (case.repair.rank, len(case.endpoints), case.id))
    others = sorted((case for case in cases if case is not canary), key=lambda case: (-_severity(case), case.id))
    return (canary, *others)


def _severity(case: Case) -> int:
    return max(Severity(reason.severity).rank for reason in case.reasons)


def _too_many(cases: tuple[Case, ...], run_limits: RunLimits) -> Iterator[WaitingCase]:
    text = f"a run repairs at most {run_limits.max_cases} certificates (max_cases), and {len(cases)} need it"
    for case in cases[run_limits.max_cases :]:
        yield WaitingCase(case, (Blocker(Cause.PLAN_MAX_CASES, text),))
