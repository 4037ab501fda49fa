"""A case that is found again long after its repair is repaired like a new case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from remediate.execution.context import RunContext
from remediate.execution.dry_run import preview_state
from remediate.execution.scheduler import repair
from remediate.state.journal import Journal
from remediate.state.orders import PlacedOrder
from tests.support.remediate.fake_host.ca import Ca
from tests.support.remediate.fake_host.host import FakeHost, repaired, write_expired
from tests.support.remediate.fake_host.run import CONCURRENCY


@pytest.fixture
def ca() -> Ca:
    return Ca()


@pytest.fixture
def run(host: FakeHost, journal: Journal, ca: Ca) -> RunContext:
    """Return the context of a run on a host that was repaired, and whose certificate has expired again."""
    first = host.run(journal, ca)
    ending = repaired(host.case(), first)
    assert ending.ended_as == "proven"
    write_expired(host.folder, "a.example")
    return host.run(journal, ca)


def test_repeated_case_is_self_tested_and_ordered_again(
    host: FakeHost, journal: Journal, run: RunContext, ca: Ca
) -> None:
    before = host.served
    ending = repaired(host.case(), run)
    assert (ending.ended_as, len(ca.orders), host.served == before) == ("proven", 2, False)
    [tested] = {event.note for event in journal.events(host.case().id) if event.step == "self-test" and event.note}
    assert tested != "there is an order already"


def test_dry_run_finds_the_pending_order_and_no_earlier_one(host: FakeHost, journal: Journal, run: RunContext) -> None:
    case = host.case()
    assert preview_state(case, run).order is None
    pending = PlacedOrder(case.id, 2, "ca", "f" * 64, "pending-validation", datetime.now(UTC) + timedelta(seconds=1))
    journal.begin(case, pending.at)
    journal.orders.save(pending)
    assert preview_state(case, run).order == pending


def test_certificate_replaced_since_then_is_not_ordered(host: FakeHost, run: RunContext, ca: Ca) -> None:
    ending = repaired(host.case(old_leaf_sha256="0" * 64), run)
    assert (ending.cause, len(ca.orders)) == ("case.changed", 1)


def test_repeated_case_without_a_finding_is_dropped(host: FakeHost, journal: Journal, run: RunContext) -> None:
    journal.begin(host.case(), datetime.now(UTC) + timedelta(seconds=1))
    assert repair((), run, CONCURRENCY) == ()
    outcome = journal.outcome(host.case().id)
    assert outcome is not None
    assert outcome.kind == "dropped"
