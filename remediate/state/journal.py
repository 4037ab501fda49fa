"""The journal of a state directory: cases, what each of their steps became, and how they ended.

Orders, attempts and notifications are in the stores that it holds. `journal_snapshot` opens a copy that may be changed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from types import TracebackType
from typing import Final, Literal, Self

from audit.config.private_files import UnsafePath, safe_path
from audit.json_codec import format_time, from_json, parse_time, to_json
from audit.redaction import Secrets
from remediate.model.case import NOTHING_SEEN, Case, StepDetail, StepState
from remediate.pki.secret_scan import find_secret
from remediate.state.challenges import ChallengeStore
from remediate.state.database import JOURNAL_FILE, Database, UnusableState, open_database, require_room
from remediate.state.orders import AttemptStore, OrderStore, bounded, bounded_lines, withheld
from remediate.state.outbox import Outbox
from remediate.state.waiting import WaitingStore


@contextmanager
def journal_snapshot(folder: Path, secrets: Secrets | None = None) -> Iterator[Journal]:
    """Open a temporary copy of the journal in a state directory, an empty one if there is none.

    What is written to it is lost. Raises UnusableState, also if a run writes the journal at this moment. `secrets` as
    for `open_journal`.
    """
    try:
        safe_path(folder)
        place = safe_path(Path(gettempdir()))
    except UnsafePath as error:
        raise UnusableState(f"cannot copy the journal in {folder}: {error.strerror}") from error
    with TemporaryDirectory(prefix="sslaudit-", dir=place) as copy:
        for name in (
            JOURNAL_FILE,
            f"{JOURNAL_FILE}-wal",
        ):  # the second: not merged before a crash
            with suppress(FileNotFoundError):
                shutil.copyfile(folder / name, Path(copy, name))
        with open_journal(Path(copy), secrets=secrets) as journal:
            yield journal


@contextmanager
def substitute_journal(folder: Path, secrets: Secrets) -> Iterator[Journal]:
    """Open a copy of the journal in a state directory that cannot be used; an empty one if it cannot be read."""
    with ExitStack() as stack:
        try:
            journal = stack.enter_context(journal_snapshot(folder, secrets))
            journal.require_sound()
        except (UnusableState, OSError):
            empty = stack.enter_context(TemporaryDirectory(prefix="sslaudit-"))
            journal = stack.enter_context(open_journal(Path(empty), secrets=secrets))
        yield journal


OutcomeKind = Literal["repaired", "failed", "dropped", "rolled-back"]
FOLLOWS: Final[Mapping[StepState, frozenset[StepState]]] = {
    "planned": frozenset({"intended", "done"}),  # done at once: nothing had to be changed
    "intended": frozenset({"done", "uncertain", "failed", "undone"}),
    "uncertain": frozenset({"uncertain", "intended", "done", "failed", "undone"}),  # checked again, and still not known
    "failed": frozenset({"intended", "done", "undone"}),
    "done": frozenset({"intended", "undone"}),
    "undone": frozenset({"intended"}),
}
"""What a step may become. After a crash an intended step is uncertain until it is checked."""


@dataclass(frozen=True, slots=True)
class Event:
    """A record: a step of a case changed its state."""

    step: str
    state: StepState
    at: datetime
    detail: StepDetail = NOTHING_SEEN

    @property
    def note(self) -> str:
        """The detail as text for a person."""
        return self.detail.note


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """How a case ended. `leaf_sha256` is the leaf that was served then."""

    kind: OutcomeKind
    at: datetime
    leaf_sha256: str | None = None
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether a person rolled the repair back, so that the case waits for a new finding."""
        return self.kind == "rolled-back"


