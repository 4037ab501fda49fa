"""The notifications in the journal: messages that are queued until they are sent, and what recipients know.

Each channel has its own, under the key of its section in the configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from audit.json_codec import format_time, parse_time
from audit.redaction import Secrets
from remediate.pki.secret_scan import find_secret
from remediate.state.database import Database

MAIL: Final = "mail"
"""The key of the channel that sends emails."""


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message that was not sent yet."""

    number: int
    message: bytes = field(repr=False)
    queued_at: datetime
    progress: str = ""  # JSON of the delivery: its remaining recipients, and when they are tried again


class Outbox:
    """The notifications in the journal. Every change is durable when its method returns."""

    def __init__(self, database: Database, secrets: Secrets) -> None:
        """Store the database, and the secrets that no notification may hold."""
        self._database = database
        self._secrets = secrets

    def add(self, state: str, message: bytes | None, at: datetime, *, channel: str = MAIL, progress: str = "") -> int:
        """Queue a message, None if there is nothing to send, with the state that it reports; return its number.

        Raises ValueError if it holds a secret.
        """
        secret = find_secret(message or b"", self._secrets) or find_secret(state.encode(), self._secrets)
        if secret:
            raise ValueError(f"the notification is not stored in the journal, because it holds {secret}")
        return self._database.write(
            "INSERT INTO notifications (channel, state, message, queued_at, progress) VALUES (?, ?, ?, ?, ?)",
            channel,
            state,
            message,
            format_time(at),
            progress,
        )

    def queued(self, channel: str | None = None) -> tuple[QueuedMessage, ...]:
        """Return the messages of a channel, or of all, that were not sent yet, the oldest first."""
        rows = self._database.read(
            "SELECT id, message, queued_at, progress FROM notifications"
            " WHERE coalesce(?, channel) = channel AND message IS NOT NULL AND sent_at IS NULL ORDER BY id",
            channel,
        )
        return tuple(QueuedMessage(number, message, parse_time(at), progress) for number, message, at, progress in rows)

    def record_progress(self, number: int, progress: str) -> None:
        """Record how far the delivery of a message has come; `progress` holds no text of another party."""
        self._database.write("UPDATE notifications SET progress = ? WHERE id = ?", progress, number)

    def record_sent(self, number: int, at: datetime) -> None:
        """Record that a message was sent; its text is not needed any more."""
        self._database.write(
            "UPDATE notifications SET sent_at = ?, message = NULL WHERE id = ?", format_time(at), number
        )

    def discard(self, number: int) -> None:
        """Delete a notification: its state counts as not sent."""
        self._database.write("DELETE FROM notifications WHERE id = ?", number)

    def states(self, channel: str | None = None) -> tuple[str, ...]:
        """Return the states of all notifications of a channel, or of all, sent and queued, in their order."""
        rows = self._database.read(
            "SELECT state FROM notifications WHERE coalesce(?, channel) = channel ORDER BY id",
            channel,
        )
        return tuple(str(state) for (state,) in rows)

    def sent(self, channel: str | None = None) -> tuple[tuple[int, str], ...]:
        """Return the numbers and states of the sent notifications of a channel, or of all, in their order."""
        rows = self._database.read(
            "SELECT id, state FROM notifications"
            " WHERE coalesce(?, channel) = channel AND sent_at IS NOT NULL ORDER BY id",
            channel,
        )
        return tuple((int(number), str(state)) for number, state in rows)

    @contextmanager
    def record_batch(self, last_outcome: int) -> Iterator[None]:
        """Store notifications together with the number of the last outcome that they report, or nothing at all."""
        with self._database.transaction():
            yield
            self._database.write("INSERT OR REPLACE INTO notified (id, up_to_outcome) VALUES (1, ?)", last_outcome)

    def notified_through(self) -> int:
        """Return the number of the last outcome that was reported; 0 if none was."""
        rows = self._database.read("SELECT up_to_outcome FROM notified")
        return next((int(number) for (number,) in rows), 0)
