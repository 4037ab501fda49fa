"""A run that is killed before or after any of its records is completed by the next one with the same order."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from remediate.execution.scheduler import repair
from remediate.model.case import Case
from remediate.model.options import Concurrency
from remediate.state.journal import Journal
from tests.support.probe.scripted_server import answering, conversing
from tests.support.remediate.chain_services import INTERMEDIATE, fetcher, forms, installed, plant_chain, rechaining
from tests.support.remediate.folder_hosts import Ca, FolderHost, run_context, running_host
from tests.support.remediate.killed_database import Killed, Point, die, mortal_database, wrong_after_each

CONCURRENCY: Final = Concurrency(chance=lambda: 0.0)


def repaired_twice(host: FolderHost, case: Case, ca: Ca, at: Point | None) -> tuple[int, tuple[object, ...]]:
    """End a run at a record and complete it by the next; return the records of the first and the end of both."""
    state = host.folder.parent / "state"
    before = (host.served, installed(host))
    database = mortal_database(state, at, die)
    with Journal(database) as journal, suppress(Killed):
        repair([case], run_context(journal, ca, host, fetcher=fetcher()), CONCURRENCY)
    found_by_audit = [case] if (host.served, installed(host)) == before else []
    with Journal(mortal_database(state, None, die)) as journal:
        endings = repair(found_by_audit, run_context(journal, ca, host, fetcher=fetcher()), CONCURRENCY)
        left = {(ending.ended_as, ending.note) for ending in endings} - {("proven", "")}
        return database.records, (left, journal.unfinished())


def reissue_killed(folder: Path, at: Point | None) -> tuple[int, str | None]:
    """Return how many records a whole issuance has made, and what is wrong after the second run."""
    ca = Ca()
    with running_host(folder / "a", "a") as host:
        before = host.served
        records, ended = repaired_twice(host, host.case(), ca, at)
        found = (*ended, len(ca.orders), host.served != before)
    return records, None if found == (set(), (), 1, True) else f"ended {at}: {found}"


def rechain_killed(folder: Path, at: Point | None) -> tuple[int, str | None]:
    """Return how many records the repair of a chain has made, and what is wrong after the second run."""
    with running_host(folder / "a", "a") as host, conversing(answering(forms(INTERMEDIATE)["DER"])) as published:
        leaf, key = plant_chain(host, urls=[published.url()]), (host.folder / "tls.key").read_text()
        records, ended = repaired_twice(host, rechaining(host), Ca(), at)
        found = (*ended, host.served == leaf, installed(host), (host.folder / "tls.key").read_text() == key)
    return records, None if found == (set(), (), True, [INTERMEDIATE], True) else f"ended {at}: {found}"


def test_run_killed_at_any_record_is_continued_with_one_order(tmp_path: Path) -> None:
    assert wrong_after_each(tmp_path, reissue_killed) == []


def test_chain_repair_killed_at_any_record_is_completed_by_the_next_run(tmp_path: Path) -> None:
    assert wrong_after_each(tmp_path, rechain_killed) == []
