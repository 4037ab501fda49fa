"""Measures what the installed plugin costs a run of pytest without an audit.

python -m bench.fleet.idle [PROCESSES]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.fleet.figure import Figure, report
from tests.support.idle_plugin import measured_without_audit

CPU_MS: Final = 1.0


def figures(processes: int = 15) -> Iterator[Figure]:
    """Yield the least CPU time of several processes: a busy machine can only add to it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        least = min(measured_without_audit(Path(folder))["ms"] for _ in range(processes))
    yield Figure("plugin installed, no audit requested", least, "ms", CPU_MS)


if __name__ == "__main__":
    sys.exit(report(figures(*map(int, sys.argv[1:]))))
