"""What a person sees of a repair: each case as it goes on a terminal, what came of it everywhere.

It writes through pytest's terminal reporter, from whichever thread; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TextIO

import pytest

from remediate.case import Case, Step, StepState
from remediate.plan import Plan
from remediate.show import Moment, moment_line


class RepairProgress:
    """Lines that stay, and one that is rewritten in place as long as a repair lasts."""

    def __init__(self, config: pytest.Config) -> None:
        """Draw nothing yet."""
        self._config, self._turn = config, Lock()
        self._stream: TextIO | None = None
        self._width = 79
        self._places: dict[str, int] = {}

    def say(self, lines: Iterable[str]) -> None:
        """Write lines that stay."""
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        with self._turn:
            self._wipe()
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
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        stream = reporter._tw._file if reporter else None  # noqa: SLF001 - no public way to the stream
        if stream is not None and stream.isatty() and self._config.get_verbosity() >= 0:
            self._stream, self._width = stream, reporter._tw.fullwidth - 1  # noqa: SLF001 - as above
        self._places = {case.id: number for number, case in enumerate(planned.cases, 1)}
        try:
            yield
        finally:
            with self._turn:
                self._wipe()
                self._stream = None

    def watch(self, case: Case, step: Step, state: StepState, note: str) -> None:
        """Draw what a step of a case became."""
        place = f"{self._places.get(case.id, '-')}/{len(self._places)}"
        line = f"repairing {place}  {moment_line(Moment(case, step, state, note))}"
        with self._turn:
            if self._stream:
                self._stream.write(f"\r\x1b[K{line[: self._width]}")
                self._stream.flush()

    def _wipe(self) -> None:
        if self._stream:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
