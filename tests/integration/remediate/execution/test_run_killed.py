"""A run that ends right before or after any of its records: the next one comes to the same end with the same order."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from remediate.execution.scheduler import repair
from remediate.model.case import Case
from remediate.model.options import Concurrency
from remediate.state.journal import Journal
from tests.support.crash_points import sampled
from tests.support.probe.scripted_server import answering, conversing
from tests.support.remediate.chain_services import INTERMEDIATE, fetcher, forms, installed, plant_chain, rechaining
from tests.support.remediate.folder_hosts import Ca, Place, run_context, running_place
from tests.support.remediate.killed_database import Point, mortal_database

CONCURRENCY: Final = Concurrency(chance=lambda: 0.0)
AT_ONCE: Final = 4  # most of a repair is waiting for the host

Killing = Callable[[Path, Point | None], tuple[int, str | None]]


class Killed(BaseException):
    """Nothing in a run catches it."""


def die() -> NoReturn:
    raise Killed


def walked_twice(place: Place, case: Case, ca: Ca, at: Point | None) -> tuple[int, tuple[object, ...]]:
    """End a run there and let the next go to its end; return the records of the first and how the second ended."""
    state = place.folder.parent / "state"
    before = (place.served, installed(place))
    database = mortal_database(state, at, die)
    with Journal(database) as journal, suppress(Killed):
        repair([case], run_context(journal, ca, place, fetcher=fetcher()), CONCURRENCY)
    found_by_audit = [case] if (place.served, installed(place)) == before else []
    with Journal(mortal_database(state, None, die)) as journal:
        endings = repair(found_by_audit, run_context(journal, ca, place, fetcher=fetcher()), CONCURRENCY)
        left = {(ending.ended_as, ending.note) for ending in endings} - {("proven", "")}
        return database.records, (left, journal.unfinished())


def reissue_killed(folder: Path, at: Point | None) -> tuple[int, str | None]:
    """Return how many records a whole issuance has made, and what is wrong after the second run."""
    ca = Ca()
    with running_place(folder / "a", "a") as place:
        before = place.served
        records, ended = walked_twice(place, place.case(), ca, at)
        found = (*ended, len(ca.orders), place.served != before)
    return records, None if found == (set(), (), 1, True) else f"ended {at}: {found}"


def rechain_killed(folder: Path, at: Point | None) -> tuple[int, str | None]:
    """Return how many records the repair of a chain has made, and what is wrong after the second run."""
    with running_place(folder / "a", "a") as place, conversing(answering(forms(INTERMEDIATE)["DER"])) as published:
        leaf, key = plant_chain(place, urls=[published.url()]), (place.folder / "tls.key").read_text()
        records, ended = walked_twice(place, rechaining(place), Ca(), at)
        found = (*ended, place.served == leaf, installed(place), (place.folder / "tls.key").read_text() == key)
    return records, None if found == (set(), (), True, [INTERMEDIATE], True) else f"ended {at}: {found}"


def wrong_after_each(folder: Path, killed: Killing) -> list[str]:
    """Return what is wrong after the second of two runs, the first of which was ended at each of its records."""

    def made(name: str) -> Path:
        (folder / name).mkdir()
        return folder / name

    records, wrong = killed(made("whole"), None)
    assert (records > 10, wrong) == (True, None)
    points: list[Point] = [(at, number) for number in range(1, records + 1) for at in ("before", "after")]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ended = pool.map(lambda at: killed(made(f"{at[0]}-{at[1]}"), at), sampled(points))
        return [why for _, why in ended if why]


def test_run_killed_at_any_record_is_continued_with_one_order(tmp_path: Path) -> None:
    assert wrong_after_each(tmp_path, reissue_killed) == []


def test_chain_repair_killed_at_any_record_is_completed_by_the_next_run(tmp_path: Path) -> None:
    assert wrong_after_each(tmp_path, rechain_killed) == []
