"""Finds the nightly run of cPanel in /proc, and waits for its end for a limited time."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audit.probe.deadline import Deadline

WAIT_S: Final = 3600.0  # a nightly update of the panel takes up to an hour, and runs its own script last
EVERY_S: Final = 2.0
_PROC: Final = Path("/proc")
_PROGRAMS: Final = (
    "/usr/local/cpanel/bin/checkallsslcerts",
    "/usr/local/cpanel/scripts/upcp",
    "/scripts/upcp",  # a link to the directory above
)
_INTERPRETER: Final = re.compile(r"(?:.*/)?(?:perl|sh|bash|dash|python)[0-9.]*")
"""The interpreters whose command line has the script after them; an editor with the same file is not a run."""


@dataclass(frozen=True, slots=True)
class PanelRun:
    """A process of the panel that may be changing certificates."""

    process: int
    program: str

    def __str__(self) -> str:
        """Return the program and its process id."""
        return f"the panel's own {self.program} (process {self.process})"


def panel_run(proc: Path = _PROC) -> PanelRun | None:
    """Return the current run of the panel; None if there is none, or if it started this process."""
    ancestors = set(_ancestors(proc, os.getpid()))
    runs = (run for folder in proc.iterdir() if folder.name.isdecimal() and (run := _run_of(folder)))
    return next((run for run in runs if run.process not in ancestors), None)


def wait_for_panel(report: Callable[[PanelRun], object], wait_s: float = WAIT_S) -> PanelRun | None:
    """Wait for the end of the panel's run; return it if it has not ended by then. `report` is called with the first."""
    deadline, run = Deadline.after(wait_s), panel_run()
    if run:
        report(run)
    while run and (left_s := deadline.left_s):
        time.sleep(min(EVERY_S, left_s))
        run = panel_run()
    return run


def _run_of(folder: Path) -> PanelRun | None:
    words = _read(folder / "cmdline").split("\0")
    program = words[0]
    if _INTERPRETER.fullmatch(program):
        program = next((word for word in words[1:] if not word.startswith("-")), "")
    return PanelRun(int(folder.name), program) if program in _PROGRAMS else None


def _ancestors(proc: Path, process: int) -> Iterator[int]:
    while process > 0:
        yield process
        parent = re.search(r"^PPid:\s*([0-9]+)$", _read(proc / str(process) / "status"), re.MULTILINE)
        process = int(parent[1]) if parent else 0


def _read(file: Path) -> str:
    """Return the content of a file of a process; empty if the process has ended or is hidden."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
