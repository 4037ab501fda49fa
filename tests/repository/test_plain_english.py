"""The code, its output, its tests and the documentation are in plain English: standard words, and verbs that fit."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from pytest_sslaudit import plugin
from pytest_sslaudit.cli import checkallsslcerts, program
from remediate.cli.main import main as repair_program
from tests.repository.texts import CHECKOUT, texts_of, tracked_files

CLEAN: Final = (
    "audit", "bench", "docs", "pytest_sslaudit", "remediate", "conftest.py", "Makefile", "pyproject.toml", ".ci",
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md",
    "tests/integration", "tests/lab", "tests/plugin", "tests/report_browser", "tests/repository", "tests/support",
    "tests/system", "tests/unit",
)  # fmt: skip
"""The files and directories without these words. Add a directory of the tests as soon as it has none."""
INSTEAD: Final = {
    r"whoever|somebody|nobody": "name the actor: the CA, root, the user, another user",
    r"strangers?": "unknown service, another user",
    r"knock(?:s|ed|ing)?|doors?|visits?": "HTTP probe, access log request",
    r"upkeep": "maintenance state",
    r"premises": "work directory",
    r"hands on": "host session",
    r"letters?": "notification, email; for characters write a-z",
    r"mend(?:s|ed|ing)?": "fix",
    r"vouch(?:es|ed)?": "certifies, is trusted",
    r"that is none|is none of": "is not a, is invalid",
    r"refuses to know|in a clause each|is no longer told": "say what the code does",
}
"""Words that no file has, and what to write instead."""
OF_MACHINES: Final = {
    r"cannot be told|could not be told": "is inconclusive, is unknown",
    r"tells?|told|telling": "returns, reports, distinguishes",
    r"knows|believe[sd]?": "has, trusts",
    r"whose .* it is is": "two sentences",
    r"(?<!here )(?:is|are|was|were) no(?! longer| more| less|t\b|ne\b)": "is not a",
}
"""Phrases that no docstring, comment, message or page has, because a machine does not tell, know or believe."""
OF_PRODUCT: Final = {
    r"such(?! as\b| (?:file\b|container|\())": "this, of this kind",
    r"worlds?": "the Internet",
    r"asks|asked|asking": "requests, queries, prompts for",
    r"said": "reported, gave the reason",
    r"things?": "the noun: value, file, result, property",
    r"answered|answering|answers?(?! only\b)": "response, output, value",
}
"""Phrases that the product and its documentation do not have either; the tests are not searched for them yet."""
PRODUCT: Final = tuple(place for place in CLEAN if not place.startswith("tests/"))
"""The files and directories of the product and its documentation."""
PACKAGES: Final = ("audit", "bench", "pytest_sslaudit", "remediate", "conftest.py")
"""The directories of the product with Python code."""
VARIABLES: Final = frozenset(
    {"one", "each", "said", "told", "asked", "there", "mine", "whole", "answer", "answers", "ask"}
)
"""Names that no variable or function of the product has: a variable is the noun of its value, like `certificate`."""
LIST: Final = Path(__file__).resolve()
"""This file has the words in its tables."""
EXCEPTIONS: Final = {
    ("audit/observation/firewall.py", "asked"): "the name of a field of stored observations",
    ("docs/causes.md", "answer"): "in the id of a cause",
    ("tests/repository/test_docs.py", "LETTER"): "the name of a character in Unicode",
    ("remediate/state/migrations/0002_causes.sql", "letters"): "the name of a table in journals of an earlier version",
    ("remediate/state/migrations/0003_notifications.sql", "letters"): "as above",
    ("remediate/state/migrations/0002_causes.sql", "visits"): "the name of a value in these journals",
    ("remediate/state/migrations/0004_requests.sql", "visits"): "as above",
    ("tests/integration/audit/host/test_cpanel_state.py", "nobody"): "the name of a user of the system",
    ("tests/integration/audit/host/test_cpanel_state.py", "NOBODY"): "as above",
    ("tests/integration/remediate/execution/test_preconditions.py", "nobody"): "as above",
    ("tests/integration/remediate/execution/test_preconditions.py", "NOBODY"): "as above",
    ("tests/support/remediate/journal_of_version_1.sql", "letters"): "the table in these journals",
    ("tests/support/remediate/journal_of_version_1.sql", "tell"): "the name of a command in that version",
    ("tests/unit/remediate/test_migrations.py", "letters"): "the table in these journals",
}
"""Uses that have to stay, each with the reason."""
MAX_NAME_LENGTH: Final = 70
"""How many characters the name of a test may have."""


def words(table: dict[str, str]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(table)})\b", re.IGNORECASE)


WORDS: Final = words(INSTEAD)
PHRASES: Final = words(INSTEAD | OF_MACHINES)
PRODUCT_PHRASES: Final = words(OF_PRODUCT)


def found_in(file: Path) -> Iterator[str]:
    """Yield each line of a file with one of the words, and each of its texts with one of the phrases."""
    name = str(file.relative_to(CHECKOUT))
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if (match := WORDS.search(line)) and (name, match[0]) not in EXCEPTIONS:
            yield f"{name}:{number}: {match[0]}: {line.strip()}"
    for text in texts_of(file):
        if (match := PHRASES.search(text.text)) and (name, match[0]) not in EXCEPTIONS:
            yield f"{text.file}:{text.line}: {match[0]}: {text.text}"


@pytest.mark.parametrize("place", CLEAN)
def test_files_have_no_forbidden_word_or_phrase(place: str) -> None:
    text_files = [file for file in tracked_files(place) if file.suffix not in (".png", ".typed") and file != LIST]
    assert text_files
    found = [line for file in text_files for line in found_in(file)]
    assert found == [], f"{len(found)} lines; what to write instead: {INSTEAD | OF_MACHINES}"


@pytest.mark.parametrize("place", PRODUCT)
def test_product_has_no_forbidden_phrase(place: str) -> None:
    found = [
        f"{text.file}:{text.line}: {match[0]}: {text.text}"
        for file in tracked_files(place)
        for text in texts_of(file)
        if (match := PRODUCT_PHRASES.search(text.text)) and (text.file, match[0]) not in EXCEPTIONS
    ]
    assert found == [], f"{len(found)} texts; what to write instead: {OF_PRODUCT}"


def variables_of(source: str) -> Iterator[tuple[int, str]]:
    """Yield the functions, parameters and variables that a module defines, each with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name.lstrip("_")


