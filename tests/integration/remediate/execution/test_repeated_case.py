"""A case that is found again long after its repair is repaired like a new case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from remediate.execution.context import RunContext
from remediate.execution.dry_run import preview_state
from remediate.execution.scheduler import repair
from remediate.state.journal import Journal
from remediate.state.orders import PlacedOrder
from tests.support.remediate.folder_hosts import CONCURRENCY, Ca, FolderHost, plant, run_context


@pytest.fixture
def ca() -> Ca:
    return Ca()


@pytest.fixture
def run(host: FolderHost, journal: Journal, ca: Ca) -> RunContext:
    """Return the context of a run on a host that was repaired, and whose certificate has expired again."""
    first = run_context(journal, ca, host)
    [ending] = repair([host.case()], first, CONCURRENCY)
    assert ending.ended_as == "proven"
    plant(host.folder, "a.example")
    return run_context(journal, ca, host)


def test_repeated_case_is_self_tested_and_ordered_again(
    host: FolderHost, journal: Journal, run: RunContext, ca: Ca
) -> None:
    before = host.served
    [ending] = repair([host.case()], run, CONCURRENCY)
    assert (ending.ended_as, len(ca.orders), host.served == before) == ("proven", 2, False)
    [tested] = {event.note for event in journal.events(host.case().id) if event.step == "self-test" and event.note}
    assert tested != "there is an order already"


def test_dry_run_finds_the_pending_order_and_no_earlier_one(
    host: FolderHost, journal: Journal, run: RunContext
) -> None:
    case = host.case()
    assert preview_state(case, run).order is None
    pending = PlacedOrder(case.id, 2, "ca", "f" * 64, "pending-validation", datetime.now(UTC) + timedelta(seconds=1))
    journal.begin(case, pending.at)
    journal.orders.save(pending)
    assert preview_state(case, run).order == pending


def test_certificate_replaced_since_then_is_not_ordered(host: FolderHost, run: RunContext, ca: Ca) -> None:
    [ending] = repair([host.case(old_leaf_sha256="0" * 64)], run, CONCURRENCY)
    assert (ending.cause, len(ca.orders)) == ("case.changed", 1)


def test_repeated_case_without_a_finding_is_dropped(host: FolderHost, journal: Journal, run: RunContext) -> None:
    journal.begin(host.case(), datetime.now(UTC) + timedelta(seconds=1))
    assert repair((), run, CONCURRENCY) == ()
    outcome = journal.outcome(host.case().id)
    assert outcome is not None
    assert outcome.kind == "dropped"
