"""The lines of a results file that are about some hosts: nobody is sent what was found on another's.

It knows which host an endpoint's id names; it judges nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from remediate.notify.report import host_of


def excerpt(results: bytes, hosts: Collection[str]) -> bytes:
    """Return the lines about these hosts, and what is said of the run as a whole; what is no line of ours is not."""
    return b"".join(line for line in results.splitlines(keepends=True) if _is_about(line, hosts))


def _is_about(line: bytes, hosts: Collection[str]) -> bool:
    try:
        row = json.loads(line)
    except ValueError:
        return False
    if not isinstance(row, dict):
        return False
    endpoint = row.get("endpoint")
    return host_of(endpoint) in hosts if isinstance(endpoint, str) else row.get("kind") in ("run", "summary")
