"""The cases that wait before any attempt, in the journal: `status` lists them beside those that were begun."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from audit.json_codec import format_time, parse_time
from audit.redaction import Secrets
from remediate.model.case import Case
from remediate.state.database import Database
from remediate.state.orders import bounded


@dataclass(frozen=True, slots=True)
class Waiting:
    """A case that waits: since when, and why, in a line for a person."""

    case_id: str
    host: str
    repair: str
    since: datetime
    why: str


class WaitingStore:
    """The waiting cases in the journal."""

    def __init__(self, database: Database, secrets: Secrets) -> None:
        """Store the database, and the secrets that no reason may hold."""
        self._database = database
        self._secrets = secrets

    def replace(self, hosts: Iterable[str], waiting: Iterable[tuple[Case, str]], at: datetime) -> None:
        """Record which cases of these hosts wait now, and why; a case that still waits keeps its beginning."""
        with self._database.transaction():
            since = {row.case_id: row.since for row in self.all()}
            for host in hosts:
                self._database.write("DELETE FROM waiting WHERE host = ?", host)
            for case, why in waiting:
                self._database.write(
                    "INSERT OR REPLACE INTO waiting (case_id, host, repair, since, why) VALUES (?, ?, ?, ?, ?)",
                    case.id, case.host, case.repair.value, format_time(since.get(case.id, at)),
                    bounded(why, self._secrets),
                )  # fmt: skip

    def all(self) -> tuple[Waiting, ...]:
        """Return the waiting cases, those that wait longest first."""
        rows = self._database.read("SELECT case_id, host, repair, since, why FROM waiting ORDER BY since, case_id")
        return tuple(
            Waiting(case_id, host, repair, parse_time(since), why) for case_id, host, repair, since, why in rows
        )
