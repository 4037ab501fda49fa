"""Discovers hosts as an audit does, and prints the seconds and the number of endpoints as JSON.

python -m bench.ssh.discovery HOST...
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime

from audit.host.discovery import Login, discover
from audit.host.login import Connections


def main(hosts: list[str]) -> None:
    """Discover these hosts; the logins are those of root."""
    began = time.perf_counter()
    connections = Connections()
    try:
        logins = [Login(f"ssh://root@{host}", connections=connections) for host in hosts]
        found = discover(logins, clock=lambda: datetime.now(UTC), workers=connections.limits.at_once)
    finally:
        connections.close()
    print(json.dumps([time.perf_counter() - began, sum(len(discovery.targets) for discovery in found)]))


if __name__ == "__main__":
    main(sys.argv[1:])
