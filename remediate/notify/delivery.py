"""Sends the queued messages of a channel, so that none is lost and no reader gets one twice.

From the end of a message's content until the response it is uncertain whether the other side accepted it (RFC 1047). A
channel whose readers cannot recognize a repeat records that time before it begins. If no response comes, the message is
not sent again: its state counts as not sent, and the next run composes a new notification.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import SMTP
from functools import partial
from typing import Any, Final

from audit.json_codec import format_time, parse_time
from remediate.notify.channels.base import Channel, Deferred, Delivered, DeliveryOutcome, Refused, Uncertain
from remediate.state.outbox import Outbox, QueuedMessage

_FIRST_PAUSE: Final = timedelta(minutes=30)  # RFC 5321 4.5.4.1
_MAX_PAUSE: Final = timedelta(hours=4)  # so that every nightly run tries
_MAX_RETRY_AFTER_S: Final = 86_400  # a nightly run tries again anyway
_GIVE_UP: Final = timedelta(days=5)  # RFC 5321 4.5.4.1


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """The outcomes of one message in one delivery; `next_at` is when deferred recipients are tried again."""

    number: int
    outcomes: Mapping[str, DeliveryOutcome]
    next_at: datetime | None = None

    def __str__(self) -> str:
        """Return it in a line, without the recipients that were delivered to."""
        failures = [
            f"{recipient}: {type(outcome).__name__.lower()}: {outcome.reason}" for recipient, outcome in self._failed()
        ]
        again = f"; next attempt after {format_time(self.next_at)}" if self.next_at else ""
        result = f": {'; '.join(failures)}" if failures else " sent"
        return f"notification {self.number}{result}{again}"

    def _failed(self) -> Iterator[tuple[str, Deferred | Refused | Uncertain]]:
        return (
            (recipient, outcome) for recipient, outcome in self.outcomes.items() if not isinstance(outcome, Delivered)
        )


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far a message has come: its remaining recipients, whether any accepted it, and whether a response is due."""

    left: tuple[str, ...]
    tries: int = 0
    next_at: datetime | None = None
    committed: bool = False
    taken: bool = False

    def __str__(self) -> str:
        at = format_time(self.next_at) if self.next_at else None
        row = {"left": self.left, "tries": self.tries, "next_at": at, "committed": self.committed, "taken": self.taken}
        return json.dumps(row)


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A message that is being sent, and how far it has come before."""

    queued: QueuedMessage
    progress: _Progress

    def is_due(self, now: datetime) -> bool:
        """Return whether the message is to be sent now."""
        return self.progress.next_at is None or now >= self.progress.next_at


def initial_progress(recipients: Iterable[str]) -> str:
    """Return the progress of a message that is queued now, as the outbox stores it."""
    return str(_Progress(tuple(recipients)))


def deliver(outbox: Outbox, key: str, channel: Channel, now: datetime) -> tuple[DeliveryReport, ...]:
    """Send every queued message of a channel that is due, and record its outcomes; return a report for each.

    `key` is that of the channel's section. Deferred recipients are tried again after 30 minutes, the pause doubling to
    4 hours, or longer if the server requests it, for 5 days.
    """
    deliveries = (_Delivery(queued, _progress(queued)) for queued in outbox.queued(key))
    return tuple(_deliver(outbox, channel, delivery, now) for delivery in deliveries if delivery.is_due(now))


def _progress(queued: QueuedMessage) -> _Progress:
    row: dict[str, Any] = json.loads(queued.progress) if queued.progress else {"left": _in_header(queued.message)}
    at = parse_time(row["next_at"]) if row.get("next_at") else None
    left = tuple(row["left"])
    return _Progress(left, row.get("tries", 0), at, row.get("committed", False), row.get("taken", False))


def _in_header(message: bytes) -> tuple[str, ...]:
    """Return the recipients in the header of an email: earlier versions queued it without them."""
    header = message_from_bytes(message, policy=SMTP)
    return tuple(dict.fromkeys(address.addr_spec for address in header["To"].addresses))


def _deliver(outbox: Outbox, channel: Channel, delivery: _Delivery, now: datetime) -> DeliveryReport:
    """Send one message, unless an earlier run was killed when it may have been accepted; record its outcomes."""
    queued, progress = delivery.queued, delivery.progress
    outcomes: Mapping[str, DeliveryOutcome]
    if progress.committed:
        outcomes = dict.fromkeys(progress.left, Uncertain("interrupted before the server's response"))
    else:
        commit = partial(outbox.record_progress, queued.number, str(replace(progress, committed=True)))
        outcomes = channel.send(queued.message, progress.left, commit)
    return _record(outbox, delivery, outcomes, now)


def _record(
    outbox: Outbox, delivery: _Delivery, outcomes: Mapping[str, DeliveryOutcome], now: datetime
) -> DeliveryReport:
    """Record the outcomes of a message: sent, deferred, or discarded because no recipient got it."""
    queued, progress = delivery.queued, delivery.progress
    if now - queued.queued_at > _GIVE_UP:
        outcomes = {recipient: _given_up(outcome) for recipient, outcome in outcomes.items()}
    deferred = {recipient: outcome for recipient, outcome in outcomes.items() if isinstance(outcome, Deferred)}
    taken = progress.taken or any(isinstance(outcome, Delivered) for outcome in outcomes.values())
    if deferred:
        tries = progress.tries + 1
        next_at = now + _pause(tries, deferred.values())
        outbox.record_progress(queued.number, str(_Progress(tuple(deferred), tries, next_at, taken=taken)))
        return DeliveryReport(queued.number, outcomes, next_at)
    if taken:
        outbox.record_sent(queued.number, now)
    else:
        outbox.discard(queued.number)
    return DeliveryReport(queued.number, outcomes)


def _pause(tries: int, deferred: Iterable[Deferred]) -> timedelta:
    """Return the time until the next attempt: it doubles with each, and Retry-After is honored up to a day."""
    retry_after_s = max(outcome.retry_after_s or 0 for outcome in deferred)
    pause: timedelta = min(_FIRST_PAUSE * 2 ** min(tries - 1, 10), _MAX_PAUSE)
    return max(pause, timedelta(seconds=min(retry_after_s, _MAX_RETRY_AFTER_S)))


def _given_up(outcome: DeliveryOutcome) -> DeliveryOutcome:
    return Refused(f"given up after 5 days: {outcome.reason}") if isinstance(outcome, Deferred) else outcome
