"""Who may import whom in the repair, and which of its modules only decide."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.test_imports import CLOCKS, DOES_IO, ROOT, foreign, imported, named, sources, within

DECIDES = ("bounds", "case", "draft", "evidence", "explanation", "grouping", "joining", "keeping", "obstacle", "panel",
           "plan", "schedule", "show", "surroundings")  # fmt: skip
REPAIRS_WITH = ("audit", "remediate", "cryptography", "requests", "dns", "testinfra", "certifi", "urllib3")
APART = ("issuers", "dcv", "installers")


def deciding() -> tuple[Path, ...]:
    """Return the modules that are functions of their arguments."""
    return tuple(ROOT / "remediate" / f"{name}.py" for name in DECIDES)


@pytest.mark.parametrize("file", named(deciding()))
def test_what_decides_does_no_io_and_reads_no_clock(file: Path) -> None:
    assert [name for name in imported(file) if within(name, *DOES_IO, "pathlib", "sqlite3", "random", "secrets")] == []
    calls = [node.func for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call, ast.Name) and call.id in ("open", "print", "input")]
    asked = {(call.value.id, call.attr) for call in calls
             if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name)}  # fmt: skip
    assert not asked & CLOCKS


@pytest.mark.parametrize("file", named(sources("remediate")))
def test_the_repair_knows_the_audit_and_neither_pytest_nor_the_plugin(file: Path) -> None:
    assert foreign(file, *REPAIRS_WITH) == []


@pytest.mark.parametrize("file", named(sources("remediate")))
def test_issuers_validators_and_installers_know_neither_each_other_nor_what_runs_them(file: Path) -> None:
    own = next((part for part in APART if file.parent.name == part), None)
    others = [f"remediate.{part}" for part in (*APART, "runner", "journal", "plan") if part != own]
    assert own is None or [name for name in imported(file) if within(name, *others)] == []
