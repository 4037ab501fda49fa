"""Reads a list of certificate transparency logs in version 3 of Chrome's format.

Each log has its key, its state and since when, and its operators. A key that the list adds to the format is ignored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from audit.json_codec import BadRecord, from_json
from audit.x509.transparency.sct import Sct

LogKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
MAX_LIST_OCTETS: Final = 16 * 1024 * 1024
CURRENT: Final = ("qualified", "usable", "readonly")
"""The states of a log whose SCTs browsers accept."""
RETIRED: Final = "retired"
"""The state of a log of which browsers accept embedded SCTs that are older than the state."""
STATES: Final = ("pending", *CURRENT, RETIRED, "rejected")
_GROUPS: Final = ("logs", "tiled_logs")


class BadLogList(ValueError):
    """A log list that cannot be used; its message names the place in the list and the fault."""


@dataclass(frozen=True, slots=True)
class PreviousOperator:
    """Who operated a log until an instant."""

    name: str
    end_time: datetime


@dataclass(frozen=True, slots=True, eq=False)
class CtLog:
    """A log; equal to itself only."""

    log_id: bytes
    key: LogKey = field(repr=False)
    description: str
    state: str
    since: datetime | None  # when it entered the state; None: it never had another, or this is not known
    operator: str
    previous: tuple[PreviousOperator, ...] = ()

    def is_current(self, at: datetime) -> bool:
        """Return whether browsers accept the log's SCTs at an instant; before it was retired, they did."""
        return self.state in CURRENT or (self.state == RETIRED and self.since is not None and at < self.since)

    def was_current(self, sct: Sct) -> bool:
        """Return whether an SCT is older than the retirement of the log."""
        return self.state == RETIRED and self.since is not None and sct.is_before(self.since)

    def operator_of(self, sct: Sct) -> str:
        """Return who operated the log when it issued an SCT."""
        ended = sorted(self.previous, key=lambda previous: previous.end_time)
        return next((previous.name for previous in ended if sct.is_before(previous.end_time)), self.operator)


@dataclass(frozen=True, slots=True, eq=False)
class LogList:
    """The logs by their ids, and which list it is; equal to itself only. `issued` is the list's own date."""

    sha256: str
    version: str
    issued: datetime
    logs: Mapping[bytes, CtLog] = field(repr=False)
    content: bytes = field(default=b"", repr=False)  # the file, from which another process reads it

    def __str__(self) -> str:
        """Return version, date and digest."""
        return f"log list {self.version} of {self.issued:%Y-%m-%d} (SHA-256 {self.sha256[:16]}…)"

    @property
    def row(self) -> dict[str, str]:
        """The list in the first row of the results."""
        return {"version": self.version, "issued": f"{self.issued:%Y-%m-%dT%H:%M:%SZ}", "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class _Head:
    """The keys of the list itself."""

    version: str
    log_list_timestamp: datetime
    operators: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Operator:
    """The keys of an operator, without its logs."""

    name: str


@dataclass(frozen=True, slots=True)
class _Entry:
    """The keys of a log."""

    log_id: bytes
    key: bytes
    description: str = ""
    state: Mapping[str, Any] = field(default_factory=dict)
    previous_operators: tuple[PreviousOperator, ...] = ()


def read_log_list(content: bytes) -> LogList:
    """Read a log list; raises BadLogList."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadLogList(f"it is not JSON: {error}") from error
    head = _decoded(_Head, value, "the list")
    logs = [log for number, operator in enumerate(head.operators, 1) for log in _logs_of(operator, number)]
    if not logs:
        raise BadLogList("it has no log; a list in version 3 of Chrome's format has operators, and each has logs")
    by_id = {log.log_id: log for log in logs}
    if len(by_id) != len(logs):
        raise BadLogList("two logs have one log_id")
    return LogList(hashlib.sha256(content).hexdigest(), head.version, head.log_list_timestamp, by_id, content)


def _logs_of(operator: Any, number: int) -> Iterator[CtLog]:  # noqa: ANN401 - any JSON value
    place = f"operators, number {number}"
    name = _decoded(_Operator, operator, place).name
    if not any(group in operator for group in _GROUPS):
        raise BadLogList(f"{place} ({name}): the key 'logs' is missing")
    for group in _GROUPS:
        entries = operator.get(group, [])
        if not isinstance(entries, list):
            raise BadLogList(f"{place} ({name}), {group}: it is not a list")
        for index, entry in enumerate(entries, 1):
            where = f"{place} ({name}), {group}, number {index}"
            yield _log(_decoded(_Entry, entry, where), name, where)


def _log(entry: _Entry, operator: str, place: str) -> CtLog:
    if hashlib.sha256(entry.key).digest() != entry.log_id:
        raise BadLogList(f"{place}: log_id is not the SHA-256 of its key (RFC 6962 3.2)")
    state, since = _state(entry.state, place)
    previous = entry.previous_operators
    return CtLog(entry.log_id, _key(entry.key, place), entry.description, state, since, operator, previous)


def _state(state: Mapping[str, Any], place: str) -> tuple[str, datetime | None]:
    """Return the state of a log, and since when; a log without a state is not accepted yet."""
    if not state:
        return STATES[0], None
    if len(state) > 1 or (name := next(iter(state))) not in STATES:
        raise BadLogList(f"{place}: state is {', '.join(state)}; one of {', '.join(STATES)} is expected")
    return name, _decoded(_Since, state[name], f"{place}, state").timestamp


@dataclass(frozen=True, slots=True)
class _Since:
    """The keys of a state."""

    timestamp: datetime


def _key(spki: bytes, place: str) -> LogKey:
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadLogList(f"{place}: its key cannot be read") from error
    if not isinstance(key, LogKey):
        raise BadLogList(f"{place}: its key is neither an EC nor an RSA key (RFC 6962 2.1.4)")
    return key


def _decoded(kind: type[Any], value: Any, place: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return a record; raises BadLogList that begins with its place."""
    if not isinstance(value, dict):
        raise BadLogList(f"{place}: it is not an object")
    try:
        return from_json(kind, value)
    except BadRecord as error:
        text = str(error).replace(f"a {kind.__name__} has no", "it has no")
        raise BadLogList(f"{place}: {text}") from error
