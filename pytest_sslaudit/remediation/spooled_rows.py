"""Keeps the rows of a run on disk until the repair and the notifications have read them.

A run has forty rows and more for each endpoint, and a row takes three kilobytes as a value.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from audit.json_codec import compact

_Row = Mapping[str, Any]


class SpooledRows:
    """Rows in a file without a name, which ends with the process; they are read in the order of writing."""

    def __init__(self, folder: Path) -> None:
        """Begin without rows, in this directory."""
        self._stream = tempfile.TemporaryFile("w+", encoding="utf-8", dir=folder)  # noqa: SIM115 - `close` closes it

    def append(self, row: _Row) -> None:
        """Add a row; its values are JSON values."""
        self._stream.write(f"{compact(row)}\n")

    def extend(self, rows: Iterable[_Row]) -> None:
        """Add rows."""
        for row in rows:
            self.append(row)

    def lines(self) -> Iterator[str]:
        """Yield each row as a line of JSON. No row is added while rows are read."""
        self._stream.seek(0)
        try:
            yield from iter(self._stream.readline, "")
        finally:
            self._stream.seek(0, os.SEEK_END)

    def __iter__(self) -> Iterator[_Row]:
        """Yield the rows one by one."""
        return map(json.loads, self.lines())

    def close(self) -> None:
        """Free the disk."""
        self._stream.close()
