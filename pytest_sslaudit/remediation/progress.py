"""What a person sees of a repair: each case as it goes on a terminal, what came of it everywhere.

It writes through pytest's terminal reporter, from whichever thread; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock

import pytest

from pytest_sslaudit.one_line import OneLine
from remediate.case import Case, Step, StepState
from remediate.plan import Plan
from remediate.show import Moment, moment_line


class RepairProgress:
    """Lines that stay, and one that is rewritten in place as long as a repair lasts."""

    def __init__(self, config: pytest.Config) -> None:
        """Draw nothing yet."""
        self._config, self._turn = config, Lock()
        self._line: OneLine | None = None
        self._places: dict[str, int] = {}

    def say(self, lines: Iterable[str]) -> None:
        """Write lines that stay."""
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        with self._turn:
            self._draw("")
            for line in lines:
                if reporter:
                    reporter.ensure_newline()
                    reporter.write_line(line)

    def detail(self, text: str) -> None:
        """Write what only who asks for details wants to see."""
        self.say(text.splitlines())

    @contextmanager
    def shown(self, planned: Plan) -> Iterator[None]:
        """Show where each case is, on a terminal."""
        self._line = OneLine(self._config)
        self._places = {case.id: number for number, case in enumerate(planned.cases, 1)}
        try:
            yield
        finally:
            with self._turn:
                self._draw("")
                self._line = None

    def watch(self, case: Case, step: Step, state: StepState, note: str) -> None:
        """Draw what a step of a case became."""
        place = f"{self._places.get(case.id, '-')}/{len(self._places)}"
        line = f"repairing {place}  {moment_line(Moment(case, step, state, note))}"
        with self._turn:
            self._draw(line)

    def _draw(self, text: str) -> None:
        if self._line:
            self._line.draw(text)
