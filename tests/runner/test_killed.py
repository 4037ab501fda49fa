"""A run that ends right before or after any of its records: the next one comes to the same end with the same order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from remediate.journal import Journal
from remediate.runner import Pace, repair
from tests.runner.mortal import Point, mortal_database
from tests.runner.places import Ca, means_of, running_place

PACE: Final = Pace(chance=lambda: 0.0)
AT_ONCE: Final = 4  # most of a repair is waiting for the host


class Killed(BaseException):
    """Nothing in a run catches it."""


def die() -> NoReturn:
    raise Killed


def killed_and_taken_up(folder: Path, at: Point | None) -> tuple[int, str | None]:
    """End a run there and let the next go to its end; return how many records the first made and what is wrong."""
    folder.mkdir()
    ca = Ca()
    with running_place(folder / "a", "a") as place:
        before = place.served
        database = mortal_database(folder / "state", at, die)
        with Journal(database) as journal, suppress(Killed):
            repair([place.case()], means_of(journal, ca, place), PACE)
        found_by_audit = [place.case()] if place.served == before else []
        with Journal(mortal_database(folder / "state", None, die)) as journal:
            endings = repair(found_by_audit, means_of(journal, ca, place), PACE)
            found = (
                {(ending.kind, ending.note) for ending in endings} - {("proven", "")},
                len(ca.orders),
                journal.unfinished(),
            )
        is_right = found == (set(), 1, ()) and place.served != before
    return database.records, None if is_right else f"ended {at}: {found}"


def test_ended_at_any_record_the_next_run_ends_the_same_with_one_order(tmp_path: Path) -> None:
    records, wrong = killed_and_taken_up(tmp_path / "whole", None)
    assert (records > 15, wrong) == (True, None)
    points: list[Point] = [(at, number) for number in range(1, records + 1) for at in ("before", "after")]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ended = pool.map(lambda at: killed_and_taken_up(tmp_path / f"{at[0]}-{at[1]}", at), points)
        assert [why for _, why in ended if why] == []
