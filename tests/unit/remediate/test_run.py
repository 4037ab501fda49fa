"""Tests of a run and a dry run without findings or with a host that is not configured."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

import remediate
from audit.config import read_configuration
from audit.x509.path.trust_store import TrustAnchors
from remediate.model.audit_results import AuditResults
from remediate.model.options import RunOptions
from remediate.model.plan import Plan
from remediate.notify.report import RunReport
from remediate.run import dry_run, repair_run
from tests.support.notify.webhook_receiver import SECRET

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
