"""Looks up the names of planned cases that the audit did not look up: a dead name is known before a key is made.

The audit looks up the names of its endpoints; a certificate may have more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from audit.endpoint import to_address
from audit.probe.deadline import Stopped
from remediate.challenges.dns_lookup import Resolution
from remediate.model.audit_results import AuditResults
from remediate.model.case import VALIDATED, Case
from remediate.model.causes import Cause
from remediate.model.plan import Blocker, Plan, WaitingCase

_TO_DO: Final = "give it an address, or give the name up: [remediate] drop_names"


def without_dead_names(planned: Plan, evidence: AuditResults, resolution: Resolution) -> Plan:
    """Return the plan; the cases with a name that no CA could find wait. Without a name server here none does."""
    known = {seen.name for seen in evidence.seen.values()}
    names = {case.id: tuple(_names_to_look_up(case, known)) for case in planned.cases}
    wanted = tuple(dict.fromkeys(name for of_case in names.values() for name in of_case))
    if not wanted or not resolution.has_dns:
        return planned
    looked_up = resolution.of_each(partial(_blocker, resolution), wanted)
    blockers = {name: blocker for name, blocker in zip(wanted, looked_up, strict=True) if blocker}
    waiting = {
        case.id: WaitingCase(case, found)
        for case in planned.cases
        if (found := tuple(blockers[name] for name in names[case.id] if name in blockers))
    }
    return replace(
        planned,
        cases=tuple(case for case in planned.cases if case.id not in waiting),
        waiting=(*planned.waiting, *waiting.values()),
    )


def _names_to_look_up(case: Case, known: set[str]) -> Iterator[str]:
    """Yield the names of a case that a CA validates by a file, and that no endpoint of the audit has."""
    for validation in case.validated_on if case.repair in VALIDATED else ():
        if validation.name not in known and to_address(validation.name) is None:
            yield validation.name


def _blocker(resolution: Resolution, name: str) -> Blocker | None:
    """Return why a CA would find no address of a name; None if it finds one."""
    with suppress(Stopped):
        failure = resolution.lookups.of(name, resolution.limits, resolution.stop).failure
        if failure:
            return Blocker(Cause(f"dns.{failure.kind}"), f"{name}: {failure.detail}: {_TO_DO}")
    return None
