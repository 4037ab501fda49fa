"""A repaired case is taken back to the certificate that was there before: proven as before, or not at all."""

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
from tests.support.remediate.folder_hosts import Ca, Place, plant, run_context, running_place
from tests.support.remediate.killed_database import Point, mortal_database

CONCURRENCY = Concurrency(chance=lambda: 0.0)


class Killed(BaseException):
    """Nothing catches it."""


def die() -> None:
    raise Killed


def repaired(place: Place, journal: Journal, by: Repair = Repair.REISSUE, *, is_compromised: bool = False) -> str:
    """Repair the place's case and return its id."""
    case = place.case(by, is_compromised=is_compromised)
    (ending,) = repair([case], run_context(journal, Ca(), place), CONCURRENCY)
    assert ending.ended_as == "proven", ending
    return case.id


def states(journal: Journal, case_id: str) -> dict[str, str]:
    case = journal.case(case_id)
    assert case
    return {step.kind: step.state for step in case.steps}


def test_rollback_serves_the_previous_certificate_and_is_recorded(place: Place, journal: Journal) -> None:
    before = (place.served, (place.folder / "tls.key").read_text())
    case_id = repaired(place, journal)
    new = place.served
    ending = rollback(case_id, run_context(journal, Ca(), place))
    assert (ending.ended_as, "The next run repairs the finding again" in ending.note) == ("undone", True), ending
    assert (place.served, (place.folder / "tls.key").read_text()) == before
    outcome, now = journal.outcome(case_id), states(journal, case_id)
    assert (outcome and outcome.kind, now["reload"], now["proof"], now["collect"]) == (
        "rolled-back", "undone", "undone", "done",
    )  # fmt: skip
    again = rollback(case_id, run_context(journal, Ca(), place))
    assert (again.ended_as, again.cause, place.served) == ("failed", "rollback.nothing", before[0])
    assert repaired(place, journal) == case_id
    assert place.served not in (before[0], new)


def test_rollback_to_a_compromised_key_is_refused(place: Place, journal: Journal) -> None:
    case_id = repaired(place, journal, Repair.REKEY, is_compromised=True)
    served = place.served
    ending = rollback(case_id, run_context(journal, Ca(), place))
    assert (ending.cause, "never used again" in ending.note, place.served) == ("rollback.compromised", True, served)


def test_new_files_stay_if_the_service_does_not_load_the_old_ones(place: Place, journal: Journal) -> None:
    case_id = repaired(place, journal)
    served = place.served
    deaf = run_context(journal, Ca(), place, installers={place.service: place.installer(takes_up=False)})
    ending = rollback(case_id, deaf)
    assert (ending.ended_as, ending.cause) == ("failed", "rollback.failed")
    assert "the switch is returned" in ending.note
    outcome = journal.outcome(case_id)
    assert (place.served, outcome and outcome.kind) == (served, "repaired")
    assert rollback(case_id, run_context(journal, Ca(), place)).ended_as == "undone"
    assert place.served != served


def test_files_of_another_program_are_not_rolled_back(place: Place, journal: Journal) -> None:
    case_id = repaired(place, journal)
    for name in ("tls.crt", "tls.key"):
        (place.folder / name).unlink()
    plant(place.folder, "a.example")
    served = place.served
    ending = rollback(case_id, run_context(journal, Ca(), place))
    assert (ending.cause, place.served) == ("rollback.changed", served)
    assert not (place.folder / "tls.crt").is_symlink()


def test_unknown_case_and_reload_cannot_be_rolled_back(place: Place, journal: Journal) -> None:
    with pytest.raises(NotFoundOnHost, match="no case c0ffee"):
        rollback("c0ffee", run_context(journal, Ca(), place))
    case = place.case(Repair.RELOAD, id="reload")
    journal.begin(case, run_context(journal, Ca(), place).clock())
    assert rollback("reload", run_context(journal, Ca(), place)).cause == "rollback.nothing"


def test_rollback_of_an_unfinished_case_ends_it(tmp_path: Path) -> None:
    records = ended_at(tmp_path / "whole", None)
    ended_at(tmp_path / "killed", ("before", records - 1))  # all is proven; what is left is the outcome and the try


def ended_at(folder: Path, at: Point | None) -> int:
    """Repair until there, take it back where it has not ended, and return the records of the repair."""
    folder.mkdir()
    with running_place(folder / "a", "a") as place:
        before = place.served
        database = mortal_database(folder / "state", at, die)
        with Journal(database) as journal, suppress(Killed):
            repair([place.case()], run_context(journal, Ca(), place), CONCURRENCY)
        assert place.served != before
        with open_journal(folder / "state") as journal:
            unfinished = journal.unfinished()
            assert len(unfinished) == (1 if at else 0)
            results = [rollback(case.id, run_context(journal, Ca(), place)) for case in unfinished]
            assert [result.ended_as for result in results] == ["undone"] * len(unfinished)
            assert (journal.unfinished(), place.served == before) == ((), at is not None)
    return database.records


def test_rollback_killed_at_any_record_is_completed_by_the_next_one(tmp_path: Path) -> None:
    records = rolled_back_twice(tmp_path / "whole", None)
    assert records > 2
    points: list[Point] = [(at, number) for number in range(1, records + 1) for at in ("before", "after")]
    for at, number in sampled(points):
        rolled_back_twice(tmp_path / f"{at}-{number}", (at, number))


def rolled_back_twice(folder: Path, at: Point | None) -> int:
    """Take a case back, ended there, and then once more; return the records of the first."""
    folder.mkdir()
    with running_place(folder / "a", "a") as place:
        before = place.served
        with open_journal(folder / "state") as journal:
            case_id = repaired(place, journal)
        database = mortal_database(folder / "state", at, die)
        with Journal(database) as journal, suppress(Killed):
            rollback(case_id, run_context(journal, Ca(), place))
        with open_journal(folder / "state") as journal:
            rollback(case_id, run_context(journal, Ca(), place))
            outcome = journal.outcome(case_id)
            assert (place.served, outcome and outcome.kind) == (before, "rolled-back"), at
        return database.records


def test_rollback_reports_a_host_without_a_login(place: Place, journal: Journal) -> None:
    case_id = repaired(place, journal)
    ending = rollback(case_id, run_context(journal, Ca(), place, session=None))
    assert (ending.ended_as, ending.cause) == ("interrupted", "host.unreachable")


def test_rollback_fails_if_the_files_are_not_found(place: Place, journal: Journal) -> None:
    case_id = repaired(place, journal)
    served = place.served
    result = rollback(case_id, run_context(journal, Ca(), place, targets={}))
    assert (result.ended_as, result.cause, place.served) == ("failed", "case.unknown", served)
    assert result.note == f"the files of {place.service} were not found in this run"
