"""A rollback restores the previous certificate of a repaired case and verifies it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from remediate.execution.case_context import NotFoundOnHost
from remediate.execution.rollback import rollback
from remediate.execution.scheduler import repair
from remediate.model.case import Repair
from remediate.model.options import Concurrency
from remediate.state.journal import Journal, open_journal
from tests.support.crash_points import sampled
from tests.support.remediate.folder_hosts import Ca, FolderHost, plant, run_context, running_host
from tests.support.remediate.killed_database import Killed, Point, die, mortal_database

CONCURRENCY = Concurrency(chance=lambda: 0.0)


def repaired(host: FolderHost, journal: Journal, by: Repair = Repair.REISSUE, *, is_compromised: bool = False) -> str:
    """Repair the case of the host and return its id."""
    case = host.case(by, is_compromised=is_compromised)
    (ending,) = repair([case], run_context(journal, Ca(), host), CONCURRENCY)
    assert ending.ended_as == "proven", ending
    return case.id


def states(journal: Journal, case_id: str) -> dict[str, str]:
    case = journal.case(case_id)
    assert case
    return {step.kind: step.state for step in case.steps}


def test_rollback_serves_the_previous_certificate_and_is_recorded(host: FolderHost, journal: Journal) -> None:
    before = (host.served, (host.folder / "tls.key").read_text())
    case_id = repaired(host, journal)
    new = host.served
    ending = rollback(case_id, run_context(journal, Ca(), host))
    assert (ending.ended_as, "The next run repairs the finding again" in ending.note) == ("undone", True), ending
    assert (host.served, (host.folder / "tls.key").read_text()) == before
    outcome, now = journal.outcome(case_id), states(journal, case_id)
    assert (outcome and outcome.kind, now["reload"], now["proof"], now["collect"]) == (
        "rolled-back", "undone", "undone", "done",
    )  # fmt: skip
    again = rollback(case_id, run_context(journal, Ca(), host))
    assert (again.ended_as, again.cause, host.served) == ("failed", "rollback.nothing", before[0])
    assert repaired(host, journal) == case_id
    assert host.served not in (before[0], new)


def test_rollback_to_a_compromised_key_is_refused(host: FolderHost, journal: Journal) -> None:
    case_id = repaired(host, journal, Repair.REKEY, is_compromised=True)
    served = host.served
    ending = rollback(case_id, run_context(journal, Ca(), host))
    assert (ending.cause, "never used again" in ending.note, host.served) == ("rollback.compromised", True, served)


def test_new_files_stay_if_the_service_does_not_load_the_old_ones(host: FolderHost, journal: Journal) -> None:
    case_id = repaired(host, journal)
    served = host.served
    not_loading = run_context(journal, Ca(), host, installers={host.service: host.installer(takes_up=False)})
    ending = rollback(case_id, not_loading)
    assert (ending.ended_as, ending.cause) == ("failed", "rollback.failed")
    assert "the switch is returned" in ending.note
    outcome = journal.outcome(case_id)
    assert (host.served, outcome and outcome.kind) == (served, "repaired")
    assert rollback(case_id, run_context(journal, Ca(), host)).ended_as == "undone"
    assert host.served != served


def test_files_of_another_program_are_not_rolled_back(host: FolderHost, journal: Journal) -> None:
    case_id = repaired(host, journal)
    for name in ("tls.crt", "tls.key"):
        (host.folder / name).unlink()
    plant(host.folder, "a.example")
    served = host.served
    ending = rollback(case_id, run_context(journal, Ca(), host))
    assert (ending.cause, host.served) == ("rollback.changed", served)
    assert not (host.folder / "tls.crt").is_symlink()


def test_unknown_case_and_reload_cannot_be_rolled_back(host: FolderHost, journal: Journal) -> None:
    with pytest.raises(NotFoundOnHost, match="no case c0ffee"):
        rollback("c0ffee", run_context(journal, Ca(), host))
    case = host.case(Repair.RELOAD, id="reload")
    journal.begin(case, run_context(journal, Ca(), host).clock())
    assert rollback("reload", run_context(journal, Ca(), host)).cause == "rollback.nothing"


def test_rollback_of_an_unfinished_case_ends_it(tmp_path: Path) -> None:
    records = ended_at(tmp_path / "whole", None)
    ended_at(tmp_path / "killed", ("before", records - 1))  # all is proven; what is left is the outcome and the try


def ended_at(folder: Path, at: Point | None) -> int:
    """End a repair at a record, roll it back if it is unfinished, and return the records of the repair."""
    folder.mkdir()
    with running_host(folder / "a", "a") as host:
        before = host.served
        database = mortal_database(folder / "state", at, die)
        with Journal(database) as journal, suppress(Killed):
            repair([host.case()], run_context(journal, Ca(), host), CONCURRENCY)
        assert host.served != before
        with open_journal(folder / "state") as journal:
            unfinished = journal.unfinished()
            assert len(unfinished) == (1 if at else 0)
            results = [rollback(case.id, run_context(journal, Ca(), host)) for case in unfinished]
            assert [result.ended_as for result in results] == ["undone"] * len(unfinished)
            assert (journal.unfinished(), host.served == before) == ((), at is not None)
    return database.records


def test_rollback_killed_at_any_record_is_completed_by_the_next_one(tmp_path: Path) -> None:
    records = rolled_back_twice(tmp_path / "whole", None)
    assert records > 2
    points: list[Point] = [(at, number) for number in range(1, records + 1) for at in ("before", "after")]
    for at, number in sampled(points):
        rolled_back_twice(tmp_path / f"{at}-{number}", (at, number))


def rolled_back_twice(folder: Path, at: Point | None) -> int:
    """End a rollback at a record and repeat it; return the records of the first."""
    folder.mkdir()
    with running_host(folder / "a", "a") as host:
        before = host.served
        with open_journal(folder / "state") as journal:
            case_id = repaired(host, journal)
        database = mortal_database(folder / "state", at, die)
        with Journal(database) as journal, suppress(Killed):
            rollback(case_id, run_context(journal, Ca(), host))
        with open_journal(folder / "state") as journal:
            rollback(case_id, run_context(journal, Ca(), host))
            outcome = journal.outcome(case_id)
            assert (host.served, outcome and outcome.kind) == (before, "rolled-back"), at
        return database.records


def test_rollback_reports_a_host_without_a_login(host: FolderHost, journal: Journal) -> None:
    case_id = repaired(host, journal)
    ending = rollback(case_id, run_context(journal, Ca(), host, session=None))
    assert (ending.ended_as, ending.cause) == ("interrupted", "host.unreachable")


def test_rollback_fails_if_the_files_are_not_found(host: FolderHost, journal: Journal) -> None:
    case_id = repaired(host, journal)
    served = host.served
    result = rollback(case_id, run_context(journal, Ca(), host, targets={}))
    assert (result.ended_as, result.cause, host.served) == ("failed", "case.unknown", served)
    assert result.note == f"the files of {host.service} were not found in this run"
