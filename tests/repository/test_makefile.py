"""What the Makefile starts exists."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.support.checkout import CHECKOUT


def words_of(*arguments: str) -> list[str]:
    """Return the words of the commands that `make` would run."""
    command = ["make", "--dry-run", "--always-make", *arguments]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split()


def parts_of_the_matrix() -> list[str]:
    (line,) = re.findall(r"^MATRIX := (.*)$", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    return str(line).split()


def file_of(module: str) -> str:
    """Return the file that `python -m MODULE` runs."""
    path = module.replace(".", "/")
    return f"{path}/__main__.py" if (CHECKOUT / path).is_dir() else f"{path}.py"


@pytest.mark.parametrize("part", ["", *parts_of_the_matrix()])
def test_every_part_starts_files_and_modules_that_exist(part: str) -> None:
    words = words_of("test-matrix", f"PART={part}") if part else words_of("test", "bench", "test-unit")
    names = [word.rpartition("=")[2] for word in words]
    files = {name for name in names if name.startswith("tests")} - {"tests"}
    modules = {file_of(name) for name in names if re.fullmatch(r"(tests|bench)(\.\w+)+", name)}
    started = {file for file in files if "/" in file or file.endswith(".py")} | modules
    assert started
    assert {file for file in started if not (CHECKOUT / file).exists()} == set()


def test_each_file_that_the_normal_run_leaves_out_is_in_a_part() -> None:
    left_out = {word.removeprefix("--ignore=") for word in words_of("test") if word.startswith("--ignore=")}
    assert left_out
    assert left_out - set(words_of("test-matrix")) == set()
