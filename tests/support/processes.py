"""Processes that another one has started, read from /proc."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


def descendants(pid: int, word: str) -> list[int]:
    """Return the running processes below one, with a word in their command line, parents first."""
    found = list[int]()
    for child in _children(pid):
        if word in _command(child):
            found.append(child)
        found += descendants(child, word)
    return found


def wait_until_ended(pids: Sequence[int], word: str) -> None:
    """Wait until none of these processes runs; raises AssertionError after a minute."""
    end = time.monotonic() + 60
    while any(word in _command(pid) for pid in pids):
        assert time.monotonic() < end, f"they still run: {pids}"
        time.sleep(0.02)


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        files = Path(f"/proc/{pid}/task").glob("*/children")
        return [int(child) for file in files for child in file.read_text().split()]
    return []


def _command(pid: int) -> str:
    """Return the command line; it is empty for one that has ended and was not waited for."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""
