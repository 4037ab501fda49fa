"""Formats the steps of a repair for each endpoint of a case as rows of the results file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from audit.json_codec import format_time
from remediate.model.audit_results import AuditResults
from remediate.model.outcome import CaseResult
from remediate.state.journal import Event


def remediation_rows(
    case_result: CaseResult, events: Iterable[Event], before: AuditResults, after: Mapping[str, str | None]
) -> Iterator[dict[str, Any]]:
    """Yield a row for each endpoint of a case; `after` are the digests of the leaves that are served now."""
    case = case_result.case
    subjects = {step.name: step.subject for step in case.steps}
    for endpoint in case.endpoints:
        seen = before.seen.get(endpoint)
        service = seen.service if seen else None
        own_events = [event for event in events if subjects.get(event.step, "") in ("", endpoint, service)]
        leaf = seen.leaf_sha256 if seen else None
        yield {
            "case": case.id,
            "endpoint": endpoint,
            "repair": case.repair.value,
            "steps": [_step(event) for event in own_events],
            "before": leaf,
            "after": after.get(endpoint, leaf),
            "outcome": case_result.ended_as,
            "cause": case_result.cause or None,
            "note": case_result.note,
            "next_try": format_time(case_result.next_at) if case_result.next_at else None,
        }


def _step(event: Event) -> dict[str, Any]:
    return {"step": event.step, "state": event.state, "at": format_time(event.at), "note": event.note}
