"""`sslaudit`: one program for the timer and the repair, with usage errors that name the thing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pytest_sslaudit.cli.program import main
from pytest_sslaudit.cli.timer import main as timer_program
from remediate.cli.main import main as repair_program

COMMANDS = ("install-timer", "remove-timer", "timer-status", "collector", "update-ct-logs", "repair")
REPAIRS = ("plan", "apply", "resume", "status", "rollback", "release")


def status_of(run: Callable[[Sequence[str]], int], *words: str) -> int:
    """Return the exit status of a program that may end by itself, as argparse does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "200")
        try:
            return run(words)
        except SystemExit as ended:
            return int(ended.code or 0)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(main, "--help") == 0
    said = capsys.readouterr().out
    assert [name for name in COMMANDS if f"\n    {name}" not in said] == []


@pytest.mark.parametrize("words", [("--help",), *((name, "--help") for name in REPAIRS)])
def test_repair_has_the_help_of_python_m_remediate(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    status_of(repair_program, *words)
    expected = capsys.readouterr().out.replace("python -m remediate", "sslaudit repair")
    assert status_of(main, "repair", *words) == 0
    assert " ".join(capsys.readouterr().out.split()) == " ".join(expected.split())


def test_repair_reports_errors_under_its_own_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(main, "repair", "status", "--state", str(tmp_path / "nowhere")) == 4
    said = capsys.readouterr().err
    assert said.startswith(f"sslaudit repair status: there is no journal in {tmp_path}/nowhere")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "the following arguments are required: COMMAND"),
        (("install",), "invalid choice: 'install'"),
        (("repair",), "the following arguments are required: command"),
        (("repair", "undo"), "invalid choice: 'undo'"),
        (("timer-status", "--at", "04:00"), "unrecognized arguments: --at 04:00"),
    ],
)
def test_usage_error_is_one_line_and_status_4(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(main, *words) == 4
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_console_scripts_of_earlier_installations_run_the_whole_program(capsys: pytest.CaptureFixture[str]) -> None:
    status_of(timer_program, "repair", "--help")
    assert capsys.readouterr().out.startswith("usage: sslaudit repair")


def test_program_runs_as_a_module_without_the_current_directory(tmp_path: Path) -> None:
    (tmp_path / "audit.py").write_text("raise SystemExit('the module of the current directory ran')")
    words = [sys.executable, "-P", "-m", "pytest_sslaudit.cli.program", "repair", "status", "--state", "nowhere"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 4, done.stderr
    assert done.stderr.startswith("sslaudit repair status: there is no journal in nowhere")
