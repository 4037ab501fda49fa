"""What a person sees of a repair: each case as it goes on a terminal, what came of it everywhere.

It writes through pytest's terminal reporter, from whichever thread; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock

import pytest

from pytest_sslaudit.reports.progress import OneLine
from remediate.cli.output import Moment, moment_line
from remediate.model.case import Case, Step, StepState
from remediate.model.plan import Plan


class RepairProgress:
    """Lines that stay, and one that is rewritten in place as long as a repair lasts."""

    def __init__(self, config: pytest.Config) -> None:
        """Draw nothing yet."""
        self._config, self._turn = config, Lock()
        self._line: OneLine | None = None
        self._places: dict[str, int] = {}

    def say(self, lines: Iterable[str]) -> None:
        """Write lines that stay, and have them heard."""
        kept = tuple(lines)
        self.write(kept)
        self.mention(kept)

    def mention(self, lines: Iterable[str], *, is_detail: bool = False) -> None:
        """Have lines heard by whoever listens."""
        for line in lines:
            self._config.hook.pytest_sslaudit_said(config=self._config, line=line, is_detail=is_detail)

    def write(self, lines: Iterable[str]) -> None:
        """Write lines that stay on the terminal alone."""
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        with self._turn:
            self._draw("")
            for line in lines:
                if reporter:
                    reporter.ensure_newline()
                    reporter.write_line(line)

    def detail(self, text: str) -> None:
        """Write what only who asks for details wants to see."""
        lines = text.splitlines()
        self.mention(lines, is_detail=True)
        if self._config.get_verbosity() > 0:
            self.write(lines)

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
        self._config.hook.pytest_sslaudit_stepped(config=self._config, case=case, step=step, state=state, note=note)

    def _draw(self, text: str) -> None:
        if self._line:
            self._line.draw(text)
