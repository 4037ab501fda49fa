"""What a command says to the person or the job that started it, and keeps in its log.

It knows streams; what is worth saying is known elsewhere.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TextIO


@dataclass
class Console:
    """Lines to a stream and to a log; details only to the log, unless they are asked for."""

    stream: TextIO
    log: TextIO
    is_verbose: bool
    _turn: Lock = field(default_factory=Lock)

    def say(self, line: str, *, is_detail: bool = False) -> None:
        """Write a line. A reader that has gone away, or a full disk, ends no repair."""
        with self._turn:
            write_line(self.log, line)
            if self.is_verbose or not is_detail:
                write_line(self.stream, line)


def write_line(stream: TextIO, line: str) -> None:
    """Write a line whatever has become of the stream; what its encoding does not have is written as an escape."""
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(f"{line.encode(encoding, 'backslashreplace').decode(encoding)}\n")
        stream.flush()
    except OSError:
        with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())  # else what is left in the buffer fails when Python ends
