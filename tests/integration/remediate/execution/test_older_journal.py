"""A run of today goes on with the open case in a journal of version 1: same order, same backoff, nothing told twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from audit.json_codec import format_time
from remediate.execution.case_context import CaseContext
from remediate.execution.context import RunContext
from remediate.execution.scheduler import repair
from remediate.execution.steps.key import request_of
from remediate.issuers import IssuerFault, Order, OrderRequest
from remediate.model.audit_results import AuditResults, audit_results_of
from remediate.model.case import Case, Reason
from remediate.model.causes import Cause
from remediate.model.options import Concurrency
from remediate.model.outcome import CaseResult
from remediate.model.plan import Plan
from remediate.notify.channels.mail import Mail
from remediate.notify.notifier import notify
from remediate.notify.report import RunReport
from remediate.pki.csr import Csr
from remediate.state.journal import Journal, open_journal
from tests.support.notify.nightly_runs import ADMIN, CONTROLLER, Mailbox, settings_of
from tests.support.remediate.folder_hosts import AUTHORITY, DAY, NOW, Ca, Place, delivered, run_context, running_place
from tests.support.remediate.older_journal import A, B, older_journal
from tests.support.remediate.result_rows import SUMMARY, found, seen
from tests.support.store.issuance import Commission, deliver

CONCURRENCY = Concurrency(chance=lambda: 0.0)
HOUR = timedelta(hours=1)
REFUSED = IssuerFault("refused", "the account has no funds left")


@dataclass(slots=True)
class SlowCa(Ca):
    """A CA that has a's order, and refuses all others."""

    asked: list[str] = field(default_factory=list)

    def place(self, request: OrderRequest) -> Order | IssuerFault:
        """Refuse."""
        self.asked.append(request.names[0])
        return REFUSED

    def issue(self, csr: Csr) -> None:
        """Issue a's order."""
        key = x509.load_pem_x509_csr(csr.pem.encode()).public_key()
        delivery = deliver(AUTHORITY, Commission(key, ("a.example",), NOW, 90 * DAY))  # type: ignore[arg-type]  # an EC key
        self.orders[csr.sha256] = replace(
            self.orders[csr.sha256], status="valid", message="issued", issued=(delivered(delivery),), own_word="issued"
        )


@dataclass
class World:
    """Two hosts of then, the CA, who reads notifications, and the journal in the form that it had."""

    a: Place
    b: Place
    csr: Csr
    folder: Path
    ca: SlowCa = field(default_factory=SlowCa)
    box: Mailbox = field(default_factory=Mailbox)

    @contextmanager
    def journal(self) -> Iterator[Journal]:
        with open_journal(self.folder / "state") as opened:
            yield opened

    def night(self) -> dict[str, CaseResult]:
        """Repair and tell as a run does, and return how the case of each host ended."""
        cases = tuple(map(case_of, (self.a, self.b)))
        with self.journal() as journal:
            endings = repair(cases, self.run(journal), CONCURRENCY)
            after = evidence((self.a,), "pass", "after") if endings[0].ended_as == "proven" else None
            report = RunReport(Plan(cases, (), ()), endings, evidence((self.a, self.b)), journal, after)
            settings = settings_of(Mail(self.box, CONTROLLER, (ADMIN,)))
            notify(report, settings, sessions={}, results=b"", now=datetime.now(UTC))
        return {ending.case.host: ending for ending in endings}

    def run(self, journal: Journal) -> RunContext:
        """Return the context of a run on both hosts."""
        return run_context(journal, self.ca, self.a, self.b)


def case_of(place: Place) -> Case:
    """Return the case of a host as the code of then planned it."""
    message = f"certificate for {place.label}.example expired 30 days ago"
    return place.case(reasons=(Reason(str(place.endpoint), "cert.expired", "high", "reissue", message),))


def evidence(places: tuple[Place, ...], verdict: str = "fail", phase: str = "before") -> AuditResults:
    """Return what an audit saw of some hosts."""
    rows = [SUMMARY]
    for place in places:
        endpoint, names = str(place.endpoint), (f"{place.label}.example",)
        message = f"certificate for {place.label}.example expired 30 days ago"
        rows.append(seen(endpoint, names, service=place.service, observed_at=format_time(NOW), phase=phase))
        rows.append(found(endpoint, "cert.expired", message=message, verdict=verdict, phase=phase))
    return audit_results_of(rows)


@contextmanager
def world_after(folder: Path, since: timedelta) -> Iterator[World]:
    """Give a world whose journal's second night was that long ago."""
    with running_place(folder / "a", "a") as a, running_place(folder / "b", "b") as b:
        with open_journal(folder / "scratch") as scratch:
            csr = request_of(CaseContext(a.case(), run_context(scratch, Ca(), a)))
        placed = {"FOLDER": folder, "A": a.port, "B": b.port, "CSR": csr.sha256}
        older_journal(folder / "state", at=datetime.now(UTC) - since, placed=placed)
        world = World(a, b, csr, folder)
        message = "the CA has not come for the file yet"
        world.ca.orders[csr.sha256] = Order("o-a", "pending", message, NOW - since, own_word="pending-validation")
        yield world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with world_after(tmp_path, HOUR) as made:
        yield made


def test_open_case_keeps_its_order_and_is_notified_once(world: World) -> None:
    endings = world.night()
    assert (endings["a"].ended_as, endings["a"].cause) == ("pending", Cause.ISSUER_PENDING)
    assert (endings["b"].ended_as, endings["b"].cause) == ("waiting", Cause.RUN_NOT_DUE)
    assert endings["b"].note.endswith(f": issuer.refused: ca: {REFUSED}")
    assert len(world.box.sent) == 1, "the notification that was put off then, and no other"
    world.night()
    assert (len(world.box.sent), world.ca.asked) == (1, [])


def test_issued_order_is_installed_and_only_that_is_notified(world: World) -> None:
    before = world.a.served
    world.night()
    world.ca.issue(world.csr)
    endings = world.night()
    assert (endings["a"].ended_as, world.a.served == before, world.ca.asked) == ("proven", False, [])
    with world.journal() as journal:
        assert [(one.attempt, one.order_id, one.status) for one in journal.orders.of_case(A)] == [(1, "o-a", "issued")]
        outcome = journal.outcome(A)
    assert outcome is not None
    assert outcome.kind == "repaired"
    assert len(world.box.sent) == 2
    text = str(world.box.emails[1].get_body(("plain",)))
    assert "REPAIRED  gateway-a" in text
    assert "[issuer.refused]" in text, "b is told beside it, by the cause of its last try"


def test_backoff_counts_the_failures_of_the_older_journal(tmp_path: Path) -> None:
    with world_after(tmp_path, 5 * HOUR) as world:
        ending = world.night()["b"]
        assert (ending.ended_as, ending.cause, world.ca.asked) == ("failed", Cause.ISSUER_REFUSED, ["b.example"])
        with world.journal() as journal:
            attempts = journal.attempts.of_case(B)
        last = attempts[-1]
        assert [one.ended for one in attempts] == ["failed"] * 3
        assert last.next_at == last.at + 8 * HOUR
        assert len(world.box.sent) == 1, "what is wrong with b is known already"
