"""What a run and a cluster of workers exchange: chunks, events of jobs, and errors.

A reason is one line, to which the run adds the name of the worker.

    FleetFault
    BadReply
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class FleetFault(Exception):
    """A cluster with which the audit cannot begin; its message names the cluster, its workers and the fix."""


class BadReply(ValueError):
    """A reply that is refused as a whole; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Present:
    """The addresses of the workers that the cluster has now."""

    workers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Answered:
    """What a function returned on a worker: any value, because a worker can send any."""

    job: int
    content: object


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a function returned nothing, in one line."""

    job: int
    reason: str


@dataclass(frozen=True, slots=True)
class Gone:
    """Why the cluster is lost: it reports nothing more."""

    reason: str


Event = Present | Answered | Failed | Gone


@dataclass(frozen=True, slots=True)
class Portion:
    """A chunk as it is sent. After `longest_s` seconds its worker is treated as lost.

    `shared` are those addresses of its endpoints that other chunks have too, with the number of chunks that have each.
    """

    number: int
    content: bytes
    longest_s: float
    shared: Mapping[str, int] = field(default_factory=dict)


class Cluster(Protocol):
    """What the dispatcher needs of a cluster: it starts jobs, and reports their ends as events."""

    def next_event(self, timeout_s: float) -> Event | None:
        """Return the next event, None if there is none for so long."""
        ...

    def prepare(self, worker: str, job: int) -> None:
        """Have a worker report its versions and receive the settings of the run."""
        ...

    def audit(self, worker: str, job: int, portion: Portion, per_address: int) -> None:
        """Have a worker audit a chunk, with at most so many connections at once to one address."""
        ...

    def drop(self, job: int) -> None:
        """Cancel a job."""
        ...


class Intake(Protocol):
    """What receives the replies of workers, which may be hostile, and the ends of chunks."""

    def require_same_versions(self, reply: object) -> None:
        """Raise BadReply if a worker has other versions than this run."""
        ...

    def is_prepared(self, reply: object) -> bool:
        """Return whether the worker had the settings of the run; not if its process was started again."""
        ...

    def accept(self, number: int, reply: object) -> None:
        """Keep the reply to a chunk; raises BadReply before anything of it is kept."""
        ...

    def give_up(self, number: int, reason: str) -> None:
        """Keep why the endpoints of a chunk were not audited."""
        ...
