"""The journal keeps cases, steps and orders, refuses unsafe files, and survives a kill of its writer."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from remediate.model.authorization import Challenge
from remediate.model.case import Case, StepDetail, StepState
from remediate.model.causes import Cause
from remediate.model.outcome import Attempt
from remediate.state.database import JOURNAL_FILE, BrokenState, UnusableState
from remediate.state.journal import CaseOutcome, Event, Journal, open_journal, require_usable_journal
from remediate.state.orders import PlacedOrder
from tests.support.checkout import CHECKOUT
from tests.support.remediate.journals import a_case, walk
from tests.support.remediate.result_rows import NOW, digest

KEY = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----"
TOKEN = "Authorization: Bearer 0123456789abcdef0123456789abcdef"
CASE = a_case()
RECORDS = 1 + 2 * len(CASE.steps) + 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    with open_journal(folder) as journal:
        yield journal


def test_begun_case_is_read_with_its_steps(journal: Journal) -> None:
    detail = StepDetail("port 80 answers", ("a came",), digest("leaf"), "v1", digest("key"))
    assert journal.begin(CASE, NOW) == CASE
    journal.record(CASE.id, Event("preconditions", "intended", NOW))
    journal.record(CASE.id, Event("preconditions", "done", NOW, detail))
    journal.record(CASE.id, Event("self-test", "intended", NOW))
    kept = journal.case(CASE.id)
    assert kept is not None
    assert [step.state for step in kept.steps[:3]] == ["done", "intended", "planned"]
    assert journal.unfinished() == (kept,)
    assert journal.events(CASE.id)[1].detail == detail


def test_unfinished_case_stays_as_begun(journal: Journal) -> None:
    journal.begin(CASE, NOW)
    journal.record(CASE.id, Event("preconditions", "done", NOW))
    tonight = replace(CASE, services=("nginx",), steps=CASE.steps[:3])
    again = journal.begin(tonight, NOW + timedelta(days=1))
    assert [step.name for step in again.steps] == [step.name for step in CASE.steps]
    assert again.steps[0].state == "done"


def test_key_found_compromised_later_stays_compromised(journal: Journal) -> None:
    journal.begin(CASE, NOW)
    assert journal.begin(replace(CASE, is_compromised=True), NOW).is_compromised
    assert journal.begin(CASE, NOW).is_compromised


def test_ended_case_begins_anew_when_found_again(journal: Journal) -> None:
    list(walk(journal, CASE))
    assert journal.unfinished() == ()
    outcome = journal.outcome(CASE.id)
    assert outcome is not None
    assert (outcome.kind, outcome.leaf_sha256) == ("repaired", digest("new"))
    again = journal.begin(CASE, NOW + timedelta(days=60))
    assert {step.state for step in again.steps} == {"planned"}
    assert journal.events(CASE.id) == ()
    assert len(journal.orders.of_case(CASE.id)) == 1


def test_repairs_after_a_given_number_are_read_in_order(journal: Journal) -> None:
    repaired = [CaseOutcome("repaired", NOW + timedelta(hours=hours), digest("new"), "proven") for hours in (1, 3)]
    for outcome in (repaired[0], CaseOutcome("failed", NOW + timedelta(hours=2)), repaired[1]):
        journal.begin(CASE, NOW)
        journal.end(CASE.id, outcome)
    (first, *_), (second, *_) = journal.repairs_after(0)
    assert journal.repairs_after(0) == ((first, CASE, repaired[0]), (second, CASE, repaired[1]))
    assert journal.repairs_after(first) == ((second, CASE, repaired[1]),)
    assert journal.repairs_after(second) == ()


def test_outcome_is_of_the_last_round_and_history_of_all(journal: Journal) -> None:
    assert (journal.case(CASE.id), journal.outcome(CASE.id)) == (None, None)
    journal.begin(CASE, NOW)
    assert journal.outcome(CASE.id) is None
    earlier, later = Event("key", "done", NOW), Event("key", "intended", NOW + timedelta(days=1), StepDetail("again"))
    journal.record(CASE.id, earlier)
    journal.end(CASE.id, CaseOutcome("failed", NOW, note="no answer"))
    assert journal.outcome(CASE.id) == CaseOutcome("failed", NOW, note="no answer")
    journal.begin(CASE, NOW + timedelta(days=1))
    journal.record(CASE.id, later)
    journal.end(CASE.id, CaseOutcome("repaired", NOW + timedelta(days=1), digest("new")))
    assert journal.outcome(CASE.id) == CaseOutcome("repaired", NOW + timedelta(days=1), digest("new"))
    assert journal.events(CASE.id) == (later,)
    assert journal.history(CASE.id) == (earlier, later)


NEXT_STATES: dict[StepState, set[StepState]] = {
    "planned": {"intended", "done"},
    "intended": {"done", "uncertain", "failed", "undone"},
    "uncertain": {"uncertain", "intended", "done", "failed", "undone"},
    "failed": {"intended", "done", "undone"},
    "done": {"intended", "undone"},
    "undone": {"intended"},
}


@pytest.mark.parametrize(("before", "after"), [(one, other) for one in NEXT_STATES for other in NEXT_STATES])
def test_step_changes_only_to_a_possible_next_state(journal: Journal, before: StepState, after: StepState) -> None:
    ways: dict[StepState, tuple[StepState, ...]] = {
        "planned": (), "intended": ("intended",), "uncertain": ("intended", "uncertain"), "done": ("done",),
        "failed": ("intended", "failed"), "undone": ("done", "undone"),
    }  # fmt: skip
    journal.begin(CASE, NOW)
    for state in ways[before]:
        journal.record(CASE.id, Event("key", state, NOW))
    if after in NEXT_STATES[before]:
        journal.record(CASE.id, Event("key", after, NOW))
    else:
        with pytest.raises(ValueError, match=f"key of {CASE.id} cannot become {after}: it is {before}"):
            journal.record(CASE.id, Event("key", after, NOW))


def test_step_that_a_case_does_not_have_is_not_recorded(journal: Journal) -> None:
    journal.begin(CASE, NOW)
    with pytest.raises(ValueError, match="with a step 'dance'"):
        journal.record(CASE.id, Event("dance", "intended", NOW))


def test_records_are_neither_changed_nor_removed(folder: Path, journal: Journal) -> None:
    list(walk(journal, CASE))
    other = sqlite3.connect(folder / JOURNAL_FILE)
    for statement in ("UPDATE steps SET state = 'done'", "DELETE FROM steps"):
        with pytest.raises(sqlite3.IntegrityError, match="a record is never"):
            other.execute(statement)
    other.close()


def test_order_is_kept_before_it_is_placed_and_gets_its_id(journal: Journal) -> None:
    journal.begin(CASE, NOW)
    before = PlacedOrder(CASE.id, 1, "store", digest("csr"), "intended", NOW)
    journal.orders.save(before)
    journal.orders.save(replace(before, order_id="77", status="pending-validation"))
    journal.orders.save(replace(before, status="issued", at=NOW + timedelta(hours=1)))
    assert journal.orders.of_case(CASE.id) == (replace(before, order_id="77", status="issued"),)


@pytest.mark.parametrize("change", [{"attempt": 2}, {"csr_sha256": digest("another")}])
def test_csr_is_used_for_one_order_only(journal: Journal, change: dict[str, int]) -> None:
    journal.begin(CASE, NOW)
    order = PlacedOrder(CASE.id, 1, "store", digest("csr"), "intended", NOW)
    journal.orders.save(order)
    with pytest.raises(ValueError, match="another CSR, or the CSR"):
        journal.orders.save(replace(order, **change))  # type: ignore[arg-type]  # one of two fields


def test_retry_time_of_an_issuer_applies_to_every_case(journal: Journal) -> None:
    journal.begin(CASE, NOW)
    until = NOW + timedelta(hours=3)
    attempt = Attempt(NOW, "failed", "order", Cause.ISSUER_BUSY, "busy", "store", next_at=until, busy_until=until)
    journal.attempts.add(CASE.id, attempt)
    journal.attempts.add(CASE.id, Attempt(NOW, "interrupted", issuer="store"))
    assert journal.attempts.of_case(CASE.id) == (attempt, Attempt(NOW, "interrupted", issuer="store"))
    assert journal.attempts.busy_until("store") == until
    assert journal.attempts.busy_until("another") is None


def test_journal_is_closed_after_its_block(folder: Path) -> None:
    with open_journal(folder) as journal:
        journal.begin(CASE, NOW)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        journal.case(CASE.id)


def test_challenge_is_in_the_journal_until_it_is_removed(journal: Journal) -> None:
    journal.begin(CASE, NOW)
    first, second = (Challenge("http-01", name, "token", "content") for name in ("a.example", "b.example"))
    for challenge in (first, second):
        journal.challenges.present(CASE.id, challenge, NOW)
    journal.challenges.remove(CASE.id, first, NOW)
    assert journal.challenges.presented(CASE.id) == (second,)


def test_message_is_queued_until_it_is_sent(journal: Journal) -> None:
    assert journal.outbox.states() == ()
    first = journal.outbox.add("state 1", b"Subject: failed\r\n", NOW)
    journal.outbox.add("state 2", None, NOW)
    assert [queued.message for queued in journal.outbox.queued()] == [b"Subject: failed\r\n"]
    assert journal.outbox.states()[-1] == "state 2"
    journal.outbox.record_sent(first, NOW)
    assert journal.outbox.queued() == ()


def test_no_key_and_no_token_is_in_any_state_file(folder: Path, journal: Journal) -> None:
    journal.begin(CASE, NOW)
    for secret in (KEY, TOKEN):
        journal.attempts.add(CASE.id, Attempt(NOW, "failed", note=f"it said {secret}"))
        journal.end(CASE.id, CaseOutcome("failed", NOW, note=secret))
        journal.begin(CASE, NOW)
        with pytest.raises(ValueError, match="the notification is not stored"):
            journal.outbox.add("state", secret.encode(), NOW)
        with pytest.raises(ValueError, match="the case is not stored"):
            journal.begin(replace(CASE, id=digest(secret), owner=secret), NOW)
    journal.record(CASE.id, Event("key", "intended", NOW, StepDetail(KEY)))
    assert journal.events(CASE.id)[0].note == "(withheld: it held a private key in PEM)"
    written = b"".join(file.read_bytes() for file in folder.iterdir())
    assert b"withheld" in written
    assert b"PRIVATE KEY" not in written
    assert b"0123456789abcdef" not in written


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (StepDetail(KEY[:14], tuple(KEY[14:].split("\n"))), StepDetail("(withheld: it held a private key in PEM)")),
        (
            StepDetail("x" * 3000, ("y" * 900, "z" * 900, "z" * 900)),
            StepDetail("x" * 3000, ("y" * 900, "z" * 100)),
        ),
        (StepDetail("\ud800" + "x" * 1_000_000), StepDetail("?" + "x" * 3999)),
    ],
    ids=["a secret in two lines", "long lines", "a long text"],
)
def test_detail_of_a_step_is_limited_and_without_secrets(
    folder: Path, journal: Journal, given: StepDetail, kept: StepDetail
) -> None:
    journal.begin(CASE, NOW)
    journal.record(CASE.id, Event("key", "intended", NOW, given))
    assert journal.events(CASE.id)[0].detail == kept
    assert b"PRIVATE KEY" not in b"".join(file.read_bytes() for file in folder.iterdir())


def test_state_is_readable_by_its_owner_only(folder: Path) -> None:
    before = os.umask(0)
    try:
        with open_journal(folder) as journal:
            journal.begin(CASE, NOW)
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (folder, *folder.iterdir())}
    finally:
        os.umask(before)
    assert modes == {"state": 0o700, JOURNAL_FILE: 0o600, f"{JOURNAL_FILE}-wal": 0o600, f"{JOURNAL_FILE}-shm": 0o600}


def test_directory_that_others_can_enter_is_refused_unchanged(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    with pytest.raises(UnusableState, match=r"mode 0755.*chmod it to 700"):
        open_journal(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert list(folder.iterdir()) == []


def test_link_at_the_path_of_the_journal_is_refused(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / JOURNAL_FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnusableState, match="cannot open"):
        open_journal(folder)


def test_reading_a_missing_journal_creates_nothing(folder: Path) -> None:
    with pytest.raises(UnusableState, match="there is no journal"):
        open_journal(folder, existing=True)
    assert not folder.exists()


def test_file_that_is_not_a_journal_is_reported_and_kept(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / JOURNAL_FILE).write_bytes(b"something else\n" * 100)
    with pytest.raises(UnusableState, match="is not a journal, or is damaged"):
        open_journal(folder)
    assert (folder / JOURNAL_FILE).read_bytes().startswith(b"something else")


def add_attempts(journal: Journal, number: int) -> None:
    for _ in range(number):
        journal.attempts.add(CASE.id, Attempt(NOW, "failed", note="no reason " * 20))


def test_full_disk_is_reported_and_the_journal_stays_as_it_was(folder: Path) -> None:
    with open_journal(folder) as journal:
        journal.begin(CASE, NOW)
        ((pages,),) = journal._database.read("PRAGMA page_count")
        journal._database.read(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(BrokenState, match="disk is full"):
            add_attempts(journal, 1000)
        assert [case.id for case in journal.unfinished()] == [CASE.id]
    require_usable_journal(folder)


def test_several_threads_write_at_once(journal: Journal) -> None:
    journal.begin(CASE, NOW)

    def write() -> None:
        for _ in range(10):
            journal.attempts.add(CASE.id, Attempt(NOW, "failed"))

    threads = [threading.Thread(target=write) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journal.attempts.of_case(CASE.id)) == 50


def written(folder: Path) -> list[str]:
    """Return the names of the records in a journal, as a walk names them; its file has to be whole."""
    file = sqlite3.connect(folder / JOURNAL_FILE)
    assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    file.close()
    with open_journal(folder, existing=True) as journal:
        if journal.case(CASE.id) is None:
            return []
        names = ["begin", *(f"{event.step} {event.state}" for event in journal.events(CASE.id))]
        names += ["order kept"] * len(journal.orders.of_case(CASE.id))
        return [*names, *(["end"] if journal.outcome(CASE.id) else [])]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a journal whose writer was killed after each number of records."""
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-m", "tests.support.remediate.journal_writer", str(folder), str(RECORDS)]
    ended = subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True)
    assert ended.stdout.split() == [str(-signal.SIGKILL)] * RECORDS
    return folder


