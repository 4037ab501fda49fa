"""Runs the measurement; see the package."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from bench.field.cases import read_cases
from bench.field.comparison import Comparison, compare
from bench.field.configuration import Configuration
from bench.field.machine import machine_with
from bench.field.packages import package_configurations
from bench.field.score import HEADER, scores
from bench.field.sources import source_configurations


def main(folder: Path | None, pattern: str) -> int:
    """Print the faults of each configuration, then the table; return the exit status."""
    chosen = [configuration for configuration in _configurations(folder) if fnmatch(configuration.name, pattern)]
    rows: dict[str, list[Comparison]] = defaultdict(list)
    broken = 0
    for configuration in chosen:
        try:
            rows[configuration.daemon] += _measured(configuration)
        except Exception:  # noqa: BLE001 - the boundary of one configuration: the others are still measured
            broken += 1
            print(traceback.format_exc())
    print(f"{len(chosen)} configurations, {broken} not measured")
    print(HEADER)
    table = list(scores(rows))
    print(*table, sep="\n")
    return int(bool(broken) or not all(score.meets_goal for score in table))


def _configurations(folder: Path | None) -> Iterator[Configuration]:
    if folder:
        yield from read_cases(folder)
    yield from package_configurations()
    yield from source_configurations()


def _measured(configuration: Configuration) -> tuple[Comparison, ...]:
    with machine_with(configuration) as machine:
        state = "" if machine.started else f": does not start: {machine.output.strip()[-300:]}"
        print(f"{configuration.name}{state}", flush=True)
        results = compare(machine)
    for row in results:
        if row.result != "right":
            print(f"    {row.kind} {row.result}: {row.what}", flush=True)
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.field", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="cases, a directory for each")
    parser.add_argument("--only", default="*", help="a pattern for the names of configurations")
    arguments = parser.parse_args()
    sys.exit(main(arguments.folder, arguments.only))
