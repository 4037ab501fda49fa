"""The progress of the discovery: a line for each host, and which hosts are still awaited.

On a terminal it is one line that is rewritten; elsewhere each host has a line of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import pytest

from audit.host.discovery import Discovery, DiscoveryPool
from audit.text import one_line
from pytest_sslaudit.reports.progress import INTERVAL_S, OneLine

_NAMED: Final = 3  # awaited hosts that are named
_MOST_FAILURE: Final = 200  # characters


class HostProgress:
    """The lines of a run; a run of one host, a quiet run and one that only collects have none."""

    def __init__(self, config: pytest.Config, pool: DiscoveryPool) -> None:
        """Begin; no host has ended."""
        self._pool, self._line = pool, OneLine(config)
        self._reporter: pytest.TerminalReporter | None = config.pluginmanager.getplugin("terminalreporter")
        self._is_quiet = self._reporter is None or config.get_verbosity() < 0 or config.option.collectonly
        self._done = 0
        self._is_drawn = False

    @property
    def _is_shown(self) -> bool:
        return not self._is_quiet and len(self._pool.hosts) > 1

    def show(self) -> None:
        """Show which hosts have ended since the last call; nothing else is printed meanwhile."""
        for discovery in self._pool.news():
            self._done += 1
            self._show(f"{discovery.host.endpoint.host}: {_outcome(discovery)}")
        if not self._is_drawn and self._pool.awaited:
            self._draw("")

    def note(self) -> None:
        """Show the same while tests run, whose own output a line that is rewritten would destroy."""
        if not self._line.is_shown:
            self.show()

    def begin_tests(self) -> None:
        """Remove the line that is rewritten, and name the hosts whose tests run later."""
        if self._is_drawn:
            self._line.draw("")
            self._is_drawn = False
        awaited = self._pool.awaited
        if awaited:
            self._write(f"judged later, when they have responded: {_names(awaited)}")

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Show which hosts end while the calling thread is busy and prints nothing itself."""
        if not self._is_shown or self._line.is_shown or not self._pool.awaited:
            yield
            return
        is_over = threading.Event()
        thread = threading.Thread(target=self._show_until, args=(is_over,), name="sslaudit-progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def _show_until(self, is_over: threading.Event) -> None:
        while not is_over.wait(INTERVAL_S):
            self.show()

    def _show(self, host: str) -> None:
        if self._line.is_shown:
            self._draw(f"; {host}")
        else:
            self._write(f"{host} ({self._counts()})")

    def _draw(self, host: str) -> None:
        """Draw the counts, which a narrow terminal shows too, and then the host that ended last."""
        if self._is_shown and self._line.is_shown:
            self._line.draw(f"{self._counts()}{host}")
            self._is_drawn = True

    def _counts(self) -> str:
        awaited = self._pool.awaited
        rest = f", awaited: {_names(awaited)}" if awaited else ""
        return f"{self._done} of {len(self._pool.hosts)} hosts{rest}"

    def _write(self, text: str) -> None:
        if self._is_shown and self._reporter:
            if self._reporter._tw.width_of_current_line:  # noqa: SLF001 - `ensure_newline` ends no line of outcomes
                self._reporter.write("\n")
            self._reporter.write_line(text)
            self._reporter.flush()


def _outcome(discovery: Discovery) -> str:
    """Return what the inspection of a host gave."""
    seen = discovery.host
    if seen.accident:
        return one_line(seen.accident.reason, _MOST_FAILURE)
    if seen.failures:
        return one_line(seen.failures[0].detail, _MOST_FAILURE)
    return f"{len(discovery.targets)} endpoint{'' if len(discovery.targets) == 1 else 's'}"


def _names(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    return f"{', '.join(labels[:_NAMED])}{more}"