@pytest.mark.parametrize("records", range(1, RECORDS + 1))
def test_journal_is_complete_and_resumable_after_a_kill_at_any_record(
    killed: Path, tmp_path: Path, records: int
) -> None:
    with open_journal(tmp_path / "whole") as whole:
        expected = [name for name, _ in zip(walk(whole, CASE), range(records), strict=False)]
    assert sorted(written(killed / str(records))) == sorted(expected)
    finish(killed / str(records))


def finish(folder: Path) -> None:
    """Take a case up again as a run does, and bring it to its end."""
    with open_journal(folder) as journal:
        case: Case = journal.begin(CASE, NOW)
        for step in case.steps:
            if step.state == "intended":
                journal.record(case.id, Event(step.name, "uncertain", NOW))
            if step.state != "done":
                journal.record(case.id, Event(step.name, "done", NOW))
        journal.end(case.id, CaseOutcome("repaired", NOW))
        assert journal.unfinished() == ()


def test_journal_has_every_reported_record_after_a_kill_at_any_time(folder: Path) -> None:
    command = [sys.executable, "-m", "tests.support.remediate.journal_writer", str(folder)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(200)]
        writer.kill()
        told += [int(line) for line in writer.stdout]
    with open_journal(folder, existing=True) as journal:
        kept = [int(attempt.note) for attempt in journal.attempts.of_case(CASE.id)]
    assert kept[: len(told)] == told
    assert len(kept) - len(told) <= 1  # on disk, and killed before it could say so
