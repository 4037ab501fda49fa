"""Measures audits of loopback endpoints from outside, beside sslyze.

    python -m bench.fleet.audits [ENDPOINTS [ROUNDS]]

Each kind of run is measured at 200 endpoints and at three times as many; the difference is the cost of an endpoint, and
the rest is the start of the processes. The servers use the same cores, so the rates are comparable only side by side.
CPU time is that of all processes of a run, without the servers. All checks are judged, and a results file is written.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from bench.fleet.figure import Figure, report
from bench.fleet.peer import VERSION, scanned
from bench.fleet.plain_installation import run_pytest
from bench.loopback import Fleet, fleet
from bench.processes import Usage, output_of

WAYS: Final = ("endpoint", "check")
OF_WORKERS: Final = "--audit-workers=auto"
OF_EACH: Final = ("--audit-items=each", "--junitxml=junit.xml")
TIMES: Final = 3  # the larger size
MEMORY_ENDPOINTS: Final = 1000
TIMES_SSLYZE, CPU_MS, CPU_EACH_MS, MEMORY_MB = 10.0, 5.5, 12.0, 250.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What runs of two sizes use: the smaller one, and the larger one."""

    endpoints: int
    small: Usage
    large: Usage

    @property
    def rate(self) -> float:
        """Endpoints per second of the smaller run, its start included."""
        return self.endpoints / self.small.wall_s

    @property
    def further_rate(self) -> float:
        """Endpoints per second of the further endpoints of the larger run."""
        return self.endpoints * (TIMES - 1) / max(1e-3, self.large.wall_s - self.small.wall_s)

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds of each further endpoint of the larger run."""
        return 1000 * (self.large.cpu_s - self.small.cpu_s) / (self.endpoints * (TIMES - 1))

    @property
    def controller_cpu_ms(self) -> float:
        """CPU milliseconds of each further endpoint in the process that the user started."""
        return self._own(lambda usage: 1000 * usage.cpu_s)

    @property
    def controller_memory_kb(self) -> float:
        """Kilobytes of each further endpoint that this process keeps at its peak."""
        return self._own(lambda usage: 1000 * usage.memory_mb)

    def _own(self, amount: Callable[[Usage], float]) -> float:
        own = [usage.own or usage for usage in (self.large, self.small)]
        return (amount(own[0]) - amount(own[1])) / (self.endpoints * (TIMES - 1))

    @property
    def start_s(self) -> float:
        """CPU seconds of the start of the processes."""
        return self.small.cpu_s - self.endpoints * self.cpu_ms / 1000


def audited(served: Fleet, options: Sequence[str], endpoints: int) -> Usage:
    """Audit this many endpoints and require that every check of each passes or does not apply."""
    folder = served.folder
    (folder / "endpoints").write_text("\n".join(map(served.url, range(endpoints))))
    shutil.rmtree(folder / "state", ignore_errors=True)  # responses of an earlier run
    command = (
        *("--pyargs", "audit"),
        *("--audit-endpoints=endpoints", "--audit-trust=root.pem", "--audit-policy=webpki"),
        *("--audit-config=audit.toml", "--audit-state=state", "--audit-results=results.jsonl", *options),
    )
    usage, status = run_pytest(folder, command)
    verdicts = _verdicts(served)
    if status or verdicts.keys() - {"pass", "not-applicable"} or sum(verdicts.values()) % endpoints:
        raise SystemExit(f"{' '.join(options)}: exit status {status}, {verdicts}\n{output_of(folder)}")
    return usage


def _verdicts(served: Fleet) -> Counter[str]:
    with (served.folder / "results.jsonl").open() as lines:
        rows = (json.loads(line) for line in lines)
        return Counter(row["verdict"] for row in rows if row["kind"] == "result" and row["endpoint"] != "run/")


def figures(endpoints: int = 200, rounds: int = 3) -> Iterator[Figure]:
    """Measure in turns, and yield the figures of the fastest run of each kind."""
    with fleet(max(MEMORY_ENDPOINTS, TIMES * endpoints)) as served:
        kinds: dict[str, Callable[[int], Usage]] = {
            "sslyze": partial(scanned, served),
            **{way: partial(audited, served, (f"--audit-items={way}", OF_WORKERS)) for way in WAYS},
            "each": partial(audited, served, OF_EACH),
        }
        costs = _measured(kinds, endpoints, rounds)
        peer = costs["sslyze"]
        yield from _of_peer(peer)
        for way in WAYS:
            yield from _of_way(way, costs[way], peer)
        yield from _of_each(costs["each"])
        memory_mb = audited(served, OF_EACH, MEMORY_ENDPOINTS).memory_mb
        yield Figure(f"memory, each, {MEMORY_ENDPOINTS:,} endpoints", memory_mb, "MB", MEMORY_MB)


def _measured(kinds: dict[str, Callable[[int], Usage]], endpoints: int, rounds: int) -> dict[str, Cost]:
    """Measure all kinds of run in turns; of each size the fastest and the one with the least CPU time count."""
    small = [{kind: run(endpoints) for kind, run in kinds.items()} for _ in range(rounds)]
    large = [{kind: run(TIMES * endpoints) for kind, run in kinds.items()} for _ in range(max(1, rounds - 1))]
    return {kind: Cost(endpoints, _least(small, kind), _least(large, kind)) for kind in kinds}


def _least(runs: list[dict[str, Usage]], kind: str) -> Usage:
    """Return the run with the least CPU time, with the duration of the fastest one."""
    usages = [run[kind] for run in runs]
    return replace(min(usages, key=lambda usage: usage.cpu_s), wall_s=min(usage.wall_s for usage in usages))


def _of_peer(cost: Cost) -> Iterator[Figure]:
    name = f"sslyze {VERSION} --certinfo"
    yield Figure(f"{cost.endpoints} endpoints, {name}", cost.rate, "/s")
    yield Figure(f"  CPU of each further endpoint, {name}", cost.cpu_ms, "ms")


def _of_way(way: str, cost: Cost, peer: Cost) -> Iterator[Figure]:
    name = f"{cost.endpoints} endpoints, {way}, {OF_WORKERS.removeprefix('--audit-')}"
    yield Figure(f"{name}: rate to sslyze's", cost.rate / peer.rate, "times", TIMES_SSLYZE, "at least",
                 f"{cost.rate:.0f}/s; sslyze {peer.rate:.0f}/s")  # fmt: skip
    yield Figure("  of further endpoints, without the start", cost.further_rate / peer.further_rate, "times",
                 peer=f"{cost.further_rate:.0f}/s; sslyze {peer.further_rate:.0f}/s")  # fmt: skip
    yield Figure(f"CPU of an endpoint, {way}, all processes", cost.cpu_ms, "ms", CPU_MS,
                 peer=f"sslyze {peer.cpu_ms:.1f} ms")  # fmt: skip
    yield Figure("  of that the controller", cost.controller_cpu_ms, "ms")
    yield Figure("  memory of the controller", cost.controller_memory_kb, "kB")
    yield Figure("  CPU of the start of all processes", cost.start_s, "s", peer=f"sslyze {peer.start_s:.2f} s")


def _of_each(cost: Cost) -> Iterator[Figure]:
    yield Figure("CPU of an endpoint, each, results and JUnit", cost.cpu_ms, "ms", CPU_EACH_MS)
    yield Figure("  CPU of the start", cost.start_s, "s")


if __name__ == "__main__":
    sys.exit(report(figures(*map(int, sys.argv[1:]))))
