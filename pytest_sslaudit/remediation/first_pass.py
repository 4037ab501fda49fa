"""Runs tests before a repair, and runs those again whose endpoints the repair affected: the last verdict counts.

The reports of the first run are kept until the repair is over. Each test is reported once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import pytest
from _pytest.runner import runtestprotocol

from pytest_sslaudit.items.pairs import endpoints_of
from pytest_sslaudit.items.runtest import RESULT_BEFORE, UNJUDGED
from pytest_sslaudit.reports.carried_results import result_of


class FirstPass:
    """The pytest reports of the first run of tests that use an endpoint, until `take` returns them."""

    def __init__(self) -> None:
        """Begin without reports."""
        self._reports: dict[str, tuple[pytest.TestReport, ...]] = {}
        self._current: pytest.Item | None = None

    def judge(self, items: Sequence[pytest.Item]) -> Iterator[pytest.TestReport]:
        """Run the tests with an endpoint without reporting them; yield each report.

        They run in the hook of pytest that runs one test, which calls `run`: other plugins prepare a test in it.
        """
        chosen: list[pytest.Item | None] = [item for item in items if endpoints_of(item)]
        for item, following in pairwise((*chosen, None)):
            self._current = item
            if item is not None:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                yield from self._reports.get(item.nodeid, ())
        self._current = None

    def run(self, item: pytest.Item, following: pytest.Item | None) -> bool:
        """Run a test and keep its reports, if it is the one that is judged now; return whether it is."""
        if item is not self._current:
            return False
        properties = list(item.user_properties)
        reports = tuple(runtestprotocol(item, log=False, nextitem=following))
        item.user_properties[:] = properties
        item.stash.setdefault(UNJUDGED, properties)
        del item.stash[UNJUDGED]  # it was observed again if it runs again
        item._report_sections.clear()  # noqa: SLF001 - what was captured is in these reports; pytest has no other way
        self._reports[item.nodeid] = reports
        return True

    def judge_again(self, items: Iterable[pytest.Item], endpoints: frozenset[str]) -> None:
        """Run the tests of these endpoints again; keep the first result of each on its item."""
        for item in items:
            if endpoints.isdisjoint(map(str, endpoints_of(item))):
                continue
            for report in self._reports.pop(item.nodeid, ()):
                result = result_of(report)
                if result is not None:
                    item.stash[RESULT_BEFORE] = result

    def take(self, item: pytest.Item) -> tuple[pytest.TestReport, ...]:
        """Return the reports of a test that is not judged again, once."""
        return self._reports.pop(item.nodeid, ())
