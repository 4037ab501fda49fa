"""Where repair is switched off on a host nothing is begun there, and nothing that was begun is taken further."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from remediate.execution.context import RunContext
from remediate.execution.scheduler import repair
from remediate.model.case import Repair, Validation
from remediate.model.options import Concurrency
from remediate.state.journal import Journal
from tests.support.remediate.folder_hosts import Ca, Place, host_changed, run_context
from tests.support.remediate.store_host import printed

CONCURRENCY = Concurrency(chance=lambda: 0.0)
WHY = "repairs are disabled on the host itself: /var/cpanel/ssl/disable_auto_hostname_certificate is there"


@pytest.fixture
def run(place: Place, journal: Journal) -> RunContext:
    """Return the context of a run on a host that says so."""
    return run_context(journal, Ca(), place, excluded=WHY)


@pytest.mark.parametrize("kind", [Repair.REISSUE, Repair.RUN_OWNER, Repair.RELOAD])
def test_planned_case_is_not_begun_if_repairs_are_disabled(
    place: Place, journal: Journal, run: RunContext, kind: Repair
) -> None:
    [ending] = repair([place.case(kind, owner="cpanel")], run, CONCURRENCY)
    assert (ending.ended_as, ending.cause, ending.note) == ("waiting", "host.switched-off", f"a: {WHY}")
    assert (place.session.commands, journal.unfinished()) == ([], ())


def test_open_case_is_not_continued_if_repairs_are_disabled(place: Place, journal: Journal, run: RunContext) -> None:
    journal.begin(place.case(Repair.RUN_OWNER, owner="cpanel"), datetime.now(UTC))
    [ending] = repair([], run, CONCURRENCY)
    assert (ending.cause, place.session.commands, len(journal.unfinished())) == ("host.switched-off", [], 1)


def test_no_token_is_placed_for_another_host_if_repairs_are_disabled(place: Place, journal: Journal) -> None:
    run = host_changed(run_context(journal, Ca(), place), "b", excluded=WHY)
    [ending] = repair([place.case(validated_on=(Validation("a.example", ("a", "b")),))], run, CONCURRENCY)
    assert (ending.note, place.session.commands) == (f"b: {WHY}", [])


def test_dry_run_reports_that_repairs_are_disabled(place: Place, run: RunContext) -> None:
    lines = printed(place.case(), run)
    assert WHY in lines
    assert "0 commands" in lines
