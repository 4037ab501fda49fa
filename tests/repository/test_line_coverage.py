"""`make coverage` counts the executed lines of each package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.line_coverage import (
    CHECKOUT,
    FOLDERS,
    Lines,
    Measurement,
    by_package,
    report,
)


def test_lines_of_a_package_are_added() -> None:
    files = {"a/b/c.py": Lines(1, 2), "a/b/d/e.py": Lines(3, 4), "a/f.py": Lines(0, 5)}
    assert by_package(files) == {"a/b": Lines(4, 6), "a": Lines(0, 5)}


def test_report_names_each_package_and_all() -> None:
    _, *rows = report({"b": Lines(1, 3), "a": Lines(0, 0)}).splitlines()
    assert [row.split() for row in rows] == [
        ["a", "0", "0", "100.0", "%"],
        ["b", "3", "1", "33.3", "%"],
        ["all", "3", "1", "33.3", "%"],
    ]


def test_directories_of_tests_exist_and_start_no_real_servers() -> None:
    assert len([folder for folder in FOLDERS if (CHECKOUT / folder).is_dir()]) >= 2
    assert not {"tests/system", "tests/report_browser", "tests/lab"} & set(FOLDERS)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a project with a module that one test executes in part, and one that none imports."""
    root = tmp_path / "checkout"
    for name, text in {
        "shop/__init__.py": "",
        "shop/clock.py": "def is_late(hour):\n    if hour > 20:\n        return True\n    return False\n",
        "shop/till.py": "OPEN = 9\n",
        "tests/test_clock.py": "from shop.clock import is_late\n\ndef test_noon(): assert not is_late(12)\n",
        "tests/test_fails.py": "def test_fails(): assert False\n",
        "pytest.ini": "[pytest]\nmarkers =\n    real\n    browser\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_executed_lines_are_counted_and_failed_tests_are_named(checkout: Path, tmp_path: Path) -> None:
    if subprocess.run([sys.executable, "-m", "coverage", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("needs coverage from PyPI")
    measurement = Measurement(checkout, tmp_path, ("shop",))
    (failure,) = measurement.run(["tests/test_clock.py", "tests/test_fails.py"])
    assert failure.startswith("tests/test_fails.py: pytest exited with 1\n")
    lines = {"shop/__init__.py": Lines(0, 0), "shop/clock.py": Lines(3, 4), "shop/till.py": Lines(0, 1)}
    assert measurement.files() == lines
