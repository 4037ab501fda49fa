"""Tests of the backoff: when a case is tried again."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from remediate.model.outcome import Attempt, EndedAs
from remediate.retry.backoff import LONGEST_RETRY_AFTER, backoff, failures, next_try, poll_delay_s
from tests.support.remediate.result_rows import NOW

FIRST = timedelta(hours=2)
LONGEST = timedelta(hours=24)


def tried(*endings: EndedAs) -> tuple[Attempt, ...]:
    return tuple(Attempt(NOW, ended) for ended in endings)


def never() -> float:
    return 0.0


def test_only_failures_since_the_last_repair_count() -> None:
    assert failures(tried("failed", "failed", "proven", "failed", "interrupted", "pending", "failed")) == 2


def test_each_failure_doubles_the_wait_up_to_the_longest() -> None:
    timeouts = [backoff(count, never) for count in range(6)]
    assert timeouts == [timedelta(0), FIRST, FIRST * 2, FIRST * 4, FIRST * 8, LONGEST]
    assert backoff(10**6, never) == LONGEST


@pytest.mark.parametrize("seed", range(20))
def test_jitter_shortens_the_wait_by_at_most_half(seed: int) -> None:
    chance = Random(seed).random  # noqa: S311 - a seed to repeat it with
    assert FIRST / 2 <= backoff(1, chance) <= FIRST
    assert backoff(50, chance) <= timedelta(hours=24)  # due in every nightly run


@pytest.mark.parametrize("ended", ["interrupted", "pending", "proven"])
def test_only_a_failure_causes_backoff(ended: EndedAs) -> None:
    assert next_try(tried("failed", "failed"), Attempt(NOW, ended), never).next_at == NOW


def test_failure_waits_for_its_backoff() -> None:
    assert next_try(tried("failed"), Attempt(NOW, "failed"), never).next_at == NOW + FIRST * 2


def test_retry_after_is_honored_however_the_attempt_ended() -> None:
    for ended in ("pending", "interrupted", "failed"):
        attempt = next_try((), Attempt(NOW, ended, issuer="store"), never, retry_after_s=5 * 3600)
        assert attempt.next_at == attempt.busy_until == NOW + timedelta(hours=5)


def test_shorter_retry_after_does_not_shorten_the_backoff() -> None:
    attempt = next_try((), Attempt(NOW, "failed", issuer="store"), never, retry_after_s=60)
    assert (attempt.next_at, attempt.busy_until) == (NOW + FIRST, NOW + timedelta(minutes=1))


@pytest.mark.parametrize(("asked_s", "waited"), [(1e300, LONGEST_RETRY_AFTER), (-5.0, timedelta(0))])
def test_absurd_retry_after_is_bounded(asked_s: float, waited: timedelta) -> None:
    assert next_try((), Attempt(NOW, "pending"), never, asked_s).next_at == NOW + waited


def test_order_is_polled_by_retry_after_or_ever_more_rarely() -> None:
    assert [poll_delay_s(polls) for polls in range(7)] == [5, 10, 20, 40, 60, 60, 60]
    assert poll_delay_s(0, 17) == 17


def test_jitter_is_up_to_half_of_the_wait() -> None:
    assert backoff(1, lambda: 0.5) == timedelta(hours=1.5)
    assert backoff(2, lambda: 1.0) == timedelta(hours=2)
    assert backoff(-1, never) == timedelta(0)


def test_pause_of_the_issuer_is_kept_only_if_it_sent_one() -> None:
    assert next_try((), Attempt(NOW, "pending"), never, retry_after_s=60).busy_until is None
    assert next_try((), Attempt(NOW, "pending", issuer="store"), never).busy_until is None


def test_pause_of_up_to_seven_days_between_polls_is_kept() -> None:
    assert poll_delay_s(3, 0.0) == 0
    assert poll_delay_s(0, 7 * 86_400 - 1) == 7 * 86_400 - 1
    assert poll_delay_s(0, 7 * 86_400 + 1) == 7 * 86_400
