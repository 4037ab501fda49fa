"""Measures audits on a Dask cluster of this machine: workers beside one worker, and a worker that is killed.

    python -m bench.fleet.cluster [ENDPOINTS]

The servers take 200 ms to respond, so that workers wait and do not compete for the cores. Each has four probes at the
same time. The start of a run takes as long with one worker as with four. It is measured by an audit of few endpoints,
on workers that have audited before, and printed apart.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.fleet.figure import Figure, report
from bench.fleet.plain_installation import HIDING, run_pytest
from bench.loopback import Fleet, fleet
from bench.processes import output_of
from tests.support.dask_cluster import RunningCluster, running_cluster, tls_files

DELAY_S, WORKERS, CONCURRENCY, TIMES = 0.2, 4, 4, 3.6
ROUNDS: Final = 3  # the largest chunk is this part of what each worker has to do
RUN: Final = "run/"


@dataclass(frozen=True, slots=True)
class Timed:
    """The seconds of an audit, those of its start, and the connections that the servers accepted."""

    whole_s: float
    start_s: float
    connections: int

    @property
    def audit_s(self) -> float:
        """The seconds without the start."""
        return self.whole_s - self.start_s


def figures(endpoints: int = 480) -> Iterator[Figure]:
    """Measure one worker, four workers, and four of which one is killed at half time."""
    with (
        fleet(endpoints, delay_s=DELAY_S) as served,
        TemporaryDirectory(prefix="bench-") as name,
        running_cluster(Path(name)) as cluster,
    ):
        alone = _audited(served, cluster, endpoints, 1)
        together = _audited(served, cluster, endpoints, WORKERS)
        with_loss = _audited(served, cluster, endpoints, WORKERS, together.start_s + together.audit_s / 2)
    name = f"Dask: {WORKERS} workers of concurrency {CONCURRENCY} against 1, {endpoints} endpoints"
    yield Figure(name, alone.audit_s / together.audit_s, "times", TIMES, "at least",
                 f"one worker {alone.audit_s:.1f} s, four {together.audit_s:.1f} s")  # fmt: skip
    yield Figure("  with the start", alone.whole_s / together.whole_s, "times",
                 peer=f"start {alone.start_s:.1f} s and {together.start_s:.1f} s")  # fmt: skip
    redone = (with_loss.connections - together.connections) * endpoints / together.connections
    yield Figure("Dask: a worker killed at half time; endpoints audited again", redone, "",
                 -(-endpoints // (ROUNDS * WORKERS)), peer=f"of {endpoints}, each once in the results")  # fmt: skip


def _audited(
    served: Fleet, cluster: RunningCluster, endpoints: int, workers: int, killed_after_s: float | None = None
) -> Timed:
    """Audit with this many new workers, after two audits of few endpoints: in the first they import the checks."""
    with _members(cluster, workers) as kill_one:
        _run(served, cluster, WORKERS)
        start_s = _run(served, cluster, WORKERS)
        before = served.accepted.count
        killer = threading.Timer(killed_after_s or 0.0, kill_one)
        if killed_after_s is not None:
            killer.start()
        try:
            whole_s = _run(served, cluster, endpoints)
        finally:
            killer.cancel()
    return Timed(whole_s, start_s, served.accepted.count - before)


@contextmanager
def _members(cluster: RunningCluster, workers: int) -> Iterator[Callable[[], None]]:
    """Run workers while the block runs; yield the function that kills one of them."""
    with ExitStack() as started:
        members = [started.enter_context(cluster.worker(HIDING)) for _ in range(workers)]
        time.sleep(5.0)  # until they have joined
        yield members[0].kill


def _run(served: Fleet, cluster: RunningCluster, endpoints: int) -> float:
    """Audit; require that every endpoint is in the results once, and passes. Return the seconds that it took."""
    folder, files = served.folder, tls_files(cluster.folder)
    (folder / "endpoints").write_text("\n".join(map(served.url, range(endpoints))))
    section = f'[fleet]\nca = "{files.ca}"\ncertificate = "{files.certificate}"\nkey = "{files.key}"\n'
    (folder / "cluster.toml").write_text((folder / "audit.toml").read_text() + section)
    arguments = (
        *("--pyargs", "audit", "--audit-endpoints=endpoints", "--audit-trust=root.pem", "--audit-policy=webpki"),
        *("--audit-config=cluster.toml", "--audit-state=state", "--audit-results=results.jsonl"),
        *("--audit-items=check", f"--audit-workers={cluster.url}", f"--audit-concurrency={CONCURRENCY}"),
    )
    usage, status = run_pytest(folder, arguments)
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    observed = Counter(row["endpoint"] for row in rows if row["kind"] == "observation")
    verdicts = Counter(row["verdict"] for row in rows if row["kind"] == "result" and row["endpoint"] != RUN)
    if status or list(observed.values()) != [1] * endpoints or verdicts.keys() - {"pass", "not-applicable"}:
        raise SystemExit(f"exit status {status}, {verdicts}, {len(observed)} endpoints\n{output_of(folder)}")
    return usage.wall_s


if __name__ == "__main__":
    sys.exit(report(figures(*map(int, sys.argv[1:]))))
