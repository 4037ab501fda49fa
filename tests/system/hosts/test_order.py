"""The files that take longest are begun with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.checkout import CHECKOUT
from tests.system.conftest import LONGEST, pytest_collection_modifyitems

FOLDER = CHECKOUT / "tests"


def item(path: str, *, real: bool = True) -> Any:  # noqa: ANN401 - as much of an item as is asked for
    return SimpleNamespace(path=FOLDER / path, get_closest_marker=lambda _: pytest.mark.system if real else None)


def test_every_file_listed_as_slow_exists() -> None:
    assert [name for name in LONGEST if not (FOLDER / f"{name}.py").is_file()] == []


def test_slow_files_run_first_and_then_the_system_tests_in_order() -> None:
    items = [
        item("repository/test_docs.py", real=False),
        item("system/names/test_trace.py"),
        item(f"{LONGEST[1]}.py"),
        item("system/repair/test_renewal_agents.py"),
        item(f"{LONGEST[0]}.py"),
    ]
    before = list(items)
    pytest_collection_modifyitems(items)
    assert items == [before[4], before[2], before[1], before[3], before[0]]
