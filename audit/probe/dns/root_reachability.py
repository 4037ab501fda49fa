"""Checks whether a trace can begin from here: one root server that responds is enough.

It sends a query to the next root server if the one before is slow. It follows no referral.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Final

import dns.name
import dns.rdatatype

from audit.probe.deadline import Deadline
from audit.probe.dns.iterative import TraceLimits
from audit.probe.dns.query import DnsQuery, DnsResponse, Nameserver, send_query
from audit.probe.dns.root_servers import RootServer

REACH_S: Final = 4.0
"""The deadline of a first response: a response from another continent takes a third of a second."""

_NEXT_S: Final = 0.1  # between two servers: a near one has responded by then, so few queries are sent
_QUESTION: Final = DnsQuery(dns.name.root, dns.name.root, dns.rdatatype.NS)


def why_unreached(
    hints: tuple[RootServer, ...], limits: TraceLimits, stop: threading.Event, *, within_s: float = REACH_S
) -> str | None:
    """Return why no trace can begin, or None if a root server sends its NS records; raises Stopped.

    In closed networks no response comes, or a resolver responds in place of the root servers.
    """
    deadline = Deadline.after(within_s)
    roots = sorted((address for server in hints for address in server.addresses), key=lambda root: ":" in root)
    responses: queue.SimpleQueue[DnsResponse] = queue.SimpleQueue()
    faults: list[str] = []
    begun = 0
    for wait_s in deadline.waits(stop, _NEXT_S):
        if len(faults) == len(roots):
            break
        if begun < len(roots):
            nameserver = Nameserver(roots[begun], limits.port, deadline, limits.max_bytes)
            threading.Thread(target=_query_into, args=(responses, nameserver), daemon=True).start()
            begun += 1
        try:
            response = responses.get(timeout=wait_s)
        except queue.Empty:
            continue
        if response.kind == "addresses":  # the NS records of the root zone
            return None
        faults.append(response.detail or f"it returns {response.rcode}")
    return _unreached(faults, len(roots))


def _query_into(responses: queue.SimpleQueue[DnsResponse], nameserver: Nameserver) -> None:
    try:
        responses.put(send_query(_QUESTION, nameserver))
    except OSError as error:  # out of sockets or memory: no query can be sent either
        responses.put(DnsResponse("unreachable", str(error)))


def _unreached(faults: Sequence[str], total: int) -> str:
    silent = total - len(faults)
    counted = Counter([*faults, *["no response in time"] * silent])
    reasons = ", ".join(f"{number} times {fault}" for fault, number in counted.most_common())
    return f"none of {total} addresses of root servers responds: {reasons}"
