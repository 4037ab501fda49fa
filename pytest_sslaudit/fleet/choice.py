"""Which workers a run has: the value of `--audit-workers`, and how many processes its endpoints are worth."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import pytest

from audit.config import BadConfiguration
from audit.evaluation.evaluate import CheckFunction
from audit.redaction import without_password
from audit.text import one_line
from pytest_sslaudit.fleet.cluster import FleetFault
from pytest_sslaudit.fleet.local_fleet import LocalFleet
from pytest_sslaudit.fleet.parallel import Fleet
from pytest_sslaudit.fleet.schedulers import DaskCluster, names_cluster, read_cluster
from pytest_sslaudit.settings import Settings

AUTO: Final = "auto"
_FLAG: Final = "--audit-workers"
_WORTH: Final = 50
"""The endpoints that make up for one more process: to start workers costs as much CPU time as judging so many."""
_MOST: Final = 256
Choice = int | Literal["auto"] | DaskCluster | None


def read_choice(config: pytest.Config, settings: Settings) -> Choice:
    """Return the number of processes or the cluster that the user wants, or neither; raises pytest.UsageError."""
    text = settings.workers
    if text is None:
        return None
    if getattr(config.option, "numprocesses", None) or hasattr(config, "workerinput"):
        raise pytest.UsageError(f"{_FLAG} with -n: each starts processes of its own; leave out one of them")
    if text == AUTO:
        return "auto"
    if names_cluster(text):
        return _cluster(text, settings)
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 < number <= _MOST:
        raise pytest.UsageError(
            f"{_FLAG} {text!r}: write auto, a number of processes from 1 to {_MOST}, dask, or tls://HOST:8786"
        )
    return number


def _cluster(text: str, settings: Settings) -> DaskCluster:
    """Return the cluster that the user names; raises pytest.UsageError."""
    if settings.from_evidence:
        raise pytest.UsageError(
            f"{_FLAG} {one_line(without_password(text))} with --audit-from-evidence: evidence is judged on the machine "
            "that has it; write auto, or a number of processes"
        )
    try:
        return read_cluster(text, settings.configuration, datetime.now(UTC))
    except BadConfiguration as error:
        raise pytest.UsageError(str(error)) from error


def start_fleet(choice: Choice, endpoints: int, added: Iterable[CheckFunction], folder: Path) -> Fleet | None:
    """Start the workers for so many endpoints, None if there are too few; raises pytest.UsageError.

    `added` are the checks of other distributions, `folder` is for files of the run.
    """
    if not isinstance(choice, DaskCluster):
        count = worker_count(choice, endpoints)
        return LocalFleet(count) if count else None
    if not endpoints:
        return None
    from pytest_sslaudit.fleet.dask_fleet import DaskFleet  # noqa: PLC0415 - Dask is optional

    try:
        return DaskFleet(choice, added, folder)
    except FleetFault as error:
        raise pytest.UsageError(str(error)) from error


def worker_count(choice: int | Literal["auto"] | None, endpoints: int) -> int:
    """Return the number of processes for so many endpoints; 0 if the run audits them itself.

    `auto` is a process for each core that may be used, if every process has enough endpoints.
    """
    if choice is None or not endpoints:
        return 0
    if choice != "auto":
        return min(choice, endpoints)
    count = min(_usable_cores(), endpoints // _WORTH)
    return count if count > 1 else 0


def _usable_cores() -> int:
    """Return the number of cores that this process may use; of all, on a system that has no affinity."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
