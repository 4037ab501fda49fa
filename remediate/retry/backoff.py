"""Computes when a case is tried again: backoff across runs with jitter, Retry-After of an issuer, polls of an order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from remediate.model.outcome import Attempt

WAITS: Final = tuple(timedelta(hours=hours) for hours in (2, 4, 8, 16, 24))
"""The waits after the first failure, the second and so on; the last one is the longest. Failed validations are limited
by the hour (Let's Encrypt: 5 for a name). Jitter only shortens a wait, so a case that fails every time is still due in
every nightly run."""
LONGEST_RETRY_AFTER: Final = timedelta(days=7)
"""A longer Retry-After counts as a fault of the issuer: after this time the order is placed again anyway."""
_POLL_S: Final = (5.0, 10.0, 20.0, 40.0, 60.0)


def failures(attempts: Iterable[Attempt]) -> int:
    """Return how often a case has failed since it was last repaired; the oldest attempt comes first."""
    count = 0
    for attempt in attempts:
        count = 0 if attempt.ended == "proven" else count + (attempt.ended == "failed")
    return count


def backoff(failed: int, chance: Callable[[], float]) -> timedelta:
    """Return how long a case waits after `failed` failures in a row; `chance` returns numbers from 0 up to 1.

    The time is that of WAITS, shortened at random, down to half, to spread the requests of a fleet.
    """
    if failed <= 0:
        return timedelta(0)
    return WAITS[min(failed, len(WAITS)) - 1] * (1 - chance() / 2)


def retry_after(retry_after_s: float | None) -> timedelta:
    """Return the time of a Retry-After, at least 0 and at most LONGEST_RETRY_AFTER."""
    return timedelta(seconds=min(max(retry_after_s or 0.0, 0.0), LONGEST_RETRY_AFTER.total_seconds()))


def next_try(
    earlier: Iterable[Attempt], attempt: Attempt, chance: Callable[[], float], retry_after_s: float | None = None
) -> Attempt:
    """Return an attempt with the time of the next one: only a failure causes backoff; Retry-After is always honored.

    `earlier` are the previous attempts of the same case.
    """
    wait = backoff(failures((*earlier, attempt)) if attempt.ended == "failed" else 0, chance)
    busy_until = attempt.at + retry_after(retry_after_s) if attempt.issuer and retry_after_s else None
    return replace(attempt, next_at=attempt.at + max(wait, retry_after(retry_after_s)), busy_until=busy_until)


def poll_delay_s(polls: int, retry_after_s: float | None = None) -> float:
    """Return the seconds until the next poll of an order: its Retry-After, else 5 s rising to 60 s."""
    if retry_after_s is not None:
        return retry_after(retry_after_s).total_seconds()
    return _POLL_S[min(polls, len(_POLL_S) - 1)]
