"""Measures the judgement of a million verdicts from evidence, with one pytest item for each check.

    python -m bench.fleet.verdicts [VERDICTS]

Every endpoint has its own certificate. Half of the endpoints are judged first: the time must not grow faster than their
number.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from audit.config.line_files import read_lines
from audit.endpoint import Endpoint
from bench.evidence import found, seen_from_outside
from bench.fleet.figure import Figure, report
from bench.fleet.plain_installation import run_pytest
from bench.processes import Usage, output_of
from pytest_sslaudit.evidence import EvidenceStore, Inventory
from pytest_sslaudit.evidence.directories import seal
from tests.support.evidence import PROVENANCE

CHECKS: Final = 43  # of an endpoint that is seen from outside
MILLION: Final = 1_000_000
SECONDS, MEMORY_MB, GROWTH = 120.0, 1024.0, 2.1


@dataclass(frozen=True, slots=True)
class Judged:
    """The usage of a run, the number of its verdicts, and the bytes of its results file."""

    usage: Usage
    verdicts: int
    size: int


def figures(verdicts: int = MILLION) -> Iterator[Figure]:
    """Judge half of the endpoints, then all, and yield the figures; the bound of the time is that of a million."""
    endpoints = -(-verdicts // CHECKS)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        half, full = (_judged(Path(name), count) for count in (endpoints // 2, endpoints))
    usage, count = full.usage, f"{full.verdicts:,} verdicts from evidence, check"
    yield Figure(count, usage.wall_s, "s", SECONDS * full.verdicts / MILLION)
    yield Figure(
        f"{count}: memory", usage.memory_mb, "MB", MEMORY_MB, peer=f"half of them {half.usage.memory_mb:.0f} MB"
    )
    growth = usage.wall_s / half.usage.wall_s * 2 * half.verdicts / full.verdicts
    yield Figure(f"{count}: time of twice the endpoints", growth, "times", GROWTH)
    yield Figure("  CPU of a verdict", 1000 * usage.cpu_ms(full.verdicts), "µs")
    yield Figure("  results of an endpoint, .jsonl.gz", full.size / endpoints / 1000, "kB")


def _judged(folder: Path, endpoints: int) -> Judged:
    """Judge the evidence of this many endpoints; require that every verdict passes or does not apply."""
    now = datetime.now(UTC).replace(microsecond=0)
    _keep(folder, endpoints, now)
    results = folder / "results.jsonl.gz"
    command = (
        *("--pyargs", "audit"),
        *(f"--audit-from-evidence={endpoints}", "--audit-trust=root.pem", "--audit-policy=webpki"),
        *(
            "--audit-items=check",
            "--audit-workers=auto",
            f"--audit-results={results.name}",
            f"--audit-now={now:%FT%TZ}",
        ),
    )
    usage, status = run_pytest(folder, command)
    verdicts = sum('"kind":"result"' in line for line in read_lines(results, limit=None))
    if status or verdicts < endpoints:
        raise SystemExit(f"exit status {status}, {verdicts} verdicts of {endpoints} endpoints\n{output_of(folder)}")
    return Judged(usage, verdicts, results.stat().st_size)


def _keep(folder: Path, endpoints: int, now: datetime) -> None:
    """Write the evidence of this many endpoints, one by one, and the files that its audit needs."""
    authorities, evidence, known = found(now), folder / str(endpoints), list[Endpoint]()
    evidence.mkdir()
    store = EvidenceStore(evidence)
    for seen in seen_from_outside(authorities, endpoints):
        store.keep(seen)
        known.append(seen.endpoint)
    store.keep_inventory(Inventory(now, tuple(known), (), ()))
    seal(evidence, PROVENANCE, now, None)
    (folder / "root.pem").write_bytes(authorities.root.certificate.public_bytes(Encoding.PEM))


if __name__ == "__main__":
    sys.exit(report(figures(*map(int, sys.argv[1:]))))
