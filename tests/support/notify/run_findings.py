"""Findings of a run and results of its repairs: an expired certificate of two services, and the same renewed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from remediate.model.case import Case
from remediate.model.causes import Cause
from remediate.model.outcome import Attempt, CaseResult
from remediate.state.journal import CaseOutcome, Event
from tests.support.notify.nightly_runs import NightlyRuns
from tests.support.remediate.result_rows import Row, file, found, seen

WEB = "web1/https://www.example.com:443"
MAIL = "web1/imaps://www.example.com:993"
OTHER = "web2/https://b.example.com:443"
HOPS = (
    "www.example.com at 192.0.2.7: blocked: nothing listens\n"
    "  http://www.example.com/.well-known/pki-validation/X.txt at 192.0.2.7: connection refused\n"
    "www.example.com at 2001:db8::7: blocked: no answer\n"
    "  http://www.example.com/.well-known/pki-validation/X.txt at 2001:db8::7: timed out"
)


def logged_in(host: str = "web1") -> Row:
    """Return the row of a host that was logged in to."""
    return found(f"{host}/", "svc.unreachable", verdict="pass")


def expired() -> tuple[Row, ...]:
    """Return the rows of an expired certificate of two services."""
    files = [file("/etc/ssl/www.pem")]
    both = (seen(WEB, files=files), seen(MAIL, files=files, service="dovecot"))
    reason = "certificate for www.example.com expired 3 days ago"
    return (logged_in(), *both, *(found(endpoint, "cert.expired", message=reason) for endpoint in (WEB, MAIL)))


def on_web2() -> tuple[Row, ...]:
    """Return the rows of an expired certificate of another host."""
    return logged_in("web2"), seen(OTHER, leaf="b", key="b"), found(OTHER, "cert.expired", message="expired yesterday")


def renewed() -> tuple[Row, ...]:
    """Return the rows of these services with a new certificate."""
    both = (seen(WEB, leaf="new"), seen(MAIL, leaf="new", service="dovecot"))
    return (
        logged_in(),
        *both,
        *(found(endpoint, "cert.expired", verdict="pass", phase="after") for endpoint in (WEB, MAIL)),
    )


def case_of(runs: NightlyRuns, *rows: Row) -> Case:
    [case] = runs.plan(*rows).cases
    return case


def recorded_result(runs: NightlyRuns, case: Case, *fields: Any, **differing: Any) -> CaseResult:  # noqa: ANN401 - the fields of a result
    """Return the result of a case, recorded in the journal as a run records it."""
    result = CaseResult(case, *fields, **differing)
    begun = runs.journal.begin(case, runs.now)
    if result.step and begun.steps[0].state == "planned":
        runs.journal.record(case.id, Event("preconditions", "done", runs.now))
    runs.journal.attempts.add(
        case.id, Attempt(runs.now, fields[0], result.step, result.cause, result.note, next_at=result.next_at)
    )
    if result.ended_as == "failed":
        runs.journal.end(case.id, CaseOutcome("failed", runs.now))
    return result


def blocked(runs: NightlyRuns, cause: Cause = Cause.DCV_BLOCKED) -> CaseResult:
    case = case_of(runs, *expired())
    return recorded_result(runs, case, "failed", "self-test", cause, HOPS, next_at=runs.now + timedelta(hours=2))
