"""Merges the cases of a panel's own services into one case a host: they get one certificate, whatever keys they had."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from remediate.cpanel.service_files import panel_case_id
from remediate.model.case import VALIDATED
from remediate.planning.case_builder import CaseDraft
from remediate.planning.certificate_groups import Group


def merge_panel_cases(drafts: Iterable[CaseDraft], is_held: Callable[[CaseDraft], bool]) -> Iterator[CaseDraft]:
    """Yield the drafts; those of a panel's services that need a new certificate are merged into one for each host.

    Services whose repair has to wait (`is_held`) form a case of their own, so that they hold up no other.
    """
    panels: dict[str, list[CaseDraft]] = {}
    for draft in drafts:
        if draft.group.is_panel and draft.strongest in VALIDATED:
            panels.setdefault(draft.group.host, []).append(draft)
        else:
            yield draft
    for host, mine in panels.items():
        held = [draft for draft in mine if is_held(draft)]
        free = [draft for draft in mine if draft not in held]
        if free:
            yield _one(free, panel_case_id(host, is_held=False))
        if held:
            yield _one(held, panel_case_id(host, is_held=bool(free)))


def _one(drafts: Sequence[CaseDraft], case_id: str) -> CaseDraft:
    members = sorted((member for draft in drafts for member in draft.group.members), key=lambda one: one.endpoint)
    findings = tuple(finding for draft in drafts for finding in draft.findings)
    first = drafts[0].group
    return CaseDraft(Group(first.host, first.hostspec, tuple(members)), findings, case_id)
