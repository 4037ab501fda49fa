"""Tests of migrations: an older journal is migrated completely or not at all, and a newer one is refused."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.verdict import Severity
from remediate.cli.main import main
from remediate.model.case import DroppedName, FindingKey, StepDetail
from remediate.model.causes import Cause
from remediate.notify.changes import last_notified
from remediate.notify.notification import state_digest
from remediate.state import migrations
from remediate.state.database import JOURNAL_FILE, BrokenState, Database, UnusableState
from remediate.state.journal import Event, Journal, journal_snapshot, open_journal, require_usable_journal
from remediate.state.orders import PlacedOrder
from remediate.state.outbox import MAIL
from remediate.state.waiting import Wait
from tests.support.remediate.older_journal import SECOND_NIGHT, A, B, C, D, older_journal

FIRST_NIGHT = SECOND_NIGHT - timedelta(days=1)
D_KEY = "4e569f32a4af2b3412fb512d912bd50dd9ae160a28196f1ec405874a32cb9b68"
C_LEAF = "de4406a54f70048f8e2a2e56e54bf6c03f0f2d78247790e2b81bf037ac4eac45"
REFUSED = "ca: refused: the account has no funds left"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return older_journal(tmp_path / "state")


@pytest.fixture
def journal(file: Path) -> Iterator[Journal]:
    with open_journal(file.parent) as opened:
        yield opened


def rows(file: Path, question: str, *values: object) -> list[tuple[Any, ...]]:
    """Return what another program reads in a journal."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(question, values).fetchall()


