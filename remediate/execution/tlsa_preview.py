"""Looks up the TLSA records for which the cases of a plan would wait, so that the plan names them.

It reads nothing from a host: the addresses and mail ports of the hosts come from the audit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from remediate.challenges.dns_lookup import Resolution
from remediate.execution.steps.base import StepBlocked
from remediate.execution.steps.tlsa import RecordQuery, describe_records, is_mail_served, records_of
from remediate.model.audit_results import AuditResults, ObservedEndpoint
from remediate.model.case import VALIDATED, Case
from remediate.model.causes import Cause
from remediate.model.plan import Blocked, Blocker, Plan
from remediate.planning import tlsa

_WITHOUT_DNS: Final = "TLSA records were not looked up: no name server responds here"


def with_records(planned: Plan, evidence: AuditResults, resolution: Resolution) -> Plan:
    """Return the plan with the cases that would wait because of TLSA records."""
    cases = [case for case in planned.cases if case.repair in VALIDATED]
    if not cases:
        return planned
    if not resolution.has_dns:
        return replace(planned, notes=(*planned.notes, _WITHOUT_DNS))
    blockers = resolution.of_each(partial(_blocker, evidence, resolution), cases)
    return replace(planned, blocked=tuple(Blocked(case.id, by) for case, by in zip(cases, blockers, strict=True) if by))


def _blocker(evidence: AuditResults, resolution: Resolution, case: Case) -> Blocker | None:
    """Return why a case would wait; None if no TLSA record binds it."""
    endpoints = tuple(_on_host(evidence, case.host))
    own_addresses = frozenset(address for observed in endpoints for address in observed.own_addresses or ())
    at_25 = [observed.endpoint for observed in endpoints if tlsa.is_at_smtp_port(observed.endpoint)]
    may_serve_mail = is_mail_served(case, at_25)
    lookups, limits, stop = resolution.lookups, resolution.limits, resolution.stop
    try:
        bound = records_of(RecordQuery(case, lookups, limits, stop, own_addresses, may_serve_mail))
    except StepBlocked as blocked:
        return Blocker(blocked.cause, str(blocked))
    return Blocker(Cause.DNS_TLSA, describe_records(bound)) if bound.records else None


def _on_host(evidence: AuditResults, label: str) -> Iterator[ObservedEndpoint]:
    """Yield the endpoints of a host that the audit saw."""
    yield from (endpoint for endpoint in evidence.seen.values() if endpoint.label == label and not endpoint.is_host)
