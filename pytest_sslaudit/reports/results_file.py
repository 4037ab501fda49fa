"""Writes the results file, a line when its result is reported: a run that is killed leaves the lines of before."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from audit.config.line_files import LineWriter, open_lines
from audit.evaluation.result import Result, to_row
from audit.json_codec import compact
from pytest_sslaudit.reports.carried_results import known_of, row_of, text_of


class ResultsFile:
    """The file; opened before anything is observed, and closed with a summary line."""

    def __init__(self, file: Path) -> None:
        """Create the file; `failure` is later the reason why it is incomplete. Raises pytest.UsageError."""
        self.file, self.failure = file, ""
        try:
            self._stream: LineWriter = open_lines(file)
        except OSError as error:
            raise pytest.UsageError(f"--audit-results {file}: {error.strerror}") from error

    def write(self, kind: str, **values: object) -> None:
        """Write one line."""
        self._write(compact({"kind": kind, **values}))

    def write_json(self, kind: str, row: str) -> None:
        """Write one line from the JSON object that another process has made."""
        self._write(f'{{"kind":"{kind}",{row[1:]}')

    def result(self, report: pytest.TestReport) -> None:
        """Write the result that a report carries: a text of another process is JSON already."""
        row = row_of(report)
        if row:
            self.write("result", **row)
        elif text := text_of(report):
            self._write(f'{{"kind":"result",{text[1:-1]},{compact(known_of(report))[1:]}')

    def flush(self) -> None:
        """Write what has gathered, so that `failure` is known before the run has an exit status."""
        self._do(self._stream.flush)

    def row(self, result: Result) -> None:
        """Write a result."""
        self.write("result", **to_row(result))

    def _write(self, line: str) -> None:
        self._do(partial(self._stream.write, line + "\n"))

    def _do(self, effect: Callable[[], object]) -> None:
        if self._stream.closed:
            return
        try:
            effect()
        except OSError as error:
            self.failure = f"the results are incomplete: {self.file}: {error.strerror}"
            with suppress(OSError):  # the rest of the buffer cannot be written either
                self._stream.close()

    def abandon(self) -> None:
        """Close the file of a run that did not finish, which has no summary line; a closed file stays as it is."""
        with suppress(OSError):
            self._stream.close()

    def close(self, **summary: object) -> None:
        """Write the summary line and close."""
        self.write("summary", **summary)
        self.abandon()
