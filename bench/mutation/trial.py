"""Runs tests on a changed file, in a private copy of the checkout.

A copy is a folder with the files that git lists. It comes first on the import path of the tests and of all Python
processes that they start, so the checkout is never changed and never imported. A run has a time limit; at the limit
the whole process group is killed.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Final

MAX_MEMORY: Final = 4 * 1024**3  # bytes of address space of one process of a run
SHOWN: Final = 2000  # characters of the output of a failed run


class Outcome(StrEnum):
    """What the tests did with a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    TIMED_OUT = "timed out"


class NotImportedFromCopy(Exception):
    """A test run would import a package of the checkout, or none, in place of the copy's."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The tests to run: paths in the checkout, and an expression for `-k` (empty: all tests)."""

    paths: tuple[str, ...]
    select: str = ""

    def command(self) -> list[str]:
        """Return the command that stops at the first failure."""
        select = ["-k", self.select] if self.select else []
        return [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *select, *self.paths]


@dataclass(frozen=True, slots=True)
class Done:
    """How a run of tests ended: its exit status (None at the time limit), its duration and the end of its output."""

    status: int | None
    seconds: float
    output: str

    @property
    def outcome(self) -> Outcome:
        """Return what the result means for a mutant whose tests passed before the change."""
        if self.status is None:
            return Outcome.TIMED_OUT
        return Outcome.KILLED if self.status else Outcome.SURVIVED


@dataclass(frozen=True, slots=True)
class Copy:
    """A private copy of the checkout and a folder for the temporary files of its tests."""

    root: Path
    scratch: Path
    _changes: Iterator[int] = field(default_factory=lambda: count(1), compare=False)

    @classmethod
    def of(cls, checkout: Path, folder: Path) -> Copy:
        """Copy the files that git lists, and those that are new, into a folder that does not exist yet."""
        copy = cls(folder / "copy", folder / "tmp")
        copy.scratch.mkdir(parents=True)
        for name in _listed(checkout):
            target = copy.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / name, target, follow_symlinks=False)
        return copy

    def require_import(self, package: str) -> None:
        """Raise NotImportedFromCopy if a run here would not import this top-level package from the copy."""
        question = "import importlib.util, sys; print(importlib.util.find_spec(sys.argv[1]).origin)"
        done = self._run([sys.executable, "-c", question, package], limit_s=20)
        if not Path(done.output.strip()).is_relative_to(self.root):
            raise NotImportedFromCopy(f"{package} would be imported from {done.output.strip()}, not from {self.root}")

    def run(self, tests: Selection, limit_s: float) -> Done:
        """Run the tests on the copy as it is."""
        return self._run(tests.command(), limit_s)

    def run_changed(self, file: str, text: bytes, tests: Selection, limit_s: float) -> Done:
        """Run the tests with another text of one file, which is as before afterwards."""
        path = self.root / file
        original, times = path.read_bytes(), path.stat()
        try:
            path.write_bytes(text)
            # Compiled code is used again for a file of the same size and second: each change gets a second of its own.
            os.utime(path, (next(self._changes), next(self._changes)))
            return self.run(tests, limit_s)
        finally:
            path.write_bytes(original)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def _run(self, command: Sequence[str], limit_s: float) -> Done:
        private = {"PYTHONPATH": str(self.root), "TMPDIR": str(self.scratch)}
        environment = {**os.environ, **private, "PYTHONDONTWRITEBYTECODE": ""}  # compiled once, for all runs of a copy
        began = time.monotonic()
        with (self.scratch / "output").open("w+b") as output:  # a file: a process that stays behind blocks no pipe
            process = subprocess.Popen(
                command, cwd=self.root, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True
            )  # fmt: skip
            status = _wait(process, limit_s)
            output.seek(max(0, output.seek(0, os.SEEK_END) - SHOWN))
            return Done(status, time.monotonic() - began, output.read().decode(errors="replace"))


def _listed(checkout: Path) -> list[str]:
    """Return the files of the checkout that git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=checkout, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name and os.path.lexists(checkout / name)]


def _wait(process: subprocess.Popen[bytes], limit_s: float) -> int | None:
    """Return the exit status, None at the time limit; the whole process group has ended."""
    try:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
