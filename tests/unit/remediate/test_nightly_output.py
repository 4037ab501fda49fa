"""Tests of the output of `checkallsslcerts` about a plan and its steps, and of the files of its timer."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_sslaudit.cli.checkallsslcerts import again
from pytest_sslaudit.cli.cpanel_run import PanelRun, panel_run
from pytest_sslaudit.cli.local_server import report_folder
from pytest_sslaudit.cli.narrator import Console, Narrator, Wording, plan_sentences
from pytest_sslaudit.cli.program import main
from pytest_sslaudit.cli.timer_files import Machine
from pytest_sslaudit.cli.timer_units import CRON, SERVICE, TIMER
from remediate.model.audit_results import audit_results_of
from remediate.model.case import Case, Repair, Step
from tests.support.remediate.result_rows import SUMMARY, Row, found, planned, seen

WEB = "web1/https://www.example.com:443"
SMTP = "web1/smtp://www.example.com:25"
CASE = Case("1a2b", "web1", "ssh://web1", Repair.RELOAD, ("www.example.com",), ("nginx",), (WEB,), (), (), ())


def sentences(*rows: Row, issuer: str | None = "store") -> list[str]:
    """Return the sentences about the plan for these rows."""
    wording = Wording(audit_results_of([*rows, SUMMARY]), issuer, issuer)
    return list(plan_sentences(planned(*rows), wording))


@pytest.mark.parametrize(
    ("issuer", "check", "sentence"),
    [
        ("store", "cert.expired", "replace the expired certificate for the nginx service (www.example.com) with a signed certificate from the issuer store."),  # noqa: E501 - the sentence
        (None, "key.weak", "replace the certificate with a weak key for the nginx service (www.example.com) with a signed certificate from an issuer."),  # noqa: E501 - as above
        ("store", "chain.incomplete", "complete the certificate chain for the nginx service (www.example.com)."),
        ("store", "svc.disk-vs-wire", "have the installed certificate served for the nginx service (www.example.com)."),
    ],
)  # fmt: skip
def test_attempt_names_repair_service_names_and_issuer(issuer: str | None, check: str, sentence: str) -> None:
    first, *further = sentences(seen(WEB), found(WEB, check), issuer=issuer)
    assert first == f"The system will attempt to {sentence}"
    assert f"  because {WEB}: {check}: {check} it is" in further


def test_finding_without_a_repair_is_printed_with_the_reason() -> None:
    lines = sentences(seen(SMTP, service="postfix"), found(SMTP, "tls.old-protocol"))
    assert lines[0].startswith(f"{SMTP}: tls.old-protocol: ")
    assert "not changed: " in lines[0]
    assert lines[-1] == "There is nothing that the system will attempt to replace."


@pytest.mark.parametrize("is_verbose", [True, False])
def test_step_is_logged_always_and_printed_with_verbose(tmp_path: Path, *, is_verbose: bool) -> None:
    stream, log = io.StringIO(), io.StringIO()
    narrator = Narrator(Console(stream, log, is_verbose), (), tmp_path)
    narrator.pytest_sslaudit_step(CASE, Step("reload", "nginx"), "done", "")
    narrator.pytest_sslaudit_message("1 repaired", is_detail=False)
    assert log.getvalue() == "web1 www.example.com: reload nginx done\n1 repaired\n"
    assert stream.getvalue() == (log.getvalue() if is_verbose else "1 repaired\n")


@pytest.fixture(name="machine")
def _machine(tmp_path: Path) -> Machine:
    """Return a machine with cron, on which systemd does not run."""
    (tmp_path / "etc/cron.d").mkdir(parents=True)
    (tmp_path / "etc/machine-id").write_text("0123\n", encoding="ascii")
    return Machine(tmp_path)


def test_machine_without_systemd_gets_a_cron_file_that_is_removed_again(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["timer-status"], machine) == 1
    assert main(["install-timer", "--at", "02:30"], machine) == 0
    assert machine.installed() == (CRON,)
    assert main(["timer-status"], machine) == 0
    assert "checkallsslcerts --allow-retry" in capsys.readouterr().out
    assert main(["remove-timer"], machine) == 0
    assert list(machine.place(CRON).parent.iterdir()) == []


def test_dry_run_prints_the_units_and_writes_none(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install-timer", "--systemd", "--dry-run"], machine) == 0
    printed = capsys.readouterr().out
    assert [f"{SERVICE}:\n" in printed, f"{TIMER}:\n" in printed] == [True, True]
    assert "OnCalendar=*-*-* 04:00:00" in printed
    assert machine.installed() == ()


def test_cron_file_of_another_program_is_kept(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.place(CRON).write_text("0 4 * * * root true\n", encoding="ascii")
    assert main(["install-timer"], machine) == 4
    assert f"{CRON} exists and was not written by sslaudit" in capsys.readouterr().err
    assert machine.place(CRON).read_text(encoding="ascii") == "0 4 * * * root true\n"


def test_invalid_time_is_a_usage_error(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install-timer", "--at", "24:00"], machine) == 4
    assert "'24:00' is not a time of day" in capsys.readouterr().err


def test_continuation_keeps_configuration_and_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/srv/state")
    command = again(Path("/etc/sslaudit.toml"))
    assert command[:2] == ("env", "XDG_STATE_HOME=/srv/state")
    assert command[-3:] == ("--no-retry", "--config", "/etc/sslaudit.toml")


def test_folder_of_the_service_holds_the_reports_for_its_user_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGS_DIRECTORY", f"{tmp_path / 'logs'}:/elsewhere")
    assert report_folder() == tmp_path / "logs"
    assert (tmp_path / "logs").stat().st_mode & 0o777 == 0o700


def processes(proc: Path) -> Iterator[Path]:
    """Yield the folders of this process, and of a run of the panel."""
    for number in (os.getpid(), 700):
        (proc / str(number)).mkdir()
        yield proc / str(number)


@pytest.mark.parametrize("is_parent", [True, False])
def test_run_of_the_panel_is_waited_for_unless_it_started_this_process(tmp_path: Path, *, is_parent: bool) -> None:
    own, panel = processes(tmp_path)
    (own / "status").write_text(f"PPid:\t{700 if is_parent else 1}\n", encoding="ascii")
    (panel / "cmdline").write_bytes(b"/usr/bin/perl\0-w\0/usr/local/cpanel/scripts/upcp\0")
    assert panel_run(tmp_path) == (None if is_parent else PanelRun(700, "/usr/local/cpanel/scripts/upcp"))
