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


def test_every_file_that_is_said_to_take_long_is_there() -> None:
    assert [name for name in LONGEST if not (FOLDER / f"{name}.py").is_file()] == []


def test_the_longest_come_first_then_the_real_ones_and_all_in_their_own_order() -> None:
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
