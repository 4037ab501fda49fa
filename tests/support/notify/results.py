"""What is found tonight and how its repair ends: one expired certificate of two services, or the same, well.

It knows rows and endings; it tells nobody.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from remediate.model.case import Case
from remediate.model.causes import Cause
from remediate.model.outcome import Attempt, CaseResult
from remediate.state.journal import CaseOutcome, Event
from tests.support.notify.nights import Nights
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


def here(host: str = "web1") -> Row:
    """Return that a host was logged into."""
    return found(f"{host}/", "svc.unreachable", verdict="pass")


def expired() -> tuple[Row, ...]:
    """Return one certificate of two services that has expired."""
    files = [file("/etc/ssl/www.pem")]
    both = (seen(WEB, files=files), seen(MAIL, files=files, service="dovecot"))
    reason = "certificate for www.example.com expired 3 days ago"
    return (here(), *both, *(found(one, "cert.expired", message=reason) for one in (WEB, MAIL)))


def on_web2() -> tuple[Row, ...]:
    """Return an expired certificate of another host."""
    return here("web2"), seen(OTHER, leaf="b", key="b"), found(OTHER, "cert.expired", message="expired yesterday")


def renewed() -> tuple[Row, ...]:
    """Return the same, well."""
    both = (seen(WEB, leaf="new"), seen(MAIL, leaf="new", service="dovecot"))
    return (here(), *both, *(found(one, "cert.expired", verdict="pass", phase="after") for one in (WEB, MAIL)))


def case_of(nights: Nights, *rows: Row) -> Case:
    [case] = nights.plan(*rows).cases
    return case


def ended(nights: Nights, case: Case, *how: Any, **differing: Any) -> CaseResult:  # noqa: ANN401 - an ending's fields
    """Return how a case ended tonight, kept as a run keeps it."""
    ending = CaseResult(case, *how, **differing)
    begun = nights.journal.begin(case, nights.now)
    if ending.step and begun.steps[0].state == "planned":
        nights.journal.record(case.id, Event("preconditions", "done", nights.now))
    nights.journal.attempts.add(
        case.id, Attempt(nights.now, how[0], ending.step, ending.cause, ending.note, next_at=ending.next_at)
    )
    if ending.ended_as == "failed":
        nights.journal.end(case.id, CaseOutcome("failed", nights.now))
    return ending


def blocked(nights: Nights, cause: Cause = Cause.DCV_BLOCKED) -> CaseResult:
    case = case_of(nights, *expired())
    return ended(nights, case, "failed", "self-test", cause, HOPS, next_at=nights.now + timedelta(hours=2))