class Journal:
    """The journal of a state directory, with its `orders`, `attempts` and `outbox`."""

    def __init__(self, database: Database, secrets: Secrets | None = None) -> None:
        """Store the database, and the secrets of the configuration, which the journal must not hold."""
        self._database = database
        self._secrets = secrets or Secrets()
        self.orders = OrderStore(database)
        self.attempts = AttemptStore(database, self._secrets)
        self.challenges = ChallengeStore(database)
        self.waiting = WaitingStore(database, self._secrets)
        self.outbox = Outbox(database, self._secrets)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the file."""
        self._database.close()

    def require_sound(self) -> None:
        """Raise BrokenState if the file is damaged."""
        self._database.require_sound()

    def begin(self, case: Case, at: datetime) -> Case:
        """Begin a case, or resume it if it was begun and has not ended; return it with the states of its steps.

        A case that is resumed stays as it was planned, whatever the audit found since. Only a key that was found to be
        compromised since counts as compromised from now on.
        """
        with self._database.transaction():
            begun = self.case(case.id)
            if begun and not self._has_ended(case.id):
                merged = replace(begun, is_compromised=begun.is_compromised or case.is_compromised)
                self._database.write("UPDATE cases SET document = ? WHERE id = ?", self._document(merged), case.id)
                return merged
            self._database.write(
                """INSERT INTO cases (id, round, document, begun_at) VALUES (?, 1, ?, ?) ON CONFLICT (id) DO UPDATE SET
                   round = round + 1, document = excluded.document, begun_at = excluded.begun_at""",
                case.id, self._document(case), format_time(at),
            )  # fmt: skip
            return self._with_states(case)

    def record(self, case_id: str, event: Event) -> None:
        """Record the new state of a step; raises ValueError if the present state does not allow it."""
        with self._database.transaction():
            case = self.case(case_id)
            before = next((step.state for step in case.steps if step.name == event.step), None) if case else None
            if before is None:
                raise ValueError(f"there is no case {case_id} with a step {event.step!r}")
            if event.state not in FOLLOWS[before]:
                raise ValueError(f"{event.step} of {case_id} cannot become {event.state}: it is {before}")
            self._database.write(
                """INSERT INTO steps (case_id, round, step, state, at, detail)
                   VALUES (?, (SELECT round FROM cases WHERE id = ?), ?, ?, ?, ?)""",
                case_id, case_id, event.step, event.state, format_time(event.at), self._detail(event.detail),
            )  # fmt: skip

    def end(self, case_id: str, outcome: CaseOutcome) -> None:
        """Record how a case ended. The same case begins a new round if it is found again.

        A repair can be rolled back, so the last outcome of a round counts.
        """
        self._database.write(
            """INSERT INTO outcomes (case_id, round, at, outcome, leaf_sha256, note)
               VALUES (?, (SELECT round FROM cases WHERE id = ?), ?, ?, ?, ?) ON CONFLICT (case_id, round)
               DO UPDATE SET at = excluded.at, outcome = excluded.outcome, leaf_sha256 = excluded.leaf_sha256,
               note = excluded.note""",
            case_id, case_id, format_time(outcome.at), outcome.kind, outcome.leaf_sha256,
            bounded(outcome.note, self._secrets),
        )  # fmt: skip

    def case(self, case_id: str) -> Case | None:
        """Return a case with the states of its steps; None if it is not known."""
        rows = self._database.read("SELECT document FROM cases WHERE id = ?", case_id)
        return self._with_states(from_json(Case, json.loads(rows[0][0]))) if rows else None

    def unfinished(self) -> tuple[Case, ...]:
        """Return the cases that have not ended, in the order in which they were begun."""
        rows = self._database.read(
            """SELECT document FROM cases WHERE NOT EXISTS
               (SELECT 1 FROM outcomes WHERE case_id = cases.id AND outcomes.round = cases.round)
               ORDER BY begun_at, id"""
        )
        return tuple(self._with_states(from_json(Case, json.loads(document))) for (document,) in rows)

    def ended(self, *kinds: OutcomeKind) -> tuple[Case, ...]:
        """Return the cases whose last round ended in one of these ways, in the order in which they ended."""
        rows = self._database.read(
            """SELECT document, outcome FROM cases JOIN outcomes ON id = case_id AND cases.round = outcomes.round
               ORDER BY outcomes.at, id"""
        )
        return tuple(from_json(Case, json.loads(document)) for document, kind in rows if kind in kinds)

    def events(self, case_id: str) -> tuple[Event, ...]:
        """Return the records of a case since it was last begun, in their order."""
        return self._events(case_id, every_round=False)

    def history(self, case_id: str) -> tuple[Event, ...]:
        """Return the records of all rounds of a case, in their order."""
        return self._events(case_id, every_round=True)

    def outcome(self, case_id: str) -> CaseOutcome | None:
        """Return how a case last ended, in any round; None if it never did."""
        rows = self._database.read(
            "SELECT outcome, at, leaf_sha256, note FROM outcomes WHERE case_id = ? ORDER BY round DESC LIMIT 1", case_id
        )
        return next((CaseOutcome(kind, parse_time(at), leaf, note) for kind, at, leaf, note in rows), None)

    def repairs_after(self, number: int) -> tuple[tuple[int, Case, CaseOutcome], ...]:
        """Return the successful repairs after the outcome of that number, with their numbers, in their order."""
        rows = self._database.read(
            """SELECT outcomes.rowid, document, outcomes.at, leaf_sha256, note FROM outcomes JOIN cases ON id = case_id
               WHERE outcome = 'repaired' AND outcomes.rowid > ? ORDER BY outcomes.rowid""", number)  # fmt: skip
        return tuple(
            (row, from_json(Case, json.loads(document)), CaseOutcome("repaired", parse_time(at), leaf, note))
            for row, document, at, leaf, note in rows
        )

    def _events(self, case_id: str, *, every_round: bool) -> tuple[Event, ...]:
        rows = self._database.read(
            """SELECT step, state, at, detail FROM steps WHERE case_id = ?
               AND (? OR round = (SELECT round FROM cases WHERE id = case_id)) ORDER BY seq""", case_id, every_round
        )  # fmt: skip
        return tuple(
            Event(step, state, parse_time(at), from_json(StepDetail, json.loads(detail)))
            for step, state, at, detail in rows
        )

    def _detail(self, detail: StepDetail) -> str:
        """Return a detail as JSON without secrets, its text cut to the limit of a note."""
        text, *lines = bounded_lines((detail.text, *detail.request_lines), self._secrets)
        stored = replace(detail, text=text, request_lines=tuple(lines))
        if secret := find_secret(stored.note.encode(), self._secrets):  # one that spans two lines
            stored = replace(detail, text=withheld(secret), request_lines=())
        return json.dumps(to_json(stored))

    def _has_ended(self, case_id: str) -> bool:
        query = "SELECT 1 FROM cases JOIN outcomes ON id = case_id AND cases.round = outcomes.round WHERE id = ?"
        return bool(self._database.read(query, case_id))

    def _with_states(self, case: Case) -> Case:
        states: dict[str, StepState] = {event.step: event.state for event in self.events(case.id)}
        return replace(case, steps=tuple(replace(step, state=states.get(step.name, "planned")) for step in case.steps))

    def _document(self, case: Case) -> str:
        """Return a case as JSON, its steps as planned; raises ValueError if a bug of ours put a secret in."""
        text = json.dumps(to_json(replace(case, steps=tuple(replace(step, state="planned") for step in case.steps))))
        secret = find_secret(text.encode(), self._secrets)
        if secret:
            raise ValueError(f"the case is not stored in the journal, because it holds {secret}")
        return text


def open_journal(folder: Path, *, existing: bool = False, secrets: Secrets | None = None) -> Journal:
    """Open the journal in a state directory, and migrate one of an older version; raises UnusableState.

    With `existing` it is only read: nothing is created, and nothing in the file is changed. `secrets` are those of the
    configuration, and required by all that write to the journal.
    """
    return Journal(open_database(folder, existing=existing), secrets)


def require_usable_journal(folder: Path) -> None:
    """Raise UnusableState if the journal in a state directory cannot be written; an older version is not migrated."""
    database = open_database(folder, migrates=False)
    try:
        database.require_sound()
    finally:
        database.close()
    require_room(folder)
