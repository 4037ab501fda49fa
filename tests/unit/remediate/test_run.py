"""Tests of a run and a dry run without findings or with a host that is not configured."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

import remediate
from audit.config import read_configuration
from audit.x509.path.trust_store import TrustAnchors
from remediate.model.audit_results import AuditResults
from remediate.model.causes import Cause
from remediate.model.options import RunOptions
from remediate.model.outcome import CaseResult
from remediate.model.plan import Plan
from remediate.notify.report import RunReport
from remediate.run import dry_run, repair_run
from remediate.state.waiting import Wait
from tests.support.notify.webhook_receiver import SECRET
from tests.support.remediate.journals import a_case

NOTHING = AuditResults((), {}, is_complete=True)


@pytest.fixture
def options(tmp_path: Path) -> RunOptions:
    (tmp_path / "sslaudit.toml").write_text("")
    return RunOptions(read_configuration(tmp_path, None), tmp_path / "state", TrustAnchors({}), "a test")


def test_run_without_findings_plans_and_notifies_nothing(options: RunOptions) -> None:
    with repair_run(options) as run:
        planned = run.plan(NOTHING)
        assert planned == Plan((), (), ())
        assert run.repair(planned, ()) == ()
        assert run.notify(RunReport(planned, (), NOTHING, run.journal), (), b"") == ()


BUSY_AT: Final = datetime(2026, 12, 1, 3, tzinfo=UTC)
WAITED: Final = CaseResult(a_case(), "waiting", next_at=BUSY_AT)
WAITS: Final[Mapping[str, tuple[CaseResult, tuple[str, str] | None]]] = {
    "canary": (replace(WAITED, cause=Cause.RUN_CANARY, note="it failed"), ("preconditions", "run.canary: it failed")),
    "issuer": (replace(WAITED, step="order", cause=Cause.ISSUER_BUSY, note="wait"), ("order", "issuer.busy: wait")),
    "after a failure": (replace(WAITED, cause=Cause.RUN_NOT_DUE, note="not yet"), None),
    "rolled back": (replace(WAITED, cause=Cause.ROLLBACK_HELD, note="held"), None),
    "failed": (replace(WAITED, ended_as="failed", cause=Cause.ISSUER_REFUSED, note="no"), None),
}


@pytest.mark.parametrize(("ended", "stored"), WAITS.values(), ids=WAITS)
def test_case_that_begins_to_wait_in_a_run_is_recorded(
    options: RunOptions, monkeypatch: pytest.MonkeyPatch, ended: CaseResult, stored: tuple[str, str] | None
) -> None:
    case = ended.case
    monkeypatch.setattr("remediate.run.repair", lambda *_: (ended,))
    with repair_run(options) as run:
        run.journal.waiting.replace(["web1"], [Wait(case, "of an earlier run")], BUSY_AT)
        run.repair(Plan((case,), (), ()), ())
        rows = {(row.step, row.why, row.next_at) for row in run.journal.waiting.all()}
    assert rows == ({(*stored, BUSY_AT)} if stored else set())


def test_dry_run_without_findings_needs_no_action_and_creates_no_state(options: RunOptions) -> None:
    lines = list(dry_run(options, NOTHING, (), verbose=False))
    assert lines[0].startswith("no issuer is chosen, so no certificate can be ordered: ")
    assert len(lines) == 2
    assert not options.state.exists()


def test_dry_run_names_the_channels_and_sends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    (tmp_path / "sslaudit.toml").write_text(
        '[mail]\nto = ["admin@example.com", "root"]\nsmtp = "smtp://relay.example.com"\n'
        '[notify.ops]\nkind = "webhook"\nurl = "https://hooks.example.com/t0ken"\nsecret = { env = "HOOK_SECRET" }\n'
    )
    both = RunOptions(read_configuration(tmp_path, None), tmp_path / "state", TrustAnchors({}), "a test")
    assert list(dry_run(both, NOTHING, (), verbose=False))[2:] == [
        "if there is news, [notify.ops] notifies: webhook to https://hooks.example.com",
        "if there is news, [mail] notifies: email to admin@example.com, root by relay.example.com:587",
    ]


def test_dry_run_names_the_contacts_of_hosts_as_recipients(tmp_path: Path) -> None:
    (tmp_path / "sslaudit.toml").write_text('[mail]\nsmtp = "sendmail"\n')
    local = RunOptions(read_configuration(tmp_path, None), tmp_path / "state", TrustAnchors({}), "a test")
    assert list(dry_run(local, NOTHING, (), verbose=False))[2:] == [
        "if there is news, [mail] notifies: email to the contacts of each host by /usr/sbin/sendmail"
    ]


def test_python_m_remediate_is_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["remediate", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(Path(remediate.__file__).parent / "__main__.py"), run_name="__main__")
    assert ended.value.code == 0
    assert "rollback" in capsys.readouterr().out
