"""The challenges that were presented for orders: each is recorded first, so that it is removed also after a crash."""

from __future__ import annotations

from datetime import datetime

from audit.json_codec import format_time
from remediate.model.authorization import Challenge
from remediate.state.database import Database


class ChallengeStore:
    """The presented challenges in the journal."""

    def __init__(self, database: Database) -> None:
        """Store the database."""
        self._database = database

    def present(self, case_id: str, challenge: Challenge, at: datetime) -> None:
        """Record that a challenge is about to be presented; it may have been presented, or removed, before."""
        self._database.write(
            """INSERT INTO challenges (case_id, type, identifier, token, content, presented_at)
               VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (case_id, type, identifier, token, content)
               DO UPDATE SET presented_at = excluded.presented_at, removed_at = NULL""",
            case_id, challenge.type, challenge.identifier, challenge.token, challenge.content, format_time(at),
        )  # fmt: skip

    def remove(self, case_id: str, challenge: Challenge, at: datetime) -> None:
        """Record that a challenge was removed."""
        self._database.write(
            """UPDATE challenges SET removed_at = ?
               WHERE (case_id, type, identifier, token, content) = (?, ?, ?, ?, ?)""",
            format_time(at), case_id, challenge.type, challenge.identifier, challenge.token, challenge.content,
        )  # fmt: skip

    def presented(self, case_id: str) -> tuple[Challenge, ...]:
        """Return the challenges of a case that may still be there."""
        rows = self._database.read(
            """SELECT type, identifier, token, content FROM challenges
               WHERE case_id = ? AND removed_at IS NULL ORDER BY rowid""", case_id)  # fmt: skip
        return tuple(Challenge(*row) for row in rows)

    def left_over(self) -> tuple[tuple[str, Challenge], ...]:
        """Return the challenges that may still be there although their case has ended, each with its case."""
        rows = self._database.read(
            """SELECT case_id, type, identifier, token, content FROM challenges
               WHERE removed_at IS NULL AND EXISTS (
                   SELECT 1 FROM cases JOIN outcomes ON id = outcomes.case_id AND cases.round = outcomes.round
                   WHERE id = challenges.case_id)
               ORDER BY challenges.rowid"""
        )
        return tuple((case_id, Challenge(*row)) for case_id, *row in rows)