def add(file: Path, statement: str, *values: object) -> None:
    """Write to a journal as the code of then did."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement, values)


def test_causes_of_attempts_become_data_and_notes_keep_their_text(journal: Journal) -> None:
    refused, pending = journal.attempts.of_case(A)
    assert (refused.ended, refused.cause, refused.note) == ("failed", Cause.ISSUER_REFUSED, REFUSED)
    assert (pending.ended, pending.cause, pending.issuer) == ("pending", Cause.ISSUER_PENDING, "ca")
    assert pending.note.startswith("the order o-a at ca is pending-validation: the CA has not come")
    assert [attempt.cause for attempt in journal.attempts.of_case(D)] == [Cause.DNS_TLSA, Cause.DNS_TLSA_SPREADING]
    assert [(attempt.cause, attempt.note) for attempt in journal.attempts.of_case(C)] == [(None, "")]
    assert journal.attempts.of_case(B)[-1].next_at == SECOND_NIGHT + timedelta(hours=4)
    assert not any(attempt.is_early for case_id in (A, B, C, D) for attempt in journal.attempts.of_case(case_id))


def test_migrated_journal_counts_early_attempts_and_lists_waiting_cases(journal: Journal) -> None:
    case = journal.case(A)
    assert (case is not None, journal.waiting.all()) == (True, ())
    attempt = replace(journal.attempts.of_case(A)[-1], is_early=True)
    journal.attempts.add(A, attempt)
    assert journal.attempts.of_case(A)[-1] == attempt
    if case:
        for at in (FIRST_NIGHT, SECOND_NIGHT):
            journal.waiting.replace([case.host], [Wait(case, "a name is dead")], at)
        [row] = journal.waiting.all()
        assert (row.case_id, row.since, row.why, row.step, row.next_at) == (
            A,
            FIRST_NIGHT,
            "a name is dead",
            "plan",
            None,
        )


def test_attempt_with_an_unknown_cause_keeps_its_text(file: Path) -> None:
    notes = ("something went wrong", "no.such-cause: of a version between", "dcv.missing")
    for note in notes:
        add(file, "INSERT INTO attempts (case_id, at, ended, step, note) VALUES (?, ?, 'failed', '', ?)", A,
            "2026-12-01T05:00:00Z", note)  # fmt: skip
    with open_journal(file.parent) as journal:
        kept = [(attempt.cause, attempt.note) for attempt in journal.attempts.of_case(A)[2:]]
    assert kept == [(Cause.RUN_NOT_RECORDED, note) for note in notes]


def test_prefix_of_a_step_note_becomes_data(journal: Journal) -> None:
    collected = next(event for event in journal.events(C) if (event.step, event.state) == ("collect", "done"))
    assert collected.detail == StepDetail(f"leaf {C_LEAF}", leaf_sha256=C_LEAF)
    back = next(event for event in journal.events(C) if event.detail.back_to)
    assert back == Event("reload gateway-c", "intended", SECOND_NIGHT, StepDetail("back to version 0", back_to="0"))
    seen = [event.detail.published_spki_sha256 for event in journal.events(D)]
    assert seen == [None, None, None, D_KEY]
    assert [event.note for event in journal.events(A)][-1].count("\n") == 1


@pytest.mark.parametrize("step", ["collect", "renew"])
def test_further_lines_of_a_step_note_become_request_lines(file: Path, step: str) -> None:
    requests = ('192.0.2.9 as "Sectigo \\new DCV", answered 200', "seen also: 203.0.113.7\tonce")
    add(file, "INSERT INTO steps (case_id, round, step, state, at, note) VALUES (?, 2, ?, 'done', ?, ?)", A, step,
        "2026-12-01T05:00:00Z", "\n".join((f"leaf {C_LEAF}; left behind: a file", *requests)))  # fmt: skip
    with open_journal(file.parent) as journal:
        detail = journal.events(A)[-1].detail
    assert (detail.text, detail.request_lines) == (f"leaf {C_LEAF}; left behind: a file", requests)
    assert detail.leaf_sha256 == (C_LEAF if step == "collect" else None)


def test_migration_keeps_cases_orders_outcomes_and_numbers(file: Path) -> None:
    tables = ("orders", "outcomes")
    before = {table: rows(file, f"SELECT rowid, * FROM {table}") for table in tables}  # noqa: S608 - the names above
    cases = rows(file, "SELECT rowid, id, round, begun_at, document FROM cases")
    numbers = rows(file, "SELECT seq FROM steps ORDER BY seq")
    with open_journal(file.parent) as journal:
        assert [case.id for case in journal.unfinished()] == [D, A]
        order = PlacedOrder(A, 1, "ca", "0" * 64, "pending-validation", FIRST_NIGHT, "o-a")
        assert journal.orders.of_case(A) == (order,)
        journal.record(A, Event("collect", "intended", SECOND_NIGHT))
    assert {table: rows(file, f"SELECT rowid, * FROM {table}") for table in tables} == before  # noqa: S608 - as above
    assert rows(file, "SELECT seq FROM steps ORDER BY seq") == [*numbers, (57,)]
    renamed = [(*row, document.replace('"left_out"', '"dropped_names"')) for *row, document in cases]
    assert rows(file, "SELECT rowid, id, round, begun_at, document FROM cases") == renamed


def test_migration_keeps_dropped_names(file: Path) -> None:
    [(text,)] = rows(file, "SELECT document FROM cases WHERE id = ?", A)
    why = 'a text with "left_out": in it'
    document = json.dumps(json.loads(text) | {"left_out": [{"name": "old.example", "why": why}]})
    add(file, "UPDATE cases SET document = ? WHERE id = ?", document, A)
    with open_journal(file.parent) as journal:
        case = journal.case(A)
    assert case is not None
    assert case.dropped_names == (DroppedName("old.example", why),)


def test_migration_keeps_the_states_of_sent_notifications(file: Path) -> None:
    digests = [json.loads(state) for (state,) in rows(file, "SELECT state FROM letters WHERE state LIKE '{%'")]
    with open_journal(file.parent) as journal:
        assert journal.outbox.notified_through() == 1
        assert len(journal.outbox.states()) == len(digests) == 2
        assert [(queued.number, queued.message[:5]) for queued in journal.outbox.queued()] == [(3, b"From:")]
        [(recipients, notified)] = last_notified(journal.outbox.states()).items()
    assert recipients == ("admin@example.com",)
    assert {section.host for section in notified.sections} == {"a", "b", "d"}
    [entry] = next(section.items for section in notified.sections if section.host == "a")
    assert (entry.services, entry.causes) == (("gateway-a",), (Cause.ISSUER_PENDING,))
    assert entry.findings == (FindingKey("a/https://a.example:443+127.0.0.1", "cert.expired"),)
    assert state_digest(notified.sections) == digest_of_version_1(digests[-1])


def digest_of_version_1(state: dict[str, Any]) -> str:
    """Return the digest that version 1 compared and wrote into the header of its notification."""
    wrong = {
        (section["host"], finding, entry["state"], entry["cause"])
        for section in state["sections"]
        for entry in section["entries"]
        for finding in entry["findings"]
    }
    return hashlib.sha256(json.dumps(sorted(wrong)).encode()).hexdigest()[:32]


def test_several_services_and_causes_in_a_text_become_lists(file: Path) -> None:
    [(text,)] = rows(file, "SELECT state FROM letters WHERE id = 3")
    state = json.loads(text)
    changed = {"service": 'dovecot, "quoted"', "cause": "dns.unresolvable, no.such-cause, svc.unreachable"}
    state["sections"][0]["entries"][0] |= changed
    state["sections"][1]["entries"][0] |= {"service": "", "cause": ""}
    add(file, "UPDATE letters SET state = ? WHERE id = 3", json.dumps(state))
    add(file, "UPDATE letters SET state = 'of a version before' WHERE id = 1")
    with open_journal(file.parent) as journal:
        first, latest = journal.outbox.states()
        [notified] = last_notified([latest]).values()
    assert first == "of a version before"
    [several], [empty], *_ = (section.items for section in notified.sections)
    assert several.services == ("dovecot", '"quoted"')
    assert several.causes == (Cause.DNS_UNRESOLVABLE, Cause.RUN_NOT_RECORDED, Cause.SVC_UNREACHABLE)
    assert (empty.services, empty.causes) == ((), ())


def test_notifications_of_version_2_keep_their_states(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "SCHEMA", 2)
        Database(file).close()
    reason = 'a text with "entries": and "is_minor": in it'
    item = {"state": "failed", "services": [], "endpoint": "", "check": "cert.expired", "reason": reason,
            "severity": "low", "causes": [], "findings": [], "is_minor": True}  # fmt: skip
    state = {"to": ["admin@example.com"], "sections": [{"host": "a", "entries": [item]}]}
    add(file, "INSERT INTO letters (state, kept_at, handed_over_at) VALUES (?, ?, ?)", json.dumps(state),
        "2026-12-01T05:00:00Z", "2026-12-01T05:00:01Z")  # fmt: skip
    before = rows(file, "SELECT id, message, kept_at, handed_over_at, progress FROM letters")
    with open_journal(file.parent) as journal:
        *earlier, latest = journal.outbox.states()
        [notified] = last_notified([latest]).values()
        assert [queued.number for queued in journal.outbox.queued()] == [3]
    assert rows(file, "SELECT id, message, queued_at, sent_at, progress FROM notifications") == before
    ((entry,),) = (section.items for section in notified.sections)
    assert (entry.reason, entry.below_threshold, entry.severity) == (reason, True, Severity.LOW)
    assert all(last_notified([state]) for state in earlier)


def test_notifications_of_earlier_versions_are_emails(file: Path) -> None:
    with open_journal(file.parent) as journal:
        assert [queued.number for queued in journal.outbox.queued(MAIL)] == [3]
        assert journal.outbox.states(MAIL) == journal.outbox.states()
        assert [number for number, _ in journal.outbox.sent(MAIL)] == [1]
        assert journal.outbox.states("notify.ops") == ()


def shape(file: Path) -> object:
    """Return the tables, columns, indexes and triggers of a journal."""
    tables = [name for (name,) in rows(file, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    columns = {name: {row[1:] for row in rows(file, "SELECT * FROM pragma_table_xinfo(?)", name)} for name in tables}
    keys = {name: sorted(rows(file, "SELECT * FROM pragma_foreign_key_list(?)", name)) for name in tables}
    lists = {name: rows(file, "SELECT * FROM pragma_index_list(?)", name) for name in tables}
    unique = {name: sorted(row[2:] for row in lists[name]) for name in tables}
    others = rows(file, "SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') ORDER BY name")
    return columns, keys, unique, others, rows(file, "PRAGMA user_version")


def test_migrated_journal_has_the_schema_of_a_new_one(file: Path, tmp_path: Path) -> None:
    open_journal(file.parent).__exit__(None, None, None)
    open_journal(tmp_path / "new").__exit__(None, None, None)
    assert shape(file) == shape(tmp_path / "new" / JOURNAL_FILE)
    assert rows(file, "PRAGMA user_version") == [(migrations.SCHEMA,)]


def test_migrations_are_numbered_without_a_gap() -> None:
    folder = Path(migrations.__file__).parent / "migrations"
    numbers = sorted(int(script.name.partition("_")[0]) for script in folder.glob("*.sql"))
    assert numbers == list(range(2, migrations.SCHEMA + 1))
    assert all(re.fullmatch(r"\d{4}_[a-z_]+\.sql", script.name) for script in folder.iterdir())


def test_failed_migration_does_not_change_the_journal(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = dumped(file)
    whole = migrations._statements

    def broken(text: str) -> Iterator[str]:
        *most, _ = whole(text)
        yield from (*most, "SELECT no_such_function()")

    monkeypatch.setattr(migrations, "_statements", broken)
    with pytest.raises(UnusableState, match=re.escape(str(file))):
        open_journal(file.parent)
    assert dumped(file) == before
    monkeypatch.undo()
    with open_journal(file.parent) as journal:
        assert journal.outbox.notified_through() == 1


def dumped(file: Path) -> list[str]:
    """Return all that is in a journal."""
    with closing(sqlite3.connect(file)) as connection:
        return [*connection.iterdump(), *map(str, connection.execute("PRAGMA user_version"))]


@pytest.mark.parametrize("existing", [True, False])
def test_newer_journal_is_refused_with_file_and_versions(file: Path, *, existing: bool) -> None:
    add(file, f"PRAGMA user_version = {migrations.SCHEMA + 1}")
    before = file.read_bytes()
    with pytest.raises(UnusableState) as raised:
        open_journal(file.parent, existing=existing)
    known = migrations.SCHEMA
    assert (
        str(raised.value)
        == f"{file} has a newer schema ({known + 1}, this program supports {known}): upgrade this program"
    )
    with pytest.raises(UnusableState, match=rf"newer schema \({known + 1}"):
        require_usable_journal(file.parent)
    assert file.read_bytes() == before


def test_reading_an_older_journal_does_not_change_it(file: Path) -> None:
    before = file.read_bytes()
    with open_journal(file.parent, existing=True) as journal:
        assert journal.attempts.of_case(A)[-1].cause is Cause.ISSUER_PENDING
        assert [case.id for case in journal.unfinished()] == [D, A]
    with journal_snapshot(file.parent) as journal:
        assert journal.events(C)[-2].detail.back_to == "0"
    require_usable_journal(file.parent)
    assert file.read_bytes() == before
    assert rows(file, "PRAGMA user_version") == [(1,)]


def test_status_reads_an_older_journal_without_changing_it(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    before = file.read_bytes()
    assert main(["status", "--state", str(file.parent)]) == 0
    printed = capsys.readouterr().out
    assert re.search(rf"^{A} +reissue +a +collect +uncertain", printed, re.MULTILINE)
    assert "notifications to send: 1" in printed
    assert file.read_bytes() == before


def test_journal_is_readable_while_a_run_writes(file: Path) -> None:
    with open_journal(file.parent) as writing, open_journal(file.parent, existing=True) as reading:
        writing.record(A, Event("collect", "intended", SECOND_NIGHT))
        assert reading.events(A)[-1].state == "intended"
        with pytest.raises(BrokenState, match="readonly"):
            reading.record(A, Event("collect", "done", SECOND_NIGHT))
