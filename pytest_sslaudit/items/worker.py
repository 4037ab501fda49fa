"""The hooks of a worker of xdist: it tells the controller what its tests need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pytest_sslaudit.evidence import Exchange
from pytest_sslaudit.items.pairs import collected_tests, pairs_of
from pytest_sslaudit.run_state import current_run


class Worker:
    """The hooks of a worker."""

    def __init__(self, exchange: Exchange) -> None:
        """Begin without deselected tests."""
        self._exchange = exchange
        self._deselected: list[tuple[str, str]] = []

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Record which checks are deselected, by pytest's own options or by a plugin."""
        self._deselected += pairs_of(items)

    @pytest.hookimpl(tryfirst=True)  # xdist reports to the controller in the same hook
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Write what the tests need for the controller, which probes before it schedules anything."""
        config: Any = session.config
        run = current_run(config)
        deselected = tuple(map(" ".join, self._deselected))
        collected = replace(collected_tests(session.items, run), deselected=deselected)
        self._exchange.keep_collected(config.workerinput["workerid"], collected)
