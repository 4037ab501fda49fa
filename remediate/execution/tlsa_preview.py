"""Looks up the TLSA records for which the cases of a plan would wait, so that the plan names them.

Nothing on a host is looked at. The addresses of the hosts and their mail ports are those that the audit saw.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from audit.probe import Limits
from remediate.challenges.dns_lookup import LookUps
from remediate.execution.steps.base import StepBlocked
from remediate.execution.steps.tlsa import RecordQuery, describe_records, is_mail_served, records_of
from remediate.model.audit_results import AuditResults, ObservedEndpoint
from remediate.model.case import VALIDATED, Case
from remediate.model.causes import Cause
from remediate.model.plan import Blocked, Blocker, Plan
from remediate.planning import tlsa

_AT_ONCE: Final = 8
_WITHOUT_DNS: Final = "TLSA records were not looked up: no name server answers here"


@dataclass(frozen=True, slots=True)
class Resolution:
    """By whom and within which bounds records are looked up."""

    lookups: LookUps
    limits: Limits
    stop: threading.Event


def with_records(planned: Plan, evidence: AuditResults, resolution: Resolution) -> Plan:
    """Return a plan that names the cases for which a repair would wait because of TLSA records."""
    cases = [case for case in planned.cases if case.repair in VALIDATED]
    if not cases:
        return planned
    if not resolution.lookups.has_dns(resolution.limits):
        return replace(planned, notes=(*planned.notes, _WITHOUT_DNS))
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        blockers = list(pool.map(partial(_blocker, evidence, resolution), cases))
    except KeyboardInterrupt:
        resolution.stop.set()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return replace(planned, blocked=tuple(Blocked(case.id, by) for case, by in zip(cases, blockers, strict=True) if by))


def _blocker(evidence: AuditResults, resolution: Resolution, case: Case) -> Blocker | None:
    """Return why a case would wait; None if no TLSA record binds it."""
    seen = tuple(_on_host(evidence, case.host))
    own = frozenset(address for one in seen for address in one.own_addresses or ())
    may_serve_mail = is_mail_served(case, [one.endpoint for one in seen if tlsa.is_at_smtp_port(one.endpoint)])
    lookups, limits, stop = resolution.lookups, resolution.limits, resolution.stop
    try:
        found = records_of(RecordQuery(case, lookups, limits, stop, own, may_serve_mail))
    except StepBlocked as blocked:
        return Blocker(blocked.cause, str(blocked))
    return Blocker(Cause.DNS_TLSA, describe_records(found)) if found.records else None


def _on_host(evidence: AuditResults, label: str) -> Iterator[ObservedEndpoint]:
    """Yield what was seen of the endpoints of a host."""
    yield from (one for one in evidence.seen.values() if one.label == label and not one.is_host)
