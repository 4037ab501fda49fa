"""How many worker processes a run has: the value of `--audit-workers`, and how many its endpoints are worth."""

from __future__ import annotations

import os
from typing import Final, Literal

import pytest

from pytest_sslaudit.settings import Settings

AUTO: Final = "auto"
_FLAG: Final = "--audit-workers"
_WORTH: Final = 50
"""The endpoints that make up for one more process: to start workers costs as much CPU time as judging so many."""
_MOST: Final = 256
Choice = int | Literal["auto"] | None


def read_choice(config: pytest.Config, settings: Settings) -> Choice:
    """Return the number of processes that the user wants, `auto` or none; raises pytest.UsageError."""
    text = settings.workers
    if text is None:
        return None
    if getattr(config.option, "numprocesses", None) or hasattr(config, "workerinput"):
        raise pytest.UsageError(f"{_FLAG} with -n: each starts processes of its own; leave out one of them")
    if text == AUTO:
        return "auto"
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 < number <= _MOST:
        raise pytest.UsageError(f"{_FLAG} {text!r}: write auto, or a number of processes from 1 to {_MOST}")
    return number


def worker_count(choice: Choice, endpoints: int) -> int:
    """Return the number of processes for so many endpoints; 0 if the run audits them itself.

    `auto` is a process for each core that may be used, if every process has enough endpoints.
    """
    if choice is None or not endpoints:
        return 0
    if choice != "auto":
        return min(choice, endpoints)
    count = min(len(os.sched_getaffinity(0)), endpoints // _WORTH)
    return count if count > 1 else 0
