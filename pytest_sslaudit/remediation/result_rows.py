"""What was done to each endpoint of a case, as rows of the results file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from audit.json_codec import format_time
from remediate.model.audit_results import AuditResults
from remediate.model.outcome import CaseResult
from remediate.state.journal import Event


def remediation_rows(
    ending: CaseResult, events: Iterable[Event], before: AuditResults, after: Mapping[str, str | None]
) -> Iterator[dict[str, Any]]:
    """Give a row for each endpoint of a case; `after` are the leaves that are served now."""
    case = ending.case
    subjects = {step.name: step.subject for step in case.steps}
    for endpoint in case.endpoints:
        seen = before.seen.get(endpoint)
        service = seen.service if seen else None
        mine = [event for event in events if subjects.get(event.step, "") in ("", endpoint, service)]
        leaf = seen.leaf_sha256 if seen else None
        yield {
            "case": case.id,
            "endpoint": endpoint,
            "repair": case.repair.value,
            "steps": [_step(event) for event in mine],
            "before": leaf,
            "after": after.get(endpoint, leaf),
            "outcome": ending.kind,
            "cause": ending.cause or None,
            "note": ending.note,
            "next_try": format_time(ending.next_at) if ending.next_at else None,
        }


def _step(event: Event) -> dict[str, Any]:
    return {"step": event.step, "state": event.state, "at": format_time(event.at), "note": event.note}
