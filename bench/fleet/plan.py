"""Plans the audit of a million endpoints on paper, from the measured figures of docs/performance.md.

    python -m bench.fleet.plan

Prints the table of that page. To plan another fleet, change `MEASURED` or `FLEET`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

CHUNK: Final = 200  # endpoints that a worker has at a time
WORKERS: Final = (2, 8, 32, 128)


@dataclass(frozen=True, slots=True)
class Measured:
    """Costs of an endpoint that were measured with one worker for each core."""

    worker_cpu_ms: float  # probing and judging
    controller_cpu_ms: float  # storing, writing and reporting, in one process
    controller_memory_kb: float  # that the process keeps to the end
    controller_start_mb: float
    scheduler_start_mb: float
    reply_kb: float  # from a worker to the controller
    results_kb: float  # in results.jsonl.gz
    evidence_kb: float  # of the temporary directory, or of --audit-evidence


@dataclass(frozen=True, slots=True)
class PlannedFleet:
    """What is audited: the number of endpoints, and how long one takes to respond to all connections of its probe."""

    endpoints: int
    response_s: float
    concurrency: int  # of each worker


@dataclass(frozen=True, slots=True)
class Plan:
    """What a number of workers needs for a fleet."""

    workers: int
    hours: float
    slowest: str  # what the hours depend on
    scheduler_mb: float
    controller_mb: float
    results_gb: float
    evidence_gb: float

    def __str__(self) -> str:
        """Return the row of the table."""
        cells = (
            f"{self.workers}", f"{self.hours:.1f}", self.slowest, f"{self.scheduler_mb:,.0f} MB",
            f"{self.controller_mb:,.0f} MB", f"{self.results_gb:.1f} GB", f"{self.evidence_gb:.0f} GB",
        )  # fmt: skip
        return f"| {' | '.join(cells)} |"


MEASURED: Final = Measured(
    worker_cpu_ms=8.5,
    controller_cpu_ms=2.3,
    controller_memory_kb=3.3,
    controller_start_mb=80.0,
    scheduler_start_mb=150.0,
    reply_kb=40.0,
    results_kb=2.1,
    evidence_kb=9.0,
)
FLEET: Final = PlannedFleet(endpoints=1_000_000, response_s=2.0, concurrency=64)
HEADER: Final = (
    "| workers | hours | bound by | memory of the scheduler | memory of the controller | results | evidence |\n"
    "|---|---|---|---|---|---|---|"
)


def plan(measured: Measured, fleet: PlannedFleet, workers: int) -> Plan:
    """Return what the audit of a fleet needs, if no address and no CA limits it further."""
    seconds = {
        "CPU of the workers": fleet.endpoints * measured.worker_cpu_ms / 1000 / workers,
        "responses of the endpoints": fleet.endpoints * fleet.response_s / (workers * fleet.concurrency),
        "CPU of the controller": fleet.endpoints * measured.controller_cpu_ms / 1000,
    }
    slowest = max(seconds, key=lambda name: seconds[name])
    return Plan(
        workers,
        seconds[slowest] / 3600,
        slowest,
        measured.scheduler_start_mb + workers * CHUNK * measured.reply_kb / 1000,
        measured.controller_start_mb + fleet.endpoints * measured.controller_memory_kb / 1000,
        fleet.endpoints * measured.results_kb / 1e6,
        fleet.endpoints * measured.evidence_kb / 1e6,
    )


def table(measured: Measured = MEASURED, fleet: PlannedFleet = FLEET) -> Iterator[str]:
    """Yield the lines of the table of docs/performance.md."""
    yield HEADER
    yield from (str(plan(measured, fleet, workers)) for workers in WORKERS)


if __name__ == "__main__":
    print("\n".join(table()))
