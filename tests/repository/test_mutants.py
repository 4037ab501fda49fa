"""What `make mutants` changes in a source file, and how it reads what the tests did with the change."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import mutants
from bench.mutants import Entry, Mutant, MutantsError, Result, Runner, draw, draw_all, read_table, report
from bench.mutation.operators import compiles, edits
from bench.mutation.trial import Copy, NotImportedFromCopy, Outcome, Selection

CaptureFixture = pytest.CaptureFixture[str]
LIMIT_S = 30.0
SOURCE = """\
def countdown(start):
    steps = 0
    while start > 0:
        start -= 1
        steps += 1
    if start < -9:
        raise ValueError
    return steps
"""
TEST = """\
from shop.clock import countdown

def test_countdown_takes_as_many_steps():
    assert countdown(2) == 2
"""
HANGING_TEST = "import time\n\ndef test_hangs(): time.sleep(60)\n"
HANGING_CHILD = (
    "import subprocess; child = subprocess.Popen(['sleep', '60']); print(child.pid, flush=True); child.wait()"
)


def changed(source: str) -> list[str]:
    """Return every mutant of a source text."""
    return [edit.apply(source.encode()).decode() for edit in edits(source.encode())]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a == b", ["a != b"]),
        ("a < b <= c", ["a <= b <= c", "a < b < c"]),
        ("x = a is not b", ["x = a is b"]),
        ("x = a in b", ["x = a not in b"]),
        ("x = (\n    (é)  # in\n    not in (b)\n)", ["x = (\n    (é)  # in\n    in (b)\n)"]),
        ("x = a and (b or c)", ["x = a or (b or c)", "x = a and (b and c)"]),
        ("if not a: b", ["if  a: b"]),
        ("x = -7", ["x = -8"]),
        ("x = 0.5", ["x = 1.5"]),
        ("def f():\n    return True", ["def f():\n    return not (True)"]),
        ("def f():\n    return a < b", ["def f():\n    return not (a < b)", "def f():\n    return a <= b"]),
        ("def f():\n    return a == b", ["def f():\n    return a != b"]),
        ("def f():\n    return x", ["def f():\n    return None"]),
        ("if a: raise KeyError", ["if a: pass"]),
        ("x += y", ["pass"]),
        ("x.y = z", ["pass"]),
        ("f()", ["pass"]),
        ("x = f(a,  (b), c)", ["x = f(b,  (a), c)"]),
    ],
)
def test_each_operator_changes_one_place(source: str, expected: list[str]) -> None:
    assert changed(source) == expected
    assert all(compiles(mutant.encode()) for mutant in expected)


@pytest.mark.parametrize(
    "source",
    [
        "from a import b",
        "x: Literal[1]",
        "def f(x: Literal[1]) -> Literal[2]: ...",
        "@cache(3)\nclass A(B[4]): ...",
        'x = f"{a + 1}"',
        'if __name__ == "__main__":\n    f()',
        "def f():\n    return None",
        "x = True",
        "x = isinstance(a, b)",
        "x = f(a, a)",
        "x = f(*a, b)",
    ],
)
def test_declarations_and_calls_without_a_result_have_no_mutant(source: str) -> None:
    assert changed(source) == []


def test_mutant_is_described_with_its_line() -> None:
    text = b"x = 1\ny = max(\n    a\n) < b\n"
    last = edits(text)[1]
    assert (last.line, last.describe(text)) == (4, "comparison: < -> <=")


def test_text_that_is_not_python_does_not_compile() -> None:
    assert not compiles(b"break")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a project of one module and two tests, of which one hangs."""
    root = tmp_path / "checkout"
    for name, text in {
        "shop/__init__.py": "",
        "shop/clock.py": SOURCE,
        "tests/test_clock.py": TEST,
        "tests/test_hang.py": HANGING_TEST,
        "pytest.ini": "[pytest]\n",
        ".gitignore": "__pycache__/\nleft_out\n",
        "left_out": "",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


@pytest.fixture
def copy(checkout: Path, tmp_path: Path) -> Copy:
    """Return a private copy of the project."""
    return Copy.of(checkout, tmp_path / "0")


def entry(test: str = "tests/test_clock.py", path: str = "shop/clock.py") -> Entry:
    return Entry("shop", path, "shop/clock.py", Selection((test,)))


def mutant(change: str) -> Mutant:
    """Return the mutant of the project's module with this description."""
    text = SOURCE.encode()
    return next(Mutant(entry(), edit, text) for edit in edits(text) if edit.describe(text) == change)


def outcomes(copy: Copy, limit_s: float, *changes: str) -> list[Outcome | None]:
    results = Runner([copy], limit_s).run([mutant(change) for change in changes], time.monotonic() + LIMIT_S)
    return [result.outcome for result in results]


def test_killed_and_surviving_mutants_are_distinguished(copy: Copy) -> None:
    changes = ("comparison: > -> >=", "removed statement: raise ValueError -> pass", "off by one: 0 -> 1")
    assert outcomes(copy, LIMIT_S, *changes) == [Outcome.KILLED, Outcome.SURVIVED, Outcome.KILLED]


def test_mutant_that_never_ends_is_timed_out(copy: Copy) -> None:
    assert outcomes(copy, 4.0, "removed statement: start -= 1 -> pass") == [Outcome.TIMED_OUT]


def test_mutant_is_not_run_after_the_last_moment(copy: Copy) -> None:
    results = Runner([copy], LIMIT_S).run([mutant("comparison: > -> >=")], time.monotonic())
    assert [result.outcome for result in results] == [None]


def test_checkout_stays_and_copy_is_restored(checkout: Path, copy: Copy) -> None:
    assert outcomes(copy, LIMIT_S, "comparison: > -> >=") == [Outcome.KILLED]
    assert copy.run(entry().tests, LIMIT_S).outcome is Outcome.SURVIVED
    assert (checkout / "shop" / "clock.py").read_text() == (copy.root / "shop" / "clock.py").read_text() == SOURCE
    assert not (copy.root / "left_out").exists()


def test_code_compiled_in_the_same_second_is_not_used_again(copy: Copy) -> None:
    question = "from shop.clock import countdown; print(countdown(0))"
    tests: Any = SimpleNamespace(command=lambda: [sys.executable, "-c", question])  # takes much less than a second
    texts = [SOURCE.replace("steps = 0", f"steps = {number}").encode() for number in range(1, 5)]
    outcome = [copy.run_changed("shop/clock.py", text, tests, LIMIT_S).output.strip() for text in texts]
    assert outcome == ["1", "2", "3", "4"]


def test_time_limit_ends_the_whole_process_group(copy: Copy) -> None:
    done = copy._run([sys.executable, "-c", HANGING_CHILD], 3.0)
    assert done.status is None
    deadline = time.monotonic() + LIMIT_S
    while is_running(int(done.output)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(int(done.output))


def is_running(pid: int) -> bool:
    """Return whether a process exists and is more than the exit status that its parent has not read."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_failing_or_slow_tests_without_a_mutant_are_an_error(copy: Copy) -> None:
    (copy.root / "tests" / "test_fails.py").write_text("def test_fails(): assert False")
    with pytest.raises(MutantsError, match=r"clock.py: its tests failed with status 1 .* tests/test_fails.py"):
        Runner([copy], LIMIT_S).require_passing([entry(), entry("tests/test_fails.py")])
    with pytest.raises(MutantsError, match=r"took more than 3 s .* tests/test_hang.py"):
        Runner([copy], 3.0).require_passing([entry("tests/test_hang.py")])


def test_package_from_elsewhere_is_refused(copy: Copy) -> None:
    with pytest.raises(NotImportedFromCopy, match="json would be imported from"):
        copy.require_import("json")


def test_table_names_files_and_tests_of_many_packages() -> None:
    entries = read_table(mutants.TABLE, mutants.CHECKOUT)
    assert len(entries) == 40
    assert len({entry.package for entry in entries}) >= 12
    assert all(len(edits((mutants.CHECKOUT / entry.path).read_bytes())) >= 15 for entry in entries)


TABLE = """\
[test_folders]
"tests" = "tests/unit"
[[file]]
old = "clock.py"
new = "shop/time/clock.py"
tests = ["tests/test_clock.py"]
select = "fast"
"""


def test_path_that_exists_is_used_before_and_after_the_move(tmp_path: Path) -> None:
    table, tests = tmp_path / "mutants.toml", tmp_path / "tests"
    table.write_text(TABLE)
    (tests / "unit").mkdir(parents=True)
    (tmp_path / "clock.py").write_text("")
    (tests / "test_clock.py").write_text("")
    (before,) = read_table(table, tmp_path)
    (tmp_path / "shop" / "time").mkdir(parents=True)
    (tmp_path / "clock.py").rename(tmp_path / "shop" / "time" / "clock.py")
    (tests / "test_clock.py").rename(tests / "unit" / "test_clock.py")
    (after,) = read_table(table, tmp_path)
    key = "shop/time/clock.py"
    assert before == Entry("shop/time", "clock.py", key, Selection(("tests/test_clock.py",), "fast"))
    assert after == Entry("shop/time", key, key, Selection(("tests/unit/test_clock.py",), "fast"))


def test_missing_paths_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: CaptureFixture) -> None:
    (tmp_path / "mutants.toml").write_text(TABLE)
    monkeypatch.setattr(mutants, "TABLE", tmp_path / "mutants.toml")
    monkeypatch.setattr(mutants, "CHECKOUT", tmp_path)
    assert mutants.main() == 2
    error = capsys.readouterr().err
    assert "tests/test_clock.py or tests/unit/test_clock.py" in error
    assert "shop/time/clock.py or clock.py" in error


def test_seed_draws_the_same_mutants_after_a_move_with_renames() -> None:
    renamed = SOURCE.replace("steps", "number_of_steps").replace("    ", "    # as before\n    ", 1).encode()
    first = draw(entry(), SOURCE.encode(), 4, seed=1)
    moved = draw(entry(path="shop/time/clock.py"), renamed, 4, seed=1)
    assert [mutant.edit.operator for mutant in moved] == [mutant.edit.operator for mutant in first]
    assert [mutant.edit.line - 1 for mutant in moved] == [mutant.edit.line for mutant in first]
    assert draw(entry(), SOURCE.encode(), 4, seed=2) != first


def test_mutants_are_shared_equally_and_the_first_files_get_the_rest(checkout: Path) -> None:
    (checkout / "shop" / "other.py").write_text(SOURCE)
    entries = [entry(), Entry("shop", "shop/other.py", "shop/other.py", entry().tests)]
    drawn = draw_all(entries, checkout, 5, seed=1)
    assert [mutant.entry.path for mutant in drawn] == ["shop/clock.py"] * 3 + ["shop/other.py"] * 2


def test_report_counts_each_package_and_lists_survivors() -> None:
    change = mutant("comparison: > -> >=")
    other = replace(change, entry=replace(entry(), package="shop/time"))
    results = [*map(Result, [change] * 4, [*Outcome, None]), Result(other, Outcome.KILLED)]
    title, *rows, _, heading, survivor = report(results).splitlines()
    assert title.split() == ["package", "killed", "survived", "timed", "out", "not", "run", "noticed"]
    assert [row.split() for row in rows] == [
        ["shop", "1", "1", "1", "1", "67", "%"],
        ["shop/time", "1", "0", "0", "0", "100", "%"],
        ["all", "2", "1", "1", "1", "75", "%"],
    ]
    assert (heading, survivor) == ("survivors:", "shop/clock.py:3: comparison: > -> >=")
