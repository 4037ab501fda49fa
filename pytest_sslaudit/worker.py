"""What a worker of xdist does beside judging: it says which endpoints its tests want."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pytest_sslaudit.parametrize import left_out, wanted
from pytest_sslaudit.run import current_run


class Worker:
    """The hooks of a worker."""

    def __init__(self) -> None:
        """Begin with nothing left out."""
        self._left_out: list[tuple[str, str]] = []

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Note which checks are left out, by pytest's own options or by a plugin."""
        self._left_out += left_out(items)

    @pytest.hookimpl(tryfirst=True)  # xdist tells the controller in the same hook
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Leave word for the controller, which probes before anything is scheduled."""
        config: Any = session.config
        run = current_run(config)
        asked = replace(wanted(session.items, run), left_out=tuple(map(" ".join, self._left_out)))
        run.spool.keep_wanted(config.workerinput["workerid"], asked)
