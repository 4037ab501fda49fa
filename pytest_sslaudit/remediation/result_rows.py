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
            "case": case.id,  # id of the case
            "endpoint": endpoint,  # id of the endpoint
            "repair": case.repair.value,  # what was done: reissue, rekey, rechain and others
            "steps": [_step(event) for event in own_events],  # steps of the repair, in order
            "before": leaf,  # digest of the leaf before
            "after": after.get(endpoint, leaf),  # digest of the leaf after
            "outcome": case_result.ended_as,  # how the case ended
            "cause": case_result.cause or None,  # why it was not repaired, a word of docs/causes.md; else null
            "note": case_result.note,  # one line for a person
            # time of the next attempt; null if there is none
            "next_try": format_time(case_result.next_at) if case_result.next_at else None,
        }


def _step(event: Event) -> dict[str, Any]:
    return {
        "step": event.step,  # name of the step
        "state": event.state,  # its new state
        "at": format_time(event.at),  # when it reached this state
        "note": event.note,  # one line for a person
    }
