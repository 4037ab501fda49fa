"""The panel's own run is found among the processes of a directory with the layout of /proc."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_sslaudit.cli.cpanel_run import PanelRun, panel_run

SCRIPT = "/usr/local/cpanel/bin/checkallsslcerts"
UPDATE = "/usr/local/cpanel/scripts/upcp"


def process(proc: Path, number: int, *words: str, parent: int = 1) -> None:
    """Lay out a process."""
    folder = proc / str(number)
    folder.mkdir()
    (folder / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))
    (folder / "status").write_text(f"Name:\tx\nPid:\t{number}\nPPid:\t{parent}\nTracerPid:\t0\n")


@pytest.mark.parametrize(
    ("words", "program"),
    [
        ((SCRIPT,), SCRIPT),
        ((SCRIPT, "--verbose"), SCRIPT),
        (("/usr/bin/perl", SCRIPT, "--allow-retry"), SCRIPT),
        (("/usr/local/cpanel/3rdparty/bin/perl", "-w", UPDATE, "--cron"), UPDATE),
        (("perl5.36", UPDATE), UPDATE),
        (("/bin/sh", "/scripts/upcp"), "/scripts/upcp"),
        (("vi", UPDATE), None),
        (("/bin/sh", "-c", f"tail -f {UPDATE}.log"), None),
        (("grep", "x", SCRIPT), None),
        (("/usr/local/cpanel/bin/checkallsslcerts2",), None),
        (("/opt/sslaudit/bin/checkallsslcerts",), None),
        (("/bin/sh",), None),
        ((), None),
    ],
)
def test_run_of_the_panel_is_recognized_by_its_program(
    tmp_path: Path, words: tuple[str, ...], program: str | None
) -> None:
    process(tmp_path, 700, *words)
    (tmp_path / "self").mkdir()
    (tmp_path / "901").mkdir()  # has ended meanwhile
    assert panel_run(tmp_path) == (program and PanelRun(700, program))


def test_run_of_the_panel_that_started_us_is_not_waited_for(tmp_path: Path) -> None:
    process(tmp_path, 600, UPDATE)
    process(tmp_path, 601, "/bin/sh", "-c", "checkallsslcerts", parent=600)
    process(tmp_path, os.getpid(), "python", parent=601)
    assert panel_run(tmp_path) is None
    process(tmp_path, 602, SCRIPT)
    assert panel_run(tmp_path) == PanelRun(602, SCRIPT)


def test_run_of_the_panel_is_described_by_process_and_command() -> None:
    assert str(PanelRun(700, UPDATE)) == f"the panel's own {UPDATE} (process 700)"
