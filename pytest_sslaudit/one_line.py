"""A line on a terminal that is rewritten in place; in a pipe, or where pytest is told to be quiet, there is none.

It knows pytest's terminal; what is drawn, and when, is its caller's.
"""

from __future__ import annotations

from typing import TextIO

import pytest


class OneLine:
    """The line. `is_shown` tells whether there is a terminal to draw it on."""

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
        """Put this text in the place of what was drawn; a line that wraps could not be taken back."""
        if self._stream:
            self._stream.write(f"\r\x1b[K{text[: self._width]}")
            self._stream.flush()
