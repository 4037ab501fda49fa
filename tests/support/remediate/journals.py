"""A case to keep in a journal, and the walk of a repair through its records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from remediate.model.case import Case, StepState
from remediate.state.journal import CaseOutcome, Event, Journal
from remediate.state.orders import PlacedOrder
from tests.support.remediate.result_rows import NOW, digest, file, found, planned, seen

WEB = "web1/https://www.example.com:443"
STATES: Final[tuple[StepState, ...]] = ("intended", "done")
MAIL = "web1/imaps://www.example.com:993"


def a_case(check: str = "cert.expired") -> Case:
    """Return a case of two services."""
    files = [file("/etc/ssl/www.pem")]
    rows = (seen(WEB, files=files), seen(MAIL, files=files, service="dovecot"))
    [case] = planned(*rows, found(WEB, check), found(MAIL, check)).cases
    return case


def instants() -> Iterator[datetime]:
    """Yield instants, a second after the other."""
    now = NOW
    while True:
        now += timedelta(seconds=1)
        yield now


def walk(journal: Journal, case: Case) -> Iterator[str]:
    """Write what a repair that goes well writes; yield the name of each record when it is on disk."""
    clock = instants()
    journal.begin(case, NOW)
    yield "begin"
    for step in case.steps:
        for state in STATES:
            journal.record(case.id, Event(step.name, state, next(clock)))
            yield f"{step.name} {state}"
        if step.kind == "key":
            journal.orders.save(PlacedOrder(case.id, 1, "store", digest("csr"), "intended", next(clock)))
            yield "order kept"
    journal.end(case.id, CaseOutcome("repaired", next(clock), digest("new")))
    yield "end"
