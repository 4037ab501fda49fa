"""A rollback restores the previous certificate of a repaired case and verifies it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from remediate.execution.case_context import NotFoundOnHost
from remediate.execution.rollback import rollback
from remediate.execution.scheduler import repair
from remediate.model.case import Reason, Repair
from remediate.model.causes import Cause
from remediate.model.options import EarlyTries
from remediate.state.journal import CaseOutcome, Event, Journal, open_journal
from tests.support.remediate.fake_host.ca import NOW
from tests.support.remediate.fake_host.host import FakeHost, running_host, write_expired
from tests.support.remediate.fake_host.run import CONCURRENCY
from tests.support.remediate.killed_database import Killed, KilledRun, Point, die, faults_after_each, watched_database
from tests.support.remediate.repaired_host import (
    CASE,
    RepairedHost,
    host,
    journal,
    prepared,
    repair_certificate,
    repaired_host,
)

__all__ = ["host", "journal", "prepared", "repaired_host"]  # fixtures


def states(journal: Journal, case_id: str) -> dict[str, str]:
    case = journal.case(case_id)
    assert case
    return {step.kind: step.state for step in case.steps}


def test_rollback_serves_the_previous_certificate_and_is_recorded(
    repaired_host: RepairedHost, host: FakeHost, journal: Journal
) -> None:
    before = (repaired_host.served_before, repaired_host.key_before)
    assert host.served != before[0]
    ending = rollback(CASE, host.run(journal))
    assert (ending.ended_as, f"sslaudit repair resume --now {CASE}" in ending.note) == ("undone", True), ending
    assert (host.served, host.key.read_text()) == before
    outcome, now = journal.outcome(CASE), states(journal, CASE)
    assert (outcome and outcome.kind, now["reload"], now["proof"], now["collect"]) == (
        "rolled-back", "undone", "undone", "done",
    )  # fmt: skip
    again = rollback(CASE, host.run(journal))
    assert (again.ended_as, again.cause, host.served) == ("failed", "rollback.nothing", before[0])


@pytest.mark.parametrize(
    ("early", "changes", "ended"),
    [
        (EarlyTries(), {}, ("waiting", Cause.ROLLBACK_HELD)),
        (EarlyTries(every_case=True), {}, ("waiting", Cause.ROLLBACK_HELD)),
        (EarlyTries(case_id=CASE), {}, ("proven", None)),
        (EarlyTries(), {"reasons": (Reason("a/https://a.example:1", "cert.expired", "high", "reissue", ""),)},
         ("proven", None)),
    ],
    ids=["next run", "--remediate-now", "resume --now CASE", "new finding"],
)  # fmt: skip
def test_case_that_was_rolled_back_waits_for_a_person_or_a_new_finding(
    host: FakeHost, journal: Journal, early: EarlyTries, changes: dict[str, Any], ended: tuple[str, Cause | None]
) -> None:
    assert rollback(CASE, host.run(journal)).ended_as == "undone"
    before = host.served
    (ending,) = repair([host.case(**changes)], replace(host.run(journal), early=early), CONCURRENCY)
    assert ((ending.ended_as, ending.cause), host.served != before) == (ended, ended[1] is None), ending.note


def test_rollback_to_a_compromised_key_is_refused(tmp_path: Path) -> None:
    with running_host(tmp_path / "a", "a") as host, open_journal(tmp_path / "state") as journal:
        case_id = repair_certificate(host, journal, repair=Repair.REKEY, is_compromised=True)
        served = host.served
        ending = rollback(case_id, host.run(journal))
        assert (ending.cause, "never used again" in ending.note, host.served) == ("rollback.compromised", True, served)


def test_new_files_stay_if_the_service_does_not_load_the_old_ones(host: FakeHost, journal: Journal) -> None:
    served = host.served
    ending = rollback(CASE, host.run(journal, installers=host.installers(loads=False)))
    assert (ending.ended_as, ending.cause) == ("failed", "rollback.failed")
    assert "the switch is returned" in ending.note
    outcome = journal.outcome(CASE)
    assert (host.served, outcome and outcome.kind) == (served, "repaired")
    assert rollback(CASE, host.run(journal)).ended_as == "undone"
    assert host.served != served


def test_files_of_another_program_are_not_rolled_back(host: FakeHost, journal: Journal) -> None:
    for path in (host.certificate, host.key):
        path.unlink()
    write_expired(host.folder, "a.example")
    served = host.served
    ending = rollback(CASE, host.run(journal))
    assert (ending.cause, host.served) == ("rollback.changed", served)
    assert not host.certificate.is_symlink()


def test_unknown_case_cannot_be_rolled_back(host: FakeHost, journal: Journal) -> None:
    with pytest.raises(NotFoundOnHost, match="no case c0ffee"):
        rollback("c0ffee", host.run(journal))


@pytest.mark.parametrize("outcome", [None, CaseOutcome("failed", NOW)], ids=["open", "failed"])
@pytest.mark.parametrize("kind", [Repair.RELOAD, Repair.REISSUE])
def test_rollback_of_a_case_that_switched_nothing_holds_it(
    host: FakeHost, journal: Journal, kind: Repair, outcome: CaseOutcome | None
) -> None:
    case, run, served = host.case(kind, id="other"), host.run(journal), host.served
    journal.begin(case, NOW)
    if outcome:
        journal.end(case.id, outcome)
    ending = rollback(case.id, run)
    assert (ending.ended_as, ending.note.partition(".")[0]) == ("undone", "nothing of the repair was in use"), ending
    (held,) = repair([case], run, CONCURRENCY)
    assert (held.ended_as, held.cause, host.served) == ("waiting", Cause.ROLLBACK_HELD, served)
    assert rollback(case.id, run).cause == "rollback.nothing"


def test_rollback_of_a_failed_case_with_a_switched_service_is_refused(host: FakeHost, journal: Journal) -> None:
    case = host.case(id="other")
    journal.begin(case, NOW)
    for state in ("intended", "done"):
        journal.record(case.id, Event(f"reload {host.service}", state, NOW))
    journal.end(case.id, CaseOutcome("failed", NOW))
    assert rollback(case.id, host.run(journal)).cause == "rollback.nothing"


def test_rollback_of_an_unfinished_case_ends_it(tmp_path: Path) -> None:
    with running_host(tmp_path / "a", "a") as host:
        before, case = host.served, host.case()

        def see(point: Point) -> None:
            """End the run when all is verified; what is left is the outcome and the attempt."""
            if point[0] == "before" and begun.case(case.id) and states(begun, case.id)["proof"] == "done":
                die()

        with Journal(watched_database(tmp_path / "state", see)) as begun, suppress(Killed):
            repair([case], host.run(begun), CONCURRENCY)
        assert host.served != before
        with open_journal(tmp_path / "state") as journal:
            assert [unfinished.id for unfinished in journal.unfinished()] == [case.id]
            assert rollback(case.id, host.run(journal)).ended_as == "undone"
            assert (journal.unfinished(), host.served) == ((), before)


def test_rollback_killed_at_any_record_is_completed_by_the_next_one(repaired_host: RepairedHost) -> None:
    host = repaired_host.host

    def begin(journal: Journal) -> None:
        rollback(CASE, host.run(journal))

    def complete(journal: Journal) -> object:
        begin(journal)
        outcome = journal.outcome(CASE)
        return host.served, outcome and outcome.kind

    expected = (repaired_host.served_before, "rolled-back")
    run = KilledRun(repaired_host.saved.folder, begin, complete, expected, lambda: host.changes)
    assert faults_after_each(run, records_above=2) == []


@pytest.mark.parametrize(
    ("without", "ended_as", "cause", "note"),
    [
        ({"session": None}, "interrupted", "host.unreachable", "a cannot be logged into now"),
        ({"targets": {}}, "failed", "case.unknown", "the files of gateway-a were not found in this run"),
    ],
    ids=["login", "files"],
)
def test_rollback_without_a_login_or_the_files_changes_nothing(
    host: FakeHost, journal: Journal, without: dict[str, Any], ended_as: str, cause: str, note: str
) -> None:
    served = host.served
    result = rollback(CASE, host.run(journal, **without))
    assert (result.ended_as, result.cause, host.served) == (ended_as, cause, served)
    assert result.note == note
