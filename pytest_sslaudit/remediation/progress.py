"""Shows a repair to the user: its current step in one line of a terminal, its messages everywhere.

It writes through the terminal reporter of pytest, from any thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock

import pytest

from pytest_sslaudit.reports.progress import OneLine
from remediate.cli.output import StepUpdate, step_update_line
from remediate.model.case import Case, Step, StepState
from remediate.model.plan import Plan


class RepairProgress:
    """Lines that stay, and one line that is rewritten while a repair runs."""

    def __init__(self, config: pytest.Config) -> None:
        """Begin; nothing is drawn yet."""
        self._config, self._turn = config, Lock()
        self._line: OneLine | None = None
        self._places: dict[str, int] = {}

    def say(self, lines: Iterable[str]) -> None:
        """Write lines that stay, and call the hook for messages with each."""
        kept = tuple(lines)
        self.write(kept)
        self.mention(kept)

    def mention(self, lines: Iterable[str], *, is_detail: bool = False) -> None:
        """Call the hook for messages with each line."""
        for line in lines:
            self._config.hook.pytest_sslaudit_message(config=self._config, line=line, is_detail=is_detail)

    def write(self, lines: Iterable[str]) -> None:
        """Write lines that stay on the terminal."""
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        with self._turn:
            self._draw("")
            for line in lines:
                if reporter:
                    reporter.ensure_newline()
                    reporter.write_line(line)

    def detail(self, text: str) -> None:
        """Call the hook with details; write them only with `-v`."""
        lines = text.splitlines()
        self.mention(lines, is_detail=True)
        if self._config.get_verbosity() > 0:
            self.write(lines)

    @contextmanager
    def shown(self, planned: Plan) -> Iterator[None]:
        """Show the step of each case on a terminal."""
        self._line = OneLine(self._config)
        self._places = {case.id: number for number, case in enumerate(planned.cases, 1)}
        try:
            yield
        finally:
            with self._turn:
                self._draw("")
                self._line = None

    def watch(self, case: Case, step: Step, state: StepState, note: str) -> None:
        """Draw the new state of a step, and call the hook for steps."""
        place = f"{self._places.get(case.id, '-')}/{len(self._places)}"
        line = f"repairing {place}  {step_update_line(StepUpdate(case, step, state, note))}"
        with self._turn:
            self._draw(line)
        self._config.hook.pytest_sslaudit_step(config=self._config, case=case, step=step, state=state, note=note)

    def _draw(self, text: str) -> None:
        if self._line:
            self._line.draw(text)
