"""Sends queued messages over the channel, so that none is lost and none is sent twice.

From the end of a message's content until the server's response it is uncertain whether the server accepted it
(RFC 1047). That moment is recorded before it begins. If no response comes, the message is not sent again: its state
counts as not sent, and the next run composes a new notification.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import SMTP
from functools import partial
from typing import Any, Final

from audit.json_codec import format_time, parse_time
from remediate.notify.channels.base import (
    Channel,
    Deferred,
    Delivered,
    DeliveryOutcome,
    Envelope,
    Refused,
    Uncertain,
)
from remediate.state.outbox import Outbox, QueuedMessage

_FIRST_PAUSE: Final = timedelta(minutes=30)  # RFC 5321 4.5.4.1
_MAX_PAUSE: Final = timedelta(hours=4)  # so that every nightly run tries
_GIVE_UP: Final = timedelta(days=5)  # RFC 5321 4.5.4.1


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """The outcomes of one message in one delivery; `next_at` is when deferred recipients are tried again."""

    number: int
    outcomes: Mapping[str, DeliveryOutcome]
    next_at: datetime | None = None

    def __str__(self) -> str:
        """Return it in a line, without the recipients that were delivered to."""
        failures = [f"{recipient}: {type(what).__name__.lower()}: {what.reason}" for recipient, what in self._failed()]
        again = f"; next attempt after {format_time(self.next_at)}" if self.next_at else ""
        result = f": {'; '.join(failures)}" if failures else " sent"
        return f"notification {self.number}{result}{again}"

    def _failed(self) -> Iterator[tuple[str, Deferred | Refused | Uncertain]]:
        return ((who, outcome) for who, outcome in self.outcomes.items() if not isinstance(outcome, Delivered))


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
    """A message that is being sent: its number and age, its envelope, and how far it has come."""

    number: int
    queued_at: datetime
    envelope: Envelope
    progress: _Progress


def deliver(outbox: Outbox, channel: Channel, now: datetime) -> tuple[DeliveryReport, ...]:
    """Send every queued message that is due, and record its outcomes; return a report for each.

    Deferred recipients are tried again after 30 minutes, the pause doubling to 4 hours, for 5 days.
    """
    deliveries = map(_begun, outbox.queued())
    return tuple(_deliver(outbox, channel, delivery, now) for delivery in deliveries if _is_due(delivery, now))


def _begun(queued: QueuedMessage) -> _Delivery:
    """Return a message with the envelope in its own header, and how far it has come."""
    header = message_from_bytes(queued.message, policy=SMTP)
    recipients = tuple(dict.fromkeys(address.addr_spec for address in header["To"].addresses))
    sender = header["From"].addresses[0].addr_spec
    row: dict[str, Any] = json.loads(queued.progress) if queued.progress else {"left": recipients}
    at = parse_time(row["next_at"]) if row.get("next_at") else None
    left = tuple(row["left"])
    progress = _Progress(left, row.get("tries", 0), at, row.get("committed", False), row.get("taken", False))
    return _Delivery(queued.number, queued.queued_at, Envelope(sender, left, queued.message), progress)


def _is_due(delivery: _Delivery, now: datetime) -> bool:
    return delivery.progress.next_at is None or now >= delivery.progress.next_at


def _deliver(outbox: Outbox, channel: Channel, delivery: _Delivery, now: datetime) -> DeliveryReport:
    """Send one message, unless an earlier run was killed when it may have been accepted; record its outcomes."""
    progress, envelope = delivery.progress, delivery.envelope
    outcomes: Mapping[str, DeliveryOutcome]
    if progress.committed:
        outcomes = dict.fromkeys(progress.left, Uncertain("interrupted before the server's response"))
    else:
        commit = partial(outbox.record_progress, delivery.number, str(replace(progress, committed=True)))
        outcomes = channel.send(envelope, commit)
    return _record(outbox, delivery, outcomes, now)


def _record(
    outbox: Outbox, delivery: _Delivery, outcomes: Mapping[str, DeliveryOutcome], now: datetime
) -> DeliveryReport:
    """Record the outcomes of a message: sent, deferred, or discarded because no recipient got it."""
    if now - delivery.queued_at > _GIVE_UP:
        outcomes = {recipient: _given_up(outcome) for recipient, outcome in outcomes.items()}
    deferred = tuple(recipient for recipient, outcome in outcomes.items() if isinstance(outcome, Deferred))
    taken = delivery.progress.taken or any(isinstance(outcome, Delivered) for outcome in outcomes.values())
    if deferred:
        tries = delivery.progress.tries + 1
        next_at = now + min(_FIRST_PAUSE * 2 ** min(tries - 1, 10), _MAX_PAUSE)
        outbox.record_progress(delivery.number, str(_Progress(deferred, tries, next_at, taken=taken)))
        return DeliveryReport(delivery.number, outcomes, next_at)
    if taken:
        outbox.record_sent(delivery.number, now)
    else:
        outbox.discard(delivery.number)
    return DeliveryReport(delivery.number, outcomes)


def _given_up(outcome: DeliveryOutcome) -> DeliveryOutcome:
    return Refused(f"given up after 5 days: {outcome.reason}") if isinstance(outcome, Deferred) else outcome
