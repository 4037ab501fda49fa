"""Measures audits on a Dask cluster of this machine: workers beside one worker, and a worker that is killed.

    python -m bench.fleet.cluster [ENDPOINTS]

The servers take 200 ms to respond, so that workers wait and do not compete for the cores. Each has four probes at the
same time.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.fleet.figure import Figure, report
from bench.fleet.plain_installation import HIDING, run_pytest
from bench.loopback import Fleet, fleet
from bench.processes import Usage, output_of
from tests.support.dask_cluster import RunningCluster, running_cluster, tls_files

DELAY_S, WORKERS, CONCURRENCY, TIMES = 0.2, 4, 4, 3.6
CHUNK: Final = 25  # endpoints of a chunk of so small a fleet
RUN: Final = "run/"


def figures(endpoints: int = 400) -> Iterator[Figure]:
    """Measure one worker, four workers, and four of which one is killed at half time."""
    with (
        fleet(endpoints, delay_s=DELAY_S) as served,
        TemporaryDirectory(prefix="bench-") as name,
        running_cluster(Path(name)) as cluster,
    ):
        start_s = _audited(served, cluster, WORKERS, WORKERS).wall_s
        alone = _audited(served, cluster, endpoints, 1)
        before = served.accepted.count
        together = _audited(served, cluster, endpoints, WORKERS)
        between = served.accepted.count
        _audited(served, cluster, endpoints, WORKERS, killed_after_s=together.wall_s / 2)
        of_all, with_loss = between - before, served.accepted.count - between
    redone = (with_loss - of_all) * endpoints / of_all
    speed = alone.wall_s / together.wall_s
    yield Figure(f"Dask: {WORKERS} workers of concurrency {CONCURRENCY}, {endpoints} endpoints", speed, "times", TIMES,
                 "at least", f"one worker {alone.wall_s:.1f} s, four {together.wall_s:.1f} s")  # fmt: skip
    further = (alone.wall_s - start_s) / (together.wall_s - start_s)
    yield Figure("  without the start, a run of four endpoints", further, "times", peer=f"start {start_s:.1f} s")
    yield Figure("Dask: a worker killed at half time; endpoints audited again", redone, "", CHUNK,
                 peer=f"of {endpoints}, each once in the results")  # fmt: skip


def _audited(
    served: Fleet, cluster: RunningCluster, endpoints: int, workers: int, killed_after_s: float | None = None
) -> Usage:
    """Audit with this many workers; require that every endpoint is in the results once, and passes."""
    folder, files = served.folder, tls_files(cluster.folder)
    (folder / "endpoints").write_text("\n".join(map(served.url, range(endpoints))))
    section = f'[fleet]\nca = "{files.ca}"\ncertificate = "{files.certificate}"\nkey = "{files.key}"\n'
    (folder / "cluster.toml").write_text((folder / "audit.toml").read_text() + section)
    arguments = (
        *("--pyargs", "audit", "--audit-endpoints=endpoints", "--audit-trust=root.pem", "--audit-policy=webpki"),
        *("--audit-config=cluster.toml", "--audit-state=state", "--audit-results=results.jsonl"),
        *("--audit-items=check", f"--audit-workers={cluster.url}", f"--audit-concurrency={CONCURRENCY}"),
    )
    with ExitStack() as started:
        members = [started.enter_context(cluster.worker(HIDING)) for _ in range(workers)]
        time.sleep(5.0)  # until they have imported the product and have joined
        if killed_after_s is not None:
            killer = threading.Timer(killed_after_s, members[0].kill)
            started.callback(killer.cancel)
            killer.start()
        usage, status = run_pytest(folder, arguments)
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    observed = Counter(row["endpoint"] for row in rows if row["kind"] == "observation")
    verdicts = Counter(row["verdict"] for row in rows if row["kind"] == "result" and row["endpoint"] != RUN)
    if status or list(observed.values()) != [1] * endpoints or verdicts.keys() - {"pass", "not-applicable"}:
        raise SystemExit(f"exit status {status}, {verdicts}, {len(observed)} endpoints\n{output_of(folder)}")
    return usage


if __name__ == "__main__":
    sys.exit(report(figures(*map(int, sys.argv[1:]))))
