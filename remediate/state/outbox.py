"""Letters that wait to be handed over, and what the administrator was last told.

It knows no mail: a letter is bytes and the digest of the state that it tells of.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from audit.json_codec import format_time, parse_time
from audit.redaction import Secrets
from remediate.pki.secret_scan import find_secret
from remediate.state.database import Database


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A letter that has not been handed over yet."""

    number: int
    message: bytes = field(repr=False)
    kept_at: datetime
    progress: str = ""  # what the delivery noted: who still has to get it, and when it is tried again


class Outbox:
    """The letters in the journal."""

    def __init__(self, database: Database, secrets: Secrets) -> None:
        """Keep the database, and the secrets that no letter may hold."""
        self._database = database
        self._secrets = secrets

    def keep(self, state: str, message: bytes | None, at: datetime) -> int:
        """Keep a letter until it is handed over; None where there was nothing to write about. Return its number.

        Raises ValueError where it holds a secret.
        """
        found = find_secret(message or b"", self._secrets) or find_secret(state.encode(), self._secrets)
        if found:
            raise ValueError(f"a letter is not kept in the journal: it holds {found}")
        return self._database.write(
            "INSERT INTO letters (state, message, kept_at) VALUES (?, ?, ?)", state, message, format_time(at)
        )

    def waiting(self) -> tuple[QueuedMessage, ...]:
        """Return the letters that are to be handed over, the oldest first."""
        rows = self._database.read(
            "SELECT id, message, kept_at, progress FROM letters"
            " WHERE message IS NOT NULL AND handed_over_at IS NULL ORDER BY id"
        )
        return tuple(QueuedMessage(number, message, parse_time(at), progress) for number, message, at, progress in rows)

    def progressed(self, number: int, progress: str) -> None:
        """Note how far the delivery of a letter has come: who is left and when, no text of another party."""
        self._database.write("UPDATE letters SET progress = ? WHERE id = ?", progress, number)

    def handed_over(self, number: int, at: datetime) -> None:
        """Record that a letter was handed over; its text is not needed any more."""
        self._database.write(
            "UPDATE letters SET handed_over_at = ?, message = NULL WHERE id = ?", format_time(at), number
        )

    def lost(self, number: int) -> None:
        """Forget a letter: what it tells of counts as not told."""
        self._database.write("DELETE FROM letters WHERE id = ?", number)

    def told(self) -> str | None:
        """Return the state that was told last, or is about to be; None where nothing ever was."""
        return next(reversed(self.states()), None)

    def states(self) -> tuple[str, ...]:
        """Return the states of all letters that were told, or are about to be, in their order."""
        rows = self._database.read("SELECT state FROM letters ORDER BY id")
        return tuple(str(state) for (state,) in rows)

    def taken(self) -> tuple[tuple[int, str], ...]:
        """Return the numbers and states of the letters that were handed over, in their order."""
        rows = self._database.read("SELECT id, state FROM letters WHERE handed_over_at IS NOT NULL ORDER BY id")
        return tuple((int(number), str(state)) for number, state in rows)

    @contextmanager
    def telling(self, repairs: int) -> Iterator[None]:
        """Keep letters together with the number of the last repair that is told of with them, or none of it."""
        with self._database.transaction():
            yield
            self._database.write("INSERT OR REPLACE INTO notified (id, up_to_outcome) VALUES (1, ?)", repairs)

    def told_up_to(self) -> int:
        """Return the number of the last repair that was told of; 0 where none was."""
        rows = self._database.read("SELECT up_to_outcome FROM notified")
        return next((int(number) for (number,) in rows), 0)
