"""Splits the configuration files that a host printed, each after a line with its path, and resolves their includes.

The module of a service reads their syntax.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

_FILE = re.compile(r"^# configuration file (?P<path>.+):$", re.MULTILINE)  # as `nginx -T` writes it
_UNREADABLE = re.compile(r"^# cannot read (?P<path>.+)$", re.MULTILINE)
INCLUDE_DEPTH: Final = 16  # so a file that includes itself is read to this depth


def split_files(text: str) -> dict[str, str]:
    """Return the files of a dump by path, in the order they were printed: the main file is the first."""
    parts = _FILE.split(text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def unreadable(text: str) -> tuple[str, ...]:
    """Return a message for each configuration file that the login may not read."""
    return tuple(f"may not read {path}" for path in _UNREADABLE.findall(text))


def included(files: Mapping[str, str], base: str, pattern: str) -> list[str]:
    """Return the dumped files that an include pattern matches, sorted like a glob; `base` is for a relative pattern.

    A pattern that ends in a folder matches all files below it (apache's Include).
    """
    full_pattern = absolute(base, pattern)
    return sorted(
        path
        for path in files
        if path == full_pattern
        or PurePosixPath(path).match(full_pattern)
        or (full_pattern != "/" and path.startswith(f"{full_pattern}/"))
    )


def to_port(text: str) -> int | None:
    """Return a port number, or None if the text is not a number: a daemon checks it only when it starts."""
    return int(text) if re.fullmatch(r"[0-9]{1,5}", text) else None


def absolute(base: str, path: str) -> str:
    """Return an absolute path as it is and a relative path below `base`, without `.` and double slashes."""
    return str(PurePosixPath(base or "/") / path)
