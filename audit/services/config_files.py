"""Splits the configuration files that a host printed, each under a line with its name, and follows their includes.

The module of a service reads their syntax.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

_FILE = re.compile(r"^# configuration file (?P<path>.+):$", re.MULTILINE)  # as `nginx -T` writes it
_UNREADABLE = re.compile(r"^# cannot read (?P<path>.+)$", re.MULTILINE)
INCLUDE_DEPTH: Final = 16  # a file that includes itself ends here


def split_files(text: str) -> dict[str, str]:
    """Return the files of a dump by path, in the order they were printed: the main file is the first."""
    parts = _FILE.split(text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def unreadable(text: str) -> tuple[str, ...]:
    """Return a clause for each configuration file that the login may not read."""
    return tuple(f"may not read {path}" for path in _UNREADABLE.findall(text))


def included(files: Mapping[str, str], base: str, pattern: str) -> list[str]:
    """Return the dumped files that an include of that pattern means, sorted as a glob is; `base` is for a relative one.

    A pattern that ends in a folder means all files below it (apache's Include).
    """
    whole = absolute(base, pattern)
    return sorted(
        path
        for path in files
        if path == whole or PurePosixPath(path).match(whole) or (whole != "/" and path.startswith(f"{whole}/"))
    )


def to_port(text: str) -> int | None:
    """Return a port number; None for what is none, as a daemon takes any text for one until it starts."""
    return int(text) if re.fullmatch(r"[0-9]{1,5}", text) else None


def absolute(base: str, path: str) -> str:
    """Return a path as it stands where it is absolute, else below `base`; without `.` and doubled slashes."""
    return str(PurePosixPath(base or "/") / path)
