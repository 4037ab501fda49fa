"""Prints all figures of a fleet, each beside its bound and its peer.

    python -m bench.fleet

The figures of hosts that are logged into need root and `make overlays`; without them it prints why they are left out.
Exits with status 1 if a figure breaks its bound.
"""

from __future__ import annotations

import sys
from itertools import chain

from bench.fleet import audits, cluster, idle, verdicts
from bench.fleet.figure import report
from bench.fleet.machine import described
from bench.ssh import late_hosts, many_hosts, one_sshd
from tests.support.hosts.overlay import why_missing

if __name__ == "__main__":
    print(described())
    why = why_missing()
    if why:
        print(f"no figures of hosts that are logged into: {why}")
    of_hosts = () if why else (many_hosts, one_sshd, late_hosts)
    modules = (audits, verdicts, cluster, idle, *of_hosts)
    sys.exit(report(chain.from_iterable(module.figures() for module in modules)))
