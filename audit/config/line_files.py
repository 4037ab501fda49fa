"""Writes and reads files of lines of text: plain, or one gzip stream (RFC 1952) if the name ends in `.gz`.

UnreadableLines
"""

from __future__ import annotations

import gzip
import os
import shlex
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from audit.config.private_files import open_anew

PIECE: Final = 64 * 1024
"""Characters of text between two flushes of a gzip stream. The flushes make a results file about 3 % larger."""
PAUSE_S: Final = 1.0
"""A line that is written so long after the last flush is flushed at once."""
LINE_LIMIT: Final = 64 * 1024 * 1024
TEXT_LIMIT: Final = 4 * 1024 * 1024 * 1024
"""Bytes of text that are read from a compressed file of unknown origin: 4 kB of gzip can be 4 MB of text."""
_GZIP: Final = b"\x1f\x8b"  # RFC 1952 2.3.1
_GZIP_FORMAT: Final = 16 + zlib.MAX_WBITS
_ReadLine = Callable[[int], bytes]


class UnreadableLines(ValueError):
    """A file that is damaged or too long; the message names the file, its fault and the fix."""


class LineWriter(Protocol):
    """Writes lines to a file."""

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""

    def write(self, text: str, /) -> object:
        """Write whole lines; raises OSError."""

    def flush(self) -> None:
        """Write what has gathered; raises OSError."""

    def close(self) -> None:
        """Write what is left, and close the file; raises OSError."""


class GzipLines:
    """Writes lines as one gzip stream, whose header has no name and no time.

    The file grows by whole lines: when 64 KiB of text have gathered, and with each line that is written 1 s or more
    after the last flush. So a process that is killed loses less than 64 KiB of text, and what it leaves can be read.
    """

    def __init__(self, stream: BinaryIO, clock: Callable[[], float] = time.monotonic) -> None:
        """Write to a stream; `clock` returns seconds."""
        self._stream, self._clock = stream, clock
        self._compressor = zlib.compressobj(wbits=_GZIP_FORMAT)
        self._compressed = bytearray()
        self._gathered = 0
        self._flushed_at = float("-inf")  # the first line is flushed at once

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._stream.closed

    def write(self, text: str) -> None:
        """Write whole lines; raises OSError."""
        self._compressed += self._compressor.compress(text.encode())
        self._gathered += len(text)
        if self._gathered >= PIECE or self._clock() - self._flushed_at >= PAUSE_S:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered; raises OSError."""
        self._write(zlib.Z_SYNC_FLUSH)

    def close(self) -> None:
        """End the gzip stream, and close the file; raises OSError."""
        if self.closed:
            return
        with self._stream:
            self._write(zlib.Z_FINISH)

    def _write(self, mode: int) -> None:
        self._compressed += self._compressor.flush(mode)
        self._stream.write(self._compressed)
        self._stream.flush()
        self._compressed.clear()
        self._gathered, self._flushed_at = 0, self._clock()


def open_lines(file: Path) -> LineWriter:
    """Create a file of lines, or empty the existing one; raises UnsafePath, OSError.

    A plain file is written line by line.
    """
    descriptor = open_anew(file)
    if file.suffix == ".gz":
        return GzipLines(os.fdopen(descriptor, "wb"))
    return os.fdopen(descriptor, "w", encoding="utf-8", buffering=1)


def read_lines(file: Path, limit: int | None = TEXT_LIMIT) -> Iterator[str]:
    """Yield the lines of a file, compressed or not; raises UnreadableLines, OSError.

    `limit` is the number of bytes that are read from a compressed file; None: a file that this process has written.
    """
    with file.open("rb") as opened:
        is_gzip = file.suffix == ".gz" or opened.peek(2)[:2] == _GZIP
        if not is_gzip:
            yield from _texts(file, opened.readline, None)
            return
        with gzip.GzipFile(fileobj=opened) as unpacked:
            yield from _texts(file, unpacked.readline, limit)


def _texts(file: Path, read: _ReadLine, limit: int | None) -> Iterator[str]:
    number = length = 0
    while line := _line(file, read):
        number, length = number + 1, length + len(line)
        if len(line) > LINE_LIMIT:
            raise UnreadableLines(
                f"{file}: line {number} has more than {LINE_LIMIT} bytes. Give the file that an audit wrote."
            )
        if limit is not None and length > limit:
            raise UnreadableLines(
                f"{file} has more than {limit} bytes when it is decompressed. If you know where it comes from, "
                f"decompress it and use that file: {_decompress(file)}"
            )
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise UnreadableLines(f"{file}: line {number} is not UTF-8. Give the file that an audit wrote.") from error


def _line(file: Path, read: _ReadLine) -> bytes:
    try:
        return read(LINE_LIMIT + 1)
    except EOFError as error:
        raise UnreadableLines(
            f"{file} ends within its gzip stream: the run that wrote it was killed, or it was not copied completely. "
            f"Copy it again, or use the lines that are left: {_decompress(file)}"
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableLines(
            f"{file} is not a valid gzip file ({error}). Copy it again, or run the audit again."
        ) from error


def _decompress(file: Path) -> str:
    return f"gzip -dc {shlex.quote(str(file))} > results.jsonl"
