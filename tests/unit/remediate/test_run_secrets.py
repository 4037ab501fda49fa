"""Tests of the secrets of a configuration: a run hides them in everything that it stores or prints."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import remediate.run
from audit.config import known_secrets, read_configuration
from audit.redaction import Secrets
from audit.x509.path.trust_store import TrustAnchors
from remediate.model.case import StepDetail
from remediate.model.options import RunOptions
from remediate.model.outcome import Attempt, CaseResult
from remediate.model.plan import Plan
from remediate.retry.resume_job import resume_job_of
from remediate.run import repair_run, validate_configuration
from remediate.state.journal import CaseOutcome, Event
from remediate.state.lock import LockHeld, locked
from remediate.state.migrations import SCHEMA
from tests.support.remediate.journals import a_case
from tests.support.remediate.older_journal import older_journal
from tests.support.secret_encodings import SLASHED, encodings

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
WRITTEN = """
[fetch]
proxy = "http://me:proxy%20word@proxy.example.com:3128"

[issuer.store]
kind = "store"
base_url = "https://store.example.com"
token = { env = "STORE_TOKEN" }

[issuer.other]
kind = "store"
base_url = "https://other.example.com"
token = { file = "other-token" }

[issuer.absent]
kind = "store"
base_url = "https://absent.example.com"
token = { file = "not-there" }

[mail]
to = ["admin@example.com"]
smtp = "smtp://relay.example.com"
user = "me"
password = { file = "mail-password" }
"""
ALL = (SLASHED, "other-t0ken", "mail-passw0rd", "proxy word", "proxy%20word")


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunOptions:
    """Return a run whose configuration holds every kind of secret."""
    monkeypatch.setenv("STORE_TOKEN", SLASHED)
    for name, text in (("sslaudit.toml", WRITTEN), ("other-token", ALL[1]), ("mail-password", ALL[2])):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    return RunOptions(read_configuration(tmp_path, None), tmp_path / "state", TrustAnchors({}), "a test")


def test_each_secret_of_the_configuration_is_read(options: RunOptions) -> None:
    assert set(known_secrets(options.configuration).values) == set(ALL)


@pytest.mark.parametrize("secret", ALL)
def test_journal_holds_no_secret_of_the_configuration(options: RunOptions, secret: str) -> None:
    case, repeated = a_case(), "; ".join(encodings(secret).values())
    with repair_run(options) as run:
        run.journal.begin(case, NOW)
        run.journal.record(case.id, Event("preconditions", "intended", NOW, StepDetail(f"the Store said {repeated}")))
        run.journal.attempts.add(case.id, Attempt(NOW, "failed", note=f"the Store said {repeated}"))
        run.journal.end(case.id, CaseOutcome("failed", NOW, note=f"{'x' * 3995}{secret}"))
        assert run.journal.events(case.id)[0].note.startswith("the Store said [secret]; ")
        with pytest.raises(ValueError, match="not stored in the journal, because it holds a secret of the config"):
            run.journal.outbox.add("state", base64.encodebytes(f"Subject: x\r\n\r\n{secret}".encode()), NOW)
        with pytest.raises(ValueError, match="the notification is not stored"):
            run.journal.outbox.add(secret, None, NOW)
        with pytest.raises(ValueError, match="the case is not stored"):
            run.journal.begin(replace(case, id="another", owner=secret), NOW)
    written = b"".join(file.read_bytes() for file in options.state.iterdir())
    assert b"the Store said" in written
    assert not Secrets((secret,)).are_in(written)
    assert secret[:5].encode() not in written


def test_older_journal_is_migrated_under_the_lock_alone(options: RunOptions) -> None:
    file = older_journal(options.state)

    def version() -> int:
        connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
        (number,) = connection.execute("PRAGMA user_version").fetchone()
        connection.close()
        return int(number)

    with locked(options.state, "a run of the version before", NOW):
        validate_configuration(options)
        with pytest.raises(LockHeld, match="a run of the version before"), repair_run(options):
            pytest.fail("two runs hold one state")
        assert version() == 1, "that run still writes with its own schema"
    with repair_run(options) as run:
        assert run.journal.outbox.notified_through() == 1
    assert version() == SCHEMA


def test_printed_text_has_no_secret(options: RunOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = list[str]()
    case = a_case()

    def repair(*_: object) -> tuple[CaseResult, ...]:
        return (CaseResult(case, "failed", note=f"the Store said {SLASHED}"),)

    monkeypatch.setattr(remediate.run, "repair", repair)
    monkeypatch.setattr(remediate.run, "rollback", lambda *_: repair()[0])
    log: Callable[[str], None] = printed.append
    watched = RunOptions(options.configuration, options.state, options.anchors, "a test", log=log,
                         on_step=lambda _case, _step, _state, note: printed.append(note))  # fmt: skip
    with repair_run(watched) as run:
        endings = (*run.repair(Plan((), (), ()), ()), run.roll_back(case.id, ()))
        run.options.log(f"the Store said {SLASHED}")
        run.options.on_step(case, case.steps[0], "failed", f"the Store said {SLASHED}")
    assert [ending.note for ending in endings] == ["the Store said [secret]"] * 2
    assert printed == ["the Store said [secret]"] * 2


def test_continuation_is_given_the_secrets(options: RunOptions) -> None:
    resume_job = resume_job_of(options.state, options.configuration, ("--hosts", "local://"))
    assert resume_job.secrets.are_in(SLASHED.encode())
    assert resume_job.secret_variables == ("STORE_TOKEN",)
