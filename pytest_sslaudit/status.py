"""The exit status of an audit: the one thing that must never be wrong."""

from __future__ import annotations

from dataclasses import dataclass

from pytest import ExitCode  # noqa: PT013 - the name is the point

from pytest_sslaudit.tally import Tally

BUG = 3


@dataclass(frozen=True, slots=True)
class Ended:
    """How the session ended: by a person or signal, and whether something could not be collected."""

    interrupted: bool
    broken_collection: bool


def exit_status(pytest_status: int, ended: Ended, tally: Tally) -> int:
    """Return the status of the interface: 0 well, 1 failed, 2 interrupted, 3 our bug, 4 usage, 5 nothing to audit."""
    if pytest_status == ExitCode.NO_TESTS_COLLECTED and tally.gaps:
        return ExitCode.TESTS_FAILED
    if pytest_status in (ExitCode.USAGE_ERROR, ExitCode.NO_TESTS_COLLECTED):
        return pytest_status
    if ended.interrupted:
        return ExitCode.INTERRUPTED
    if tally.has_bug or ended.broken_collection or pytest_status == ExitCode.INTERNAL_ERROR:
        return BUG
    is_empty = bool(tally.verdicts) and not tally.told_something
    if pytest_status == ExitCode.OK and (tally.failed_repairs or tally.gaps or is_empty):
        return ExitCode.TESTS_FAILED
    return pytest_status
