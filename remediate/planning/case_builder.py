"""Builds the case that repairs the findings on one certificate: which repair, for which services.

A panel's own services get one certificate, even if they had several keys, so the drafts of a host are merged into one
case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from audit.evaluation.result import Result
from audit.verdict import Remedy, Verdict
from remediate.cpanel.service_files import panel_case_id
from remediate.model.audit_results import AuditResults, ObservedEndpoint
from remediate.model.case import AGENT, VALIDATED, Case, Reason, Repair, UsedFile, case_id, steps_of
from remediate.model.options import RunLimits
from remediate.planning.certificate_groups import Group, identity, used_files
from remediate.planning.fleet import Fleet
from remediate.planning.names import names_to_certify
from remediate.planning.not_repairable import FILE_MODES, FOREIGN, REPAIRS

_COMPROMISED: Final = ("key.compromised", "cert.revoked")
_OWNED: Final = (Repair.REKEY, Repair.REISSUE, Repair.RECHAIN)
"""Repairs that change the certificate itself. If another agent owns it, only that agent may do so."""
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CaseDraft:
    """The endpoints that use a certificate, and the findings on it that a repair would fix; at least one.

    `id` is the id of the case if it does not derive from the certificate. `left_out` are endpoints of unknown services
    that serve the certificate too.
    """

    group: Group
    findings: tuple[Result, ...]
    id: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def strongest(self) -> Repair:
        """The strongest repair that a finding requires."""
        return min((REPAIRS[result.remedy] for result in self.findings), key=lambda repair: repair.rank)


def merge_panel_cases(drafts: Iterable[CaseDraft], is_held: Callable[[CaseDraft], bool]) -> Iterator[CaseDraft]:
    """Yield the drafts; those of a panel's services that need a new certificate are merged into one for each host.

    Services whose repair has to wait (`is_held`) form a separate case, so that they do not delay other services.
    """
    panels: dict[str, list[CaseDraft]] = {}
    for draft in drafts:
        if draft.group.is_panel and draft.strongest in VALIDATED:
            panels.setdefault(draft.group.host, []).append(draft)
        else:
            yield draft
    for host, panel_drafts in panels.items():
        held = [draft for draft in panel_drafts if is_held(draft)]
        free = [draft for draft in panel_drafts if draft not in held]
        if free:
            yield _merged(free, panel_case_id(host, is_held=False))
        if held:
            yield _merged(held, panel_case_id(host, is_held=bool(free)))


def _merged(drafts: Sequence[CaseDraft], case_id: str) -> CaseDraft:
    members = sorted((member for draft in drafts for member in draft.group.members), key=lambda member: member.endpoint)
    findings = tuple(finding for draft in drafts for finding in draft.findings)
    first = drafts[0].group
    left_out = tuple(endpoint for draft in drafts for endpoint in draft.left_out)
    return CaseDraft(Group(first.host, first.hostspec, tuple(members)), findings, case_id, left_out)


def case_of(draft: CaseDraft, evidence: AuditResults, fleet: Fleet, run_limits: RunLimits) -> Case:
    """Return the case of a certificate: the strongest repair that a finding requires, for all its endpoints."""
    group, findings, strongest = draft.group, draft.findings, draft.strongest
    repair, owner = _repair(draft, evidence, run_limits)
    old = _replaced_member(draft, strongest)
    old_names, old_spki = identity(old)
    kept, dropped = names_to_certify(group, evidence, run_limits.given_up)
    members = _changed_members(draft, strongest)
    services = _services(members)
    acted_on = _services(_requiring(draft, strongest)) if strongest is Repair.RELOAD else services
    endpoints = tuple(member.endpoint for member in members)
    needs_files = repair in VALIDATED and run_limits.validates_by_file
    fix_modes = any(result.check == FILE_MODES for result in findings)
    return Case(
        id=draft.id or case_id(group.host, old_names, old_spki),
        host=group.host,
        hostspec=group.hostspec,
        repair=repair,
        names=kept,
        services=services,
        endpoints=endpoints,
        files=_files(members),
        reasons=tuple(map(_reason, findings)),
        steps=steps_of(repair, acted_on, endpoints, fix_modes=fix_modes),
        validated_on=fleet.validations(group.host, kept) if needs_files else (),
        dropped_names=dropped if repair in VALIDATED else (),
        old_leaf_sha256=old.leaf_sha256,
        is_compromised=any(finding.check in _COMPROMISED and finding.remedy is Remedy.REKEY for finding in findings),
        owner=owner,
        is_panel=group.is_panel,
        old_leaves=_old_leaves(draft, strongest) if group.is_panel else (),
        left_out=() if strongest in (Repair.RELOAD, Repair.HOST) else draft.left_out,
    )


def _repair(draft: CaseDraft, evidence: AuditResults, run_limits: RunLimits) -> tuple[Repair, str | None]:
    """Return the repair, and the agent that owns the certificate and renews it if the configuration says so."""
    strongest, owner = draft.strongest, _owner_of(draft.group, evidence)
    if draft.group.is_panel and not owner:
        is_panels = run_limits.is_panels_issuer and strongest in VALIDATED
        return (Repair.RUN_OWNER, AGENT) if is_panels else (strongest, None)
    is_owned = owner and strongest in _OWNED and run_limits.foreign == "run-owner"
    return Repair.RUN_OWNER if is_owned else strongest, owner


def _owner_of(group: Group, evidence: AuditResults) -> str | None:
    """Return the agent that owns the certificate, also if that finding is waived."""
    for member in group.members:
        for result in evidence.by_endpoint.get(member.endpoint, ()):
            if result.check == FOREIGN and result.verdict in (Verdict.FAIL, Verdict.WAIVED):
                return str(result.detail.get("observed") or "another agent")
    return None


def _requiring(draft: CaseDraft, repair: Repair) -> tuple[ObservedEndpoint, ...]:
    """Return the members with a finding that requires this repair."""
    endpoints = {result.endpoint for result in draft.findings if REPAIRS[result.remedy] is repair}
    return tuple(member for member in draft.group.members if member.endpoint in endpoints)


def _replaced_member(draft: CaseDraft, repair: Repair) -> ObservedEndpoint:
    """Return the member whose certificate is replaced: the one that expires first of those that require it.

    A member whose certificate an interrupted repair has replaced requires no repair, so the case stays the same.
    """
    return min(
        _requiring(draft, repair),
        key=lambda member: (member.not_after or _NEVER, member.leaf_sha256 or "", member.endpoint),
    )


def _old_leaves(draft: CaseDraft, repair: Repair) -> tuple[str, ...]:
    return tuple(sorted({member.leaf_sha256 for member in _requiring(draft, repair) if member.leaf_sha256}))


def _changed_members(draft: CaseDraft, repair: Repair) -> tuple[ObservedEndpoint, ...]:
    """Return the members that are changed: all if the certificate changes, else those of services with a finding."""
    if repair not in (Repair.RELOAD, Repair.HOST):
        return draft.group.members
    with_findings = {result.endpoint for result in draft.findings}
    services = {member.service for member in draft.group.members if member.endpoint in with_findings}
    return tuple(member for member in draft.group.members if member.service in services)


def _services(members: Sequence[ObservedEndpoint]) -> tuple[str, ...]:
    return tuple(sorted({member.service for member in members}))


def _files(members: Sequence[ObservedEndpoint]) -> tuple[UsedFile, ...]:
    files = {
        (member.service, file.path, file.kind): UsedFile(
            member.service, file.path, file.kind, file.owner, file.group, file.mode, file.acl
        )
        for member in members
        for file in used_files(member)
    }
    return tuple(files[key] for key in sorted(files))


def _reason(result: Result) -> Reason:
    return Reason(result.endpoint, result.check, result.severity.value, result.remedy.value, result.message)
