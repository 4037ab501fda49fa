"""The cases that wait without an attempt, in the journal: `status` lists them beside those that were begun."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from audit.json_codec import format_time, parse_time
from audit.redaction import Secrets
from remediate.model.case import Case
from remediate.state.database import Database
from remediate.state.orders import bounded

IN_PLAN: Final = "plan"
"""The step of a case that its plan does not repair."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A case that waits before a step, and why, in a line for a person; without `next_at` until the next run."""

    case: Case
    why: str
    step: str = IN_PLAN
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A case that waits, as the journal has it: since when, before which step, until when, and why."""

    case_id: str
    host: str
    repair: str
    since: datetime
    why: str
    step: str
    next_at: datetime | None


class WaitingStore:
    """The waiting cases in the journal."""

    def __init__(self, database: Database, secrets: Secrets) -> None:
        """Store the database, and the secrets that no reason may hold."""
        self._database = database
        self._secrets = secrets

    def replace(self, hosts: Iterable[str], waits: Iterable[Wait], at: datetime, kept: Collection[str] = ()) -> None:
        """Record which cases of these hosts wait now; a case that still waits keeps its beginning.

        The cases in `kept` are left as they are: the run has not come to them yet.
        """
        with self._database.transaction():
            since = {row.case_id: row.since for row in self.all()}
            for row in self.all():
                if row.host in set(hosts) and row.case_id not in kept:
                    self._remove(row.case_id)
            self._add(waits, since, at)

    def update(self, cases: Iterable[str], waits: Iterable[Wait], at: datetime) -> None:
        """Record which of the cases of a run wait, and remove the others."""
        with self._database.transaction():
            since = {row.case_id: row.since for row in self.all()}
            for case_id in cases:
                self._remove(case_id)
            self._add(waits, since, at)

    def _remove(self, case_id: str) -> None:
        self._database.write("DELETE FROM waiting WHERE case_id = ?", case_id)

    def _add(self, waits: Iterable[Wait], since: dict[str, datetime], at: datetime) -> None:
        for wait in waits:
            case = wait.case
            self._database.write(
                """INSERT OR REPLACE INTO waiting (case_id, host, repair, since, why, step, next_at)
                   VALUES (?, ?, ?, ?, ?, ?, ?)""",
                case.id, case.host, case.repair.value, format_time(since.get(case.id, at)),
                bounded(wait.why, self._secrets), wait.step, format_time(wait.next_at) if wait.next_at else None,
            )  # fmt: skip

    def all(self) -> tuple[Waiting, ...]:
        """Return the waiting cases, those that wait longest first."""
        rows = self._database.read(
            "SELECT case_id, host, repair, since, why, step, next_at FROM waiting ORDER BY since, case_id"
        )
        return tuple(
            Waiting(case_id, host, repair, parse_time(since), why, step, parse_time(next_at) if next_at else None)
            for case_id, host, repair, since, why, step, next_at in rows
        )
