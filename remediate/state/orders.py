"""The orders and the tries of cases: what keeps a second order from being placed, and a case from being tried too soon.

It knows what was asked of an issuer; when to try again is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from audit.json_codec import format_time, parse_time
from audit.redaction import Secrets
from remediate.model.causes import recorded_cause
from remediate.model.outcome import Attempt
from remediate.pki.secret_scan import find_secret
from remediate.state.database import Database

_LONGEST_NOTE: Final = 4000  # characters


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """An order of a case: known by our CSR from before it is placed, by the issuer's id from when it answered.

    `at` is when it was first kept, whatever the status is now.
    """

    case_id: str
    attempt: int
    issuer: str
    csr_sha256: str
    status: str  # "intended", then the issuer's own
    at: datetime
    order_id: str | None = None


class OrderStore:
    """The orders and tries in the journal."""

    def __init__(self, database: Database, secrets: Secrets) -> None:
        """Keep the database, and the secrets that no note may hold."""
        self._database = database
        self._secrets = secrets

    def keep_order(self, order: PlacedOrder) -> None:
        """Keep what is known of an order, before it is placed and at every answer.

        Raises ValueError for a CSR of another order, or another CSR for this one: no CSR is used for two.
        """
        with self._database.transaction():
            key = (order.case_id, order.attempt, order.issuer, order.csr_sha256)
            kept = self._database.read(
                """SELECT case_id, attempt, issuer, csr_sha256 FROM orders
                   WHERE (case_id = ? AND attempt = ?) OR (issuer = ? AND csr_sha256 = ?)""", *key)  # fmt: skip
            if any(row != key for row in kept):
                raise ValueError(f"attempt {order.attempt} of {order.case_id} has another CSR, or the CSR "
                                 f"{order.csr_sha256[:16]}… another order: {kept}")  # fmt: skip
            self._database.write(
                """INSERT INTO orders (case_id, attempt, issuer, csr_sha256, order_id, status, at)
                   VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (case_id, attempt) DO UPDATE SET
                   order_id = coalesce(excluded.order_id, order_id), status = excluded.status""",
                order.case_id, order.attempt, order.issuer, order.csr_sha256, order.order_id, order.status,
                format_time(order.at),
            )  # fmt: skip

    def orders(self, case_id: str) -> tuple[PlacedOrder, ...]:
        """Return the orders of a case, the last one last."""
        rows = self._database.read(
            """SELECT case_id, attempt, issuer, csr_sha256, status, at, order_id FROM orders
               WHERE case_id = ? ORDER BY attempt""", case_id)  # fmt: skip
        return tuple(
            PlacedOrder(owner, attempt, issuer, csr, status, parse_time(at), order_id)
            for owner, attempt, issuer, csr, status, at, order_id in rows
        )

    def unused_orders(self, case_id: str) -> tuple[PlacedOrder, ...]:
        """Return the orders of a case that nothing has come of: those since it was last repaired, the last one last.

        A case may be found again long after: what was ordered then says nothing about what is ordered now.
        """
        rows = self._database.read(
            "SELECT at FROM outcomes WHERE case_id = ? AND outcome IN ('repaired', 'rolled-back')", case_id
        )
        ended = max((parse_time(at) for (at,) in rows), default=None)
        return tuple(order for order in self.orders(case_id) if ended is None or order.at > ended)

    def keep_attempt(self, case_id: str, attempt: Attempt) -> None:
        """Keep how a try of a case ended, and when the next may be."""
        self._database.write(
            """INSERT INTO attempts (case_id, at, ended, next_at, step, cause, note, issuer, busy_until)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            case_id, format_time(attempt.at), attempt.ended, _time(attempt.next_at), attempt.step, attempt.cause,
            bounded(attempt.note, self._secrets), attempt.issuer, _time(attempt.busy_until),
        )  # fmt: skip

    def attempts(self, case_id: str) -> tuple[Attempt, ...]:
        """Return the tries of a case in their order."""
        rows = self._database.read(
            """SELECT at, ended, next_at, step, cause, note, issuer, busy_until FROM attempts
               WHERE case_id = ? ORDER BY seq""", case_id)  # fmt: skip
        return tuple(
            Attempt(
                parse_time(at),
                ended,
                step,
                cause and recorded_cause(cause),
                note,
                issuer,
                next_at and parse_time(next_at),
                until and parse_time(until),
            )
            for at, ended, next_at, step, cause, note, issuer, until in rows
        )

    def busy_until(self, issuer: str) -> datetime | None:
        """Return until when an issuer asked to be left alone; None where it never did."""
        rows = self._database.read("SELECT busy_until FROM attempts WHERE issuer = ? AND busy_until > ''", issuer)
        return max((parse_time(until) for (until,) in rows), default=None)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


def bounded(text: str, secrets: Secrets) -> str:
    """Return the beginning of what another party said, or of which kind the secret in it was."""
    whole = secrets.hide(text).encode(errors="replace")
    found = find_secret(whole, secrets)
    return withheld(found) if found else whole.decode()[:_LONGEST_NOTE]


def bounded_lines(lines: Iterable[str], secrets: Secrets) -> Iterator[str]:
    """Yield lines as `bounded` gives each, up to what is kept of all of them together."""
    room = _LONGEST_NOTE
    for line in lines:
        kept = bounded(line, secrets)[:room]
        room -= len(kept)
        yield kept
        if not room:
            return


def withheld(found: str) -> str:
    """Return what is kept in the place of a text that held a secret."""
    return f"(withheld: it held {found})"
