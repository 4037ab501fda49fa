"""No case is begun or continued on a host whose repairs are disabled."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from remediate.execution.context import RunContext
from remediate.execution.scheduler import repair
from remediate.model.case import Repair, Validation
from remediate.state.journal import Journal
from tests.support.remediate.fake_host.host import FakeHost, repaired
from tests.support.remediate.fake_host.run import CONCURRENCY, host_changed
from tests.support.remediate.store_host import printed

WHY = "repairs are disabled on the host itself: /var/cpanel/ssl/disable_auto_hostname_certificate is there"


@pytest.fixture
def run(host: FakeHost, journal: Journal) -> RunContext:
    """Return the context of a run on a host whose repairs are disabled."""
    return host.run(journal, excluded=WHY)


@pytest.mark.parametrize("kind", [Repair.REISSUE, Repair.RUN_OWNER, Repair.RELOAD])
def test_planned_case_is_not_begun_if_repairs_are_disabled(
    host: FakeHost, journal: Journal, run: RunContext, kind: Repair
) -> None:
    ending = repaired(host.case(kind, owner="cpanel"), run)
    assert (ending.ended_as, ending.cause, ending.note) == ("waiting", "host.switched-off", f"a: {WHY}")
    assert (host.session.commands, journal.unfinished()) == ([], ())


def test_open_case_is_not_continued_if_repairs_are_disabled(host: FakeHost, journal: Journal, run: RunContext) -> None:
    journal.begin(host.case(Repair.RUN_OWNER, owner="cpanel"), datetime.now(UTC))
    [ending] = repair([], run, CONCURRENCY)
    assert (ending.cause, host.session.commands, len(journal.unfinished())) == ("host.switched-off", [], 1)


def test_no_token_is_placed_for_another_host_if_repairs_are_disabled(host: FakeHost, journal: Journal) -> None:
    run = host_changed(host.run(journal), "b", excluded=WHY)
    ending = repaired(host.case(validated_on=(Validation("a.example", ("a", "b")),)), run)
    assert (ending.note, host.session.commands) == (f"b: {WHY}", [])


def test_dry_run_reports_that_repairs_are_disabled(host: FakeHost, run: RunContext) -> None:
    lines = printed(host.case(), run)
    assert WHY in lines
    assert "0 commands" in lines
