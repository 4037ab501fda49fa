"""Runs processes whose CPU time, memory and duration are measured."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

OUTPUT: Final = "output"
"""The file in the directory of a process that has what it printed."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of a process and of its children: CPU seconds, the peak memory of the largest in MB, and seconds.

    `own` is the usage of the process without its children, if it was measured.
    """

    cpu_s: float
    memory_mb: float
    wall_s: float = 0.0
    own: Usage | None = None

    def cpu_ms(self, count: int) -> float:
        """Return the CPU milliseconds per endpoint or item."""
        return 1000 * self.cpu_s / count


def measured(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> tuple[Usage, int]:
    """Run a program in a directory; return its usage and exit status."""
    given = {**os.environ, **(environment or {})}
    began = time.perf_counter()
    with (folder / OUTPUT).open("w") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, env=given)
        _, status, used = os.wait4(process.pid, 0)  # the usage of this process and its children, not of earlier ones
    wall_s = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    return Usage(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, wall_s), process.returncode


def output_of(folder: Path) -> str:
    """Return the end of what the last process in a directory printed."""
    return (folder / OUTPUT).read_text(errors="replace")[-2000:]
