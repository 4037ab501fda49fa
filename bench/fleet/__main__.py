"""Prints all figures of a fleet, each beside its bound and its peer.

    python -m bench.fleet

Exits with status 1 if a figure breaks its bound.
"""

from __future__ import annotations

import sys
from itertools import chain

from bench.fleet import audits, cluster, idle, verdicts
from bench.fleet.figure import report
from bench.fleet.machine import described

if __name__ == "__main__":
    print(described())
    sys.exit(report(chain.from_iterable(module.figures() for module in (audits, verdicts, cluster, idle))))