@pytest.mark.parametrize("place", PACKAGES)
def test_variables_of_the_product_are_nouns(place: str) -> None:
    files = [file for file in tracked_files(place) if file.suffix == ".py"]
    assert files
    found = [
        f"{file.relative_to(CHECKOUT)}:{line}: {name}"
        for file in files
        for line, name in variables_of(file.read_text(encoding="utf-8"))
        if name in VARIABLES and (str(file.relative_to(CHECKOUT)), name) not in EXCEPTIONS
    ]
    assert found == []


def test_variable_of_every_kind_is_found() -> None:
    source = "def f(one, *mine, whole=0):\n    told: int = 0\n    for each in [said for said in (asked := [])]: ...\n"
    assert {name for _, name in variables_of(source)} == {"one", "mine", "whole", "told", "each", "said", "asked", "f"}


def names_of(file: Path) -> Iterator[str]:
    """Yield the names of the tests of a file, each with its class or module."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for scope in ast.walk(tree):
        if isinstance(scope, ast.Module | ast.ClassDef):
            owner = str(file.relative_to(CHECKOUT)) + (f"::{scope.name}" if isinstance(scope, ast.ClassDef) else "")
            functions = (node for node in scope.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
            yield from (f"{owner}::{node.name}" for node in functions if node.name.startswith("test_"))


def faults_of(name: str) -> Iterator[str]:
    """Yield what is wrong with the name of a test."""
    if len(name) > MAX_NAME_LENGTH:
        yield f"{len(name)} characters, at most {MAX_NAME_LENGTH} are allowed"
    if match := PHRASES.search(name.replace("_", " ")):
        yield f"forbidden: {match[0]}"


def test_names_of_tests_are_short_unique_and_plain() -> None:
    names = [name for file in tracked_files("tests") if file.suffix == ".py" for name in names_of(file)]
    assert names
    found = [f"{name}: {fault}" for name in names for fault in faults_of(name.rpartition("::")[2])]
    found += [f"{name}: defined {count} times" for name, count in Counter(names).items() if count > 1]
    assert found == []


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("test_" + "a" * (MAX_NAME_LENGTH - 4), "71 characters, at most 70 are allowed"),
        ("test_reason_is_told", "forbidden: told"),
        ("test_port_is_no_port", "forbidden: is no"),
    ],
)
def test_fault_of_a_name_is_found(name: str, fault: str) -> None:
    assert list(faults_of(name)) == [fault]


def test_repeated_name_in_a_class_is_yielded_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.CHECKOUT", tmp_path)
    (tmp_path / "test_a.py").write_text("class TestA:\n    def test_b(self): ...\n    def test_b(self): ...\n")
    assert list(names_of(tmp_path / "test_a.py")) == ["test_a.py::TestA::test_b"] * 2


def test_every_exception_is_needed() -> None:
    for name, word in EXCEPTIONS:
        assert re.search(rf"\b{word}\b", (CHECKOUT / name).read_text(encoding="utf-8")), name


@pytest.mark.parametrize(
    ("main", "arguments"),
    [
        (repair_program, ()),
        *((repair_program, (command,)) for command in ("plan", "apply", "resume", "status", "rollback", "release")),
        (program.main, ()),
        *((program.main, (command,)) for command in ("install-timer", "remove-timer", "timer-status", "collector")),
        (checkallsslcerts.main, ()),
    ],
)
def test_help_has_no_forbidden_phrase(
    main: object, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(main)
    with pytest.raises(SystemExit):
        main([*arguments, "--help"])
    assert PHRASES.findall(capsys.readouterr().out) == []


def test_help_of_pytest_options_has_no_forbidden_phrase() -> None:
    helps = [*(row[-1] for row in plugin.OPTIONS), *(row[-1] for row in plugin.SWITCHES)]
    assert [text for text in helps if PHRASES.search(text)] == []


@pytest.mark.parametrize(
    "text",
    ["nobody asked", "it is no port", "it tells which", "as was told", "a stranger's socket", "Mended", "it knows all"],
)
def test_forbidden_phrase_is_found(text: str) -> None:
    assert PHRASES.search(text)


@pytest.mark.parametrize("text", ["no such port", "the server asks", "as was said", "things", "no answer"])
def test_forbidden_phrase_of_the_product_is_found(text: str) -> None:
    assert PRODUCT_PHRASES.search(text)


@pytest.mark.parametrize(
    "text", ["there is no port", "it is no longer valid", "is not a port", "no more than two", "none is known"]
)
def test_allowed_text_is_not_found(text: str) -> None:
    assert not PHRASES.search(text)
