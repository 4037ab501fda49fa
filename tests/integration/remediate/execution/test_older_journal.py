"""A run continues the open cases of a journal of version 1 with their orders, backoff and notifications."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit.json_codec import format_time
from remediate.execution.case_context import CaseContext
from remediate.execution.context import RunContext
from remediate.execution.scheduler import repair
from remediate.execution.steps.key import request_of
from remediate.issuers import IssuerFault, Order
from remediate.model.audit_results import AuditResults, audit_results_of
from remediate.model.case import Case, Reason
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.model.plan import Plan
from remediate.notify.channels.mail import Mail
from remediate.notify.notifier import notify
from remediate.notify.report import RunReport
from remediate.pki.csr import Csr
from remediate.state.journal import Journal, open_journal
from tests.support.notify.nightly_runs import ADMIN, CONTROLLER, Mailbox, settings_of
from tests.support.remediate.fake_host.ca import NOW, Ca
from tests.support.remediate.fake_host.host import FakeHost, run_context, running_host
from tests.support.remediate.fake_host.run import CONCURRENCY
from tests.support.remediate.older_journal import A, B, older_journal
from tests.support.remediate.result_rows import SUMMARY, found, seen

HOUR = timedelta(hours=1)
REFUSED = IssuerFault("refused", "the account has no funds left")


@dataclass
class OlderState:
    """Two hosts, the CA, a mailbox and the journal of the earlier version."""

    a: FakeHost
    b: FakeHost
    csr: Csr
    folder: Path
    ca: Ca = field(default_factory=lambda: Ca(faults=[REFUSED]))
    box: Mailbox = field(default_factory=Mailbox)

    @contextmanager
    def journal(self) -> Iterator[Journal]:
        with open_journal(self.folder / "state") as opened:
            yield opened

    def night(self) -> dict[str, CaseResult]:
        """Repair and notify as a run does, and return the result of each host."""
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


def message_about(host: FakeHost) -> str:
    return f"certificate for {host.name} expired 30 days ago"


def case_of(host: FakeHost) -> Case:
    """Return the case of a host as the earlier version planned it."""
    return host.case(reasons=(Reason(str(host.endpoint), "cert.expired", "high", "reissue", message_about(host)),))


def evidence(hosts: tuple[FakeHost, ...], verdict: str = "fail", phase: str = "before") -> AuditResults:
    """Return the results of an audit of some hosts."""
    rows = [SUMMARY]
    for host in hosts:
        endpoint, message = str(host.endpoint), message_about(host)
        rows.append(seen(endpoint, (host.name,), service=host.service, observed_at=format_time(NOW), phase=phase))
        rows.append(found(endpoint, "cert.expired", message=message, verdict=verdict, phase=phase))
    return audit_results_of(rows)


@contextmanager
def older_state(folder: Path, since: timedelta) -> Iterator[OlderState]:
    """Yield a state whose second run was that long ago."""
    with running_host(folder / "a", "a") as a, running_host(folder / "b", "b") as b:
        with open_journal(folder / "scratch") as scratch:
            csr = request_of(CaseContext(a.case(), a.run(scratch)))
        placed = {"FOLDER": folder, "A": a.endpoint.port, "B": b.endpoint.port, "CSR": csr.sha256}
        older_journal(folder / "state", at=datetime.now(UTC) - since, placed=placed)
        state = OlderState(a, b, csr, folder)
        message = "the CA has not come for the file yet"
        state.ca.orders[csr.sha256] = Order("o-a", "pending", message, NOW - since, own_word="pending-validation")
        yield state


@pytest.fixture
def state(tmp_path: Path) -> Iterator[OlderState]:
    with older_state(tmp_path, HOUR) as made:
        yield made


def test_open_case_keeps_its_order_and_is_notified_once(state: OlderState) -> None:
    endings = state.night()
    assert (endings["a"].ended_as, endings["a"].cause) == ("pending", Cause.ISSUER_PENDING)
    assert (endings["b"].ended_as, endings["b"].cause) == ("waiting", Cause.RUN_NOT_DUE)
    assert endings["b"].note.endswith(f": issuer.refused: ca: {REFUSED}")
    assert len(state.box.sent) == 1, "only the notification that was postponed in the second run"
    state.night()
    assert (len(state.box.sent), state.ca.csrs) == (1, [])


def test_issued_order_is_installed_and_only_that_is_notified(state: OlderState) -> None:
    before = state.a.served
    state.night()
    state.ca.issue(state.csr)
    endings = state.night()
    assert (endings["a"].ended_as, state.a.served == before, state.ca.csrs) == ("proven", False, [])
    with state.journal() as journal:
        assert [(order.attempt, order.order_id, order.status) for order in journal.orders.of_case(A)] == [
            (1, "o-a", "issued")
        ]
        outcome = journal.outcome(A)
    assert outcome is not None
    assert outcome.kind == "repaired"
    assert len(state.box.sent) == 2
    text = str(state.box.emails[1].get_body(("plain",)))
    assert "REPAIRED  gateway-a" in text
    assert "[issuer.refused]" in text, "b is in the same email with the cause of its last attempt"


def test_backoff_counts_the_failures_of_the_older_journal(tmp_path: Path) -> None:
    with older_state(tmp_path, 5 * HOUR) as state:
        ending = state.night()["b"]
        names = [csr.names for csr in state.ca.csrs]
        assert (ending.ended_as, ending.cause, names) == ("failed", Cause.ISSUER_REFUSED, [("b.example",)])
        with state.journal() as journal:
            attempts = journal.attempts.of_case(B)
        last = attempts[-1]
        assert [attempt.ended for attempt in attempts] == ["failed"] * 3
        assert last.next_at == last.at + 8 * HOUR
        assert len(state.box.sent) == 1, "the problem of b was notified before"
