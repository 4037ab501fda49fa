"""Prints which part of each package's lines the unit tests execute.

    python -m bench.line_coverage [TESTS ...]

Runs the tests of FOLDERS, or the given ones, without the real servers and the browser, two folders at a time.
Only lines that run in pytest's own process count, not those of programs that a test starts: the plugin and the command
line have low numbers here, because their tests start programs. The first two directories of a path are its package.

Needs `coverage` from PyPI. Exits 1 if a test failed, because its lines are then missing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

CHECKOUT: Final = Path(__file__).parent.parent
SOURCES: Final = ("audit", "pytest_sslaudit", "remediate")
FOLDERS: Final = (
    "tests/unit",
    "tests/integration/audit/probe",
    "tests/integration/audit/x509",
    "tests/integration/remediate/issuers",
    "tests/integration/remediate/challenges",
    "tests/integration/remediate/notify",
    "tests/integration/remediate/state",
)
AT_A_TIME: Final = 2
SHOWN: Final = 3000  # characters of the output of tests that failed


@dataclass(frozen=True, slots=True)
class Lines:
    """The number of executable lines, and how many of them were executed."""

    executed: int
    total: int

    def __add__(self, other: Lines) -> Lines:
        """Return the sum of both."""
        return Lines(self.executed + other.executed, self.total + other.total)


def package_of(file: str) -> str:
    """Return the package that a file counts for: the first two directories of its path."""
    return "/".join(PurePosixPath(file).parts[:-1][:2])


def by_package(files: Mapping[str, Lines]) -> dict[str, Lines]:
    """Add the lines of all files of a package."""
    sums: dict[str, Lines] = {}
    for file, lines in files.items():
        package = package_of(file)
        sums[package] = sums.get(package, Lines(0, 0)) + lines
    return sums


@dataclass(frozen=True, slots=True)
class Measurement:
    """Runs tests of a checkout and keeps what they executed in a folder."""

    checkout: Path
    folder: Path
    sources: tuple[str, ...] = SOURCES

    def run(self, tests: Sequence[str]) -> list[str]:
        """Run each path by itself; return the end of the output of each that failed."""
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            return [output for output in pool.map(self._run, tests) if output]

    def files(self) -> dict[str, Lines]:
        """Return the lines of each file of the sources, also of those that were never imported."""
        report = self.folder / "report.json"
        for arguments in (["combine", "-q"], ["json", "-q", f"--include={self._included()}", "-o", str(report)]):
            subprocess.run(self._coverage(*arguments), cwd=self.checkout, env=self._environment(), check=True)
        files: dict[str, dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["files"]
        summaries = {file: content["summary"] for file, content in files.items()}
        return {file: Lines(summary["covered_lines"], summary["num_statements"]) for file, summary in summaries.items()}

    def _run(self, path: str) -> str:
        sources = f"--source={','.join(self.sources)}"
        pytest = ("pytest", "-q", "-p", "no:cacheprovider", "-m", "not system and not browser", path)
        command = self._coverage("run", "--parallel-mode", sources, "-m", *pytest)
        done = subprocess.run(
            command, cwd=self.checkout, env=self._environment(), capture_output=True, text=True, check=False
        )
        return f"{path}: pytest exited with {done.returncode}\n{done.stdout[-SHOWN:]}" if done.returncode else ""

    def _included(self) -> str:
        return ",".join(f"{source}/*" for source in self.sources)

    def _coverage(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "coverage", *arguments]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "COVERAGE_FILE": str(self.folder / "data")}


def report(sums: Mapping[str, Lines]) -> str:
    """Return a line for each package, and a line for all."""
    rows = [(package, sums[package]) for package in sorted(sums)] + [("all", sum(sums.values(), Lines(0, 0)))]
    percent = [100 * lines.executed / lines.total if lines.total else 100.0 for _, lines in rows]
    title = f"{'package':28}{'lines':>8}{'executed':>10}{'coverage':>10}"
    lines = [
        f"{package:28}{lines.total:8}{lines.executed:10}{share:8.1f} %"
        for (package, lines), share in zip(rows, percent, strict=True)
    ]
    return "\n".join([title, *lines])


def main(tests: Sequence[str]) -> int:
    """Run the tests, print the table; return the exit status."""
    chosen = tests or [folder for folder in FOLDERS if (CHECKOUT / folder).exists()]
    with tempfile.TemporaryDirectory(prefix="coverage-") as folder:
        measurement = Measurement(CHECKOUT, Path(folder))
        failures = measurement.run(chosen)
        files = measurement.files()
    print(report(by_package(files)))
    print(*failures, sep="\n", end="", file=sys.stderr)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
