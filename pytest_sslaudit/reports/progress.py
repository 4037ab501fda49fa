"""A line in the terminal that shows the progress of the observation."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final, Self, TextIO

import pytest

INTERVAL_S: Final = 0.2


class OneLine:
    """A line that is rewritten in place; `is_shown`: whether there is a terminal to draw it on."""

    def __init__(self, config: pytest.Config) -> None:
        """Find the terminal."""
        reporter = config.pluginmanager.getplugin("terminalreporter")
        stream: TextIO | None = reporter._tw._file if reporter else None  # noqa: SLF001 - no public way to the stream
        is_shown = stream is not None and stream.isatty() and config.get_verbosity() >= 0
        self._stream = stream if is_shown else None
        self._width = reporter._tw.fullwidth - 1 if reporter else 0  # noqa: SLF001 - as above

    @property
    def is_shown(self) -> bool:
        """Whether anything is drawn."""
        return self._stream is not None

    def draw(self, text: str) -> None:
        """Replace the line by this text, cut to the width: a line that wraps cannot be replaced."""
        if self._stream:
            self._stream.write(f"\r\x1b[K{text[: self._width]}")
            self._stream.flush()


class Progress:
    """The line of a probe; it is removed at the end."""

    def __init__(self, config: pytest.Config, total: int) -> None:
        """Begin; nothing is probed yet."""
        self._line = OneLine(config)
        self._total, self._done = total, 0
        self._slowest: tuple[float, str] = (0.0, "")
        self._started = self._drawn = time.monotonic()

    def __enter__(self) -> Self:
        """Start with nothing drawn."""
        return self

    def advance(self, endpoint: str, elapsed_s: float = 0.0) -> None:
        """Count an endpoint, whose observation took so long, and draw the line if it is out of date."""
        self._done += 1
        self._slowest = max(self._slowest, (elapsed_s, endpoint))
        moment = time.monotonic()
        if self._line.is_shown and (moment - self._drawn >= INTERVAL_S or self._done == self._total):
            self._drawn = moment
            rate = self._done / max(moment - self._started, 0.001)
            slowest = f", slowest {self._slowest[1]} {self._slowest[0]:.1f} s" if self._slowest[0] else ""
            self._line.draw(f"probing {self._done}/{self._total}, {rate:.0f}/s{slowest}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the line."""
        if self._total:
            self._line.draw("")
