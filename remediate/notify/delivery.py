"""The letters that wait are handed over, and what became of each is recorded, so that none is lost and none sent twice.

It knows outcomes and patience; it refuses to know how a letter is handed over, and what is written in it.

The one moment at which nobody can tell whether a letter was taken is short: from the end of its content to the answer
(RFC 1047). It is recorded before, and a letter that was lost in it is not sent a second time: its state counts as not
told, and the next run writes a letter of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import SMTP
from functools import partial
from typing import Any, Final, Protocol

from audit.json_codec import format_time, parse_time
from remediate.notify.channels.base import Channel, Deferred, Delivered, Envelope, Outcome, Refused, Unknown

_FIRST_PAUSE: Final = timedelta(minutes=30)  # RFC 5321 4.5.4.1
_LONGEST_PAUSE: Final = timedelta(hours=4)  # so that every nightly run tries
_GIVE_UP: Final = timedelta(days=5)  # RFC 5321 4.5.4.1
_NOT_TRIED: Final = Deferred("there is no way to send mail")
"""The outcome until a post was tried."""


class Waiting(Protocol):
    """A letter that was kept: its number, the message, since when, and what we noted about it."""

    @property
    def number(self) -> int:
        """Its number."""

    @property
    def message(self) -> bytes:
        """The message."""

    @property
    def kept_at(self) -> datetime:
        """Since when it is kept."""

    @property
    def progress(self) -> str:
        """What was noted last; empty at first."""


class Outbox(Protocol):
    """Where letters are kept until they are handed over. Every change is durable when its method returns."""

    def waiting(self) -> Sequence[Waiting]:
        """Return the letters that are to be handed over, the oldest first."""

    def progressed(self, number: int, progress: str) -> None:
        """Note how far a letter has come."""

    def handed_over(self, number: int, at: datetime) -> None:
        """Record that a letter was taken."""

    def lost(self, number: int) -> None:
        """Forget a letter that nobody took: what it tells of counts as not told."""


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What became of one letter in one delivery; `next_at` is when those that were put off are tried again."""

    number: int
    outcomes: Mapping[str, Outcome]
    next_at: datetime | None = None

    def __str__(self) -> str:
        """Return it in a line, without what went well."""
        bad = [f"{who}: {type(what).__name__.lower()}: {what.reason}" for who, what in self._not_taken()]
        again = f"; tried again from {format_time(self.next_at)}" if self.next_at else ""
        return f"letter {self.number}: {'; '.join(bad) or 'handed over'}{again}"

    def _not_taken(self) -> Iterator[tuple[str, Deferred | Refused | Unknown]]:
        return ((who, what) for who, what in self.outcomes.items() if not isinstance(what, Delivered))


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far a letter has come: who is left, whether anyone has it, and whether a hand-over was never answered."""

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
class _Held:
    """A letter in our hands: its number and since when it is kept, who sends it to whom, and how far it has come."""

    number: int
    kept_at: datetime
    envelope: Envelope
    progress: _Progress


def deliver(outbox: Outbox, posts: Sequence[Channel], now: datetime) -> tuple[DeliveryReport, ...]:
    """Hand over what waits and is due, each letter by the first post that takes it; return what became of each.

    What was put off is tried by the next post, then again after 30 minutes, the pause doubling to 4 hours, for 5 days.
    No recipient is sent a letter twice.
    """
    fates = (_hand_over(outbox, posts, _read(letter), now) for letter in outbox.waiting())
    return tuple(fate for fate in fates if fate is not None)


def _hand_over(outbox: Outbox, posts: Sequence[Channel], held: _Held, now: datetime) -> DeliveryReport | None:
    progress = held.progress
    if progress.next_at and now < progress.next_at:
        return None
    if progress.committed:  # we ended between the commit and the record of what came of it
        outcomes: dict[str, Outcome] = dict.fromkeys(progress.left, Unknown("interrupted before the answer came"))
    else:
        outcomes = _send(outbox, posts, held)
    return _record(outbox, held, outcomes, now)


def _read(letter: Waiting) -> _Held:
    """Return a letter with the envelope that stands in the message's own header, and how far it has come."""
    header = message_from_bytes(letter.message, policy=SMTP)
    recipients = tuple(dict.fromkeys(address.addr_spec for address in header["To"].addresses))
    sender = header["From"].addresses[0].addr_spec
    row: dict[str, Any] = json.loads(letter.progress) if letter.progress else {"left": recipients}
    at = parse_time(row["next_at"]) if row.get("next_at") else None
    left = tuple(row["left"])
    noted = _Progress(left, row.get("tries", 0), at, row.get("committed", False), row.get("taken", False))
    return _Held(letter.number, letter.kept_at, Envelope(sender, left, letter.message), noted)


def _send(outbox: Outbox, posts: Sequence[Channel], held: _Held) -> dict[str, Outcome]:
    """Try one post after the other for those whose letter was put off."""
    progress, envelope = held.progress, held.envelope
    outcomes: dict[str, Outcome] = dict.fromkeys(envelope.recipients, _NOT_TRIED)
    for post in posts:
        left = _put_off(outcomes)
        if not left:
            break
        before = replace(progress, left=left, taken=progress.taken or _any_taken(outcomes))
        commit = partial(outbox.progressed, held.number, str(replace(before, committed=True)))
        said = post.send(replace(envelope, recipients=left), commit)
        outcomes |= {who: _both(outcomes[who], said[who]) for who in left}
        taken = progress.taken or _any_taken(outcomes)
        outbox.progressed(held.number, str(replace(before, left=_put_off(outcomes), taken=taken)))
    return outcomes


def _put_off(outcomes: Mapping[str, Outcome]) -> tuple[str, ...]:
    return tuple(who for who, what in outcomes.items() if isinstance(what, Deferred))


def _any_taken(outcomes: Mapping[str, Outcome]) -> bool:
    return any(isinstance(what, Delivered) for what in outcomes.values())


def _both(first: Outcome, second: Outcome) -> Outcome:
    """Return the later outcome; where both posts put it off, why each did."""
    if isinstance(first, Deferred) and isinstance(second, Deferred) and first is not _NOT_TRIED:
        return Deferred(f"{first.reason}; then {second.reason}")
    return second


def _record(outbox: Outbox, held: _Held, outcomes: Mapping[str, Outcome], now: datetime) -> DeliveryReport:
    """Record what became of a letter: handed over, put off, or lost."""
    if now - held.kept_at > _GIVE_UP:
        outcomes = {who: _given_up(what) for who, what in outcomes.items()}
    left = _put_off(outcomes)
    taken = held.progress.taken or _any_taken(outcomes)
    if left:
        tries = held.progress.tries + 1
        next_at = now + min(_FIRST_PAUSE * 2 ** min(tries - 1, 10), _LONGEST_PAUSE)
        outbox.progressed(held.number, str(_Progress(left, tries, next_at, taken=taken)))
        return DeliveryReport(held.number, outcomes, next_at)
    if taken:
        outbox.handed_over(held.number, now)
    else:
        outbox.lost(held.number)
    return DeliveryReport(held.number, outcomes)


def _given_up(outcome: Outcome) -> Outcome:
    return Refused(f"given up after 5 days: {outcome.reason}") if isinstance(outcome, Deferred) else outcome
