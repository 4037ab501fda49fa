"""The orders and attempts of cases in the journal: no order is placed twice, and no case is tried too soon."""

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

_MAX_NOTE: Final = 4000  # characters
_ISSUED: Final = frozenset({"valid", "issued"})
_ENDED: Final = frozenset({"invalid", "rejected", "canceled", "revoked"})
"""Words of RFC 8555 and of the Store."""


INTENDED: Final = "intended"
"""The status of an order before the issuer's response."""


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """An order of a case, identified by our CSR before it is placed, and by the issuer's id after its response.

    `at` is when it was first recorded, whatever its status is now.
    """

    case_id: str
    attempt: int
    issuer: str
    csr_sha256: str
    status: str  # INTENDED, then the issuer's own word
    at: datetime
    order_id: str | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether the issuer has taken the order, and has neither refused nor ended it."""
        return self.status != INTENDED and self.status not in _ENDED

    @property
    def is_pending(self) -> bool:
        """Whether the issuer has taken the order and not decided yet."""
        return self.is_under_way and self.status not in _ISSUED


class OrderStore:
    """The orders in the journal."""

    def __init__(self, database: Database) -> None:
        """Store the database."""
        self._database = database

    def save(self, order: PlacedOrder) -> None:
        """Record what is known of an order, before it is placed and at each response.

        Raises ValueError for the CSR of another order, or another CSR for this one: no CSR is used for two orders.
        """
        with self._database.transaction():
            key = (order.case_id, order.attempt, order.issuer, order.csr_sha256)
            recorded = self._database.read(
                """SELECT case_id, attempt, issuer, csr_sha256 FROM orders
                   WHERE (case_id = ? AND attempt = ?) OR (issuer = ? AND csr_sha256 = ?)""", *key)  # fmt: skip
            if any(row != key for row in recorded):
                raise ValueError(f"attempt {order.attempt} of {order.case_id} has another CSR, or the CSR "
                                 f"{order.csr_sha256[:16]}… another order: {recorded}")  # fmt: skip
            self._database.write(
                """INSERT INTO orders (case_id, attempt, issuer, csr_sha256, order_id, status, at)
                   VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (case_id, attempt) DO UPDATE SET
                   order_id = coalesce(excluded.order_id, order_id), status = excluded.status""",
                order.case_id, order.attempt, order.issuer, order.csr_sha256, order.order_id, order.status,
                format_time(order.at),
            )  # fmt: skip

    def of_case(self, case_id: str) -> tuple[PlacedOrder, ...]:
        """Return the orders of a case, the last one last."""
        rows = self._database.read(
            """SELECT case_id, attempt, issuer, csr_sha256, status, at, order_id FROM orders
               WHERE case_id = ? ORDER BY attempt""", case_id)  # fmt: skip
        return tuple(
            PlacedOrder(case, attempt, issuer, csr, status, parse_time(at), order_id)
            for case, attempt, issuer, csr, status, at, order_id in rows
        )

    def unused(self, case_id: str) -> tuple[PlacedOrder, ...]:
        """Return the orders of a case since it was last repaired, the last one last.

        The same case may occur again long after a repair; the orders of that repair do not matter then.
        """
        rows = self._database.read(
            "SELECT at FROM outcomes WHERE case_id = ? AND outcome IN ('repaired', 'rolled-back')", case_id
        )
        ended = max((parse_time(at) for (at,) in rows), default=None)
        return tuple(order for order in self.of_case(case_id) if ended is None or order.at > ended)


class AttemptStore:
    """The attempts in the journal."""

    def __init__(self, database: Database, secrets: Secrets) -> None:
        """Store the database, and the secrets that no note may hold."""
        self._database = database
        self._secrets = secrets

    def add(self, case_id: str, attempt: Attempt) -> None:
        """Record how an attempt of a case ended, and when the next may be."""
        self._database.write(
            """INSERT INTO attempts
                   (case_id, at, ended, next_at, step, cause, note, issuer, busy_until, is_early, finding)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            case_id, format_time(attempt.at), attempt.ended, _time(attempt.next_at), attempt.step, attempt.cause,
            bounded(attempt.note, self._secrets), attempt.issuer, _time(attempt.busy_until),
            attempt.is_early, attempt.finding,
        )  # fmt: skip

    def of_case(self, case_id: str) -> tuple[Attempt, ...]:
        """Return the attempts of a case in their order."""
        rows = self._database.read(
            """SELECT at, ended, next_at, step, cause, note, issuer, busy_until, is_early, finding FROM attempts
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
                bool(is_early),
                finding,
            )
            for at, ended, next_at, step, cause, note, issuer, until, is_early, finding in rows
        )

    def busy_until(self, issuer: str) -> datetime | None:
        """Return the end of the last Retry-After of an issuer; None if it never sent one."""
        rows = self._database.read("SELECT busy_until FROM attempts WHERE issuer = ? AND busy_until > ''", issuer)
        return max((parse_time(until) for (until,) in rows), default=None)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


def bounded(text: str, secrets: Secrets) -> str:
    """Return the beginning of a text from outside without secrets, or which kind of secret it held."""
    hidden = secrets.hide(text).encode(errors="replace")
    secret = find_secret(hidden, secrets)
    return withheld(secret) if secret else hidden.decode()[:_MAX_NOTE]


def bounded_lines(lines: Iterable[str], secrets: Secrets) -> Iterator[str]:
    """Yield lines as `bounded` returns each, up to one limit for all of them together."""
    room = _MAX_NOTE
    for line in lines:
        kept = bounded(line, secrets)[:room]
        room -= len(kept)
        yield kept
        if not room:
            return


def withheld(secret: str) -> str:
    """Return what is stored in place of a text that held a secret."""
    return f"(withheld: it held {secret})"
