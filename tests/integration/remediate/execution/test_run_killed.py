"""A run that is killed before or after any of its records is completed by the next one with the same order."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from remediate.execution.scheduler import repair
from remediate.model.case import Case, Repair
from remediate.state.journal import Journal, open_journal
from tests.support.http.scripted_server import answering, conversing
from tests.support.remediate.chain_services import INTERMEDIATE, fetcher, forms, installed, rechaining, serve_chain
from tests.support.remediate.fake_host.ca import Ca
from tests.support.remediate.fake_host.host import FakeHost, running_host
from tests.support.remediate.fake_host.run import CONCURRENCY
from tests.support.remediate.killed_database import Killed, KilledRun, Point, die, faults_after_each, watched_database


def killed_run(host: FakeHost, case: Case, ca: Ca) -> KilledRun:
    """Return a repair that can be killed; the next run gets the case only if the audit would still find it."""
    before = (host.served, installed(host))

    def begin(journal: Journal, cases: tuple[Case, ...] = (case,)) -> object:
        endings = repair(cases, host.run(journal, ca, fetcher=fetcher()), CONCURRENCY)
        return {(ending.ended_as, ending.note) for ending in endings} - {("proven", "")}

    def complete(journal: Journal) -> object:
        left = begin(journal, (case,) if (host.served, installed(host)) == before else ())
        key = host.key.read_text()
        return left, journal.unfinished(), len(ca.orders), host.served != before[0], installed(host), key == old_key

    old_key, is_reissue = host.key.read_text(), case.repair is Repair.REISSUE
    expected: object = (set(), (), int(is_reissue), is_reissue, [INTERMEDIATE], not is_reissue)
    return KilledRun(host.folder.parent, begin, complete, expected, lambda: (host.changes, len(ca.orders)), ca.orders)


def test_run_killed_at_any_record_is_continued_with_one_order(run_folder: Path) -> None:
    with running_host(run_folder / "a", "a") as host:
        assert faults_after_each(killed_run(host, host.case(), Ca())) == []


def test_chain_repair_killed_at_any_record_is_completed_by_the_next_run(run_folder: Path) -> None:
    with (
        running_host(run_folder / "a", "a") as host,
        conversing(answering(forms(INTERMEDIATE)["DER"])) as published,
    ):
        serve_chain(host, urls=[published.url()])
        assert faults_after_each(killed_run(host, rechaining(host), Ca())) == []


def test_step_that_a_killed_run_began_is_recorded_as_uncertain(tmp_path: Path) -> None:
    with running_host(tmp_path / "a", "a") as host:
        for last in ("intended", "uncertain"):

            def see(_: Point, last: str = last) -> None:
                """End the run once the last step has this state."""
                if last in {event.state for event in journal.events(host.case().id)}:
                    die()

            with Journal(watched_database(tmp_path / "state", see)) as journal, suppress(Killed):
                repair([host.case()], host.run(journal), CONCURRENCY)
        with open_journal(tmp_path / "state") as journal:
            assert [(event.step, event.state) for event in journal.events(host.case().id)] == [
                ("preconditions", "intended"), ("preconditions", "uncertain"),
            ]  # fmt: skip
