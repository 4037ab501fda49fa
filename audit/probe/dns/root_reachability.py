"""Whether a trace can begin from here: one root server that answers is enough.

It asks the next one where the one before takes its time; it follows no referral and remembers nothing.
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
"""How long a first response is waited for: one from the other side of the world takes a third of a second."""

_NEXT_S: Final = 0.1  # between two servers: a near one has responded by then, so few are asked
_QUESTION: Final = DnsQuery(dns.name.root, dns.name.root, dns.rdatatype.NS)


def why_unreached(
    hints: tuple[RootServer, ...], limits: TraceLimits, stop: threading.Event, *, within_s: float = REACH_S
) -> str | None:
    """Return why no trace can begin, None if a root server responds as one; raises Stopped.

    In closed networks nothing comes back, or a resolver answers in their place.
    """
    deadline = Deadline.after(within_s)
    addresses = sorted((address for server in hints for address in server.addresses), key=lambda one: ":" in one)
    answers: queue.SimpleQueue[DnsResponse] = queue.SimpleQueue()
    faults: list[str] = []
    begun = 0
    for wait_s in deadline.waits(stop, _NEXT_S):
        if len(faults) == len(addresses):
            break
        if begun < len(addresses):
            nameserver = Nameserver(addresses[begun], limits.port, deadline, limits.max_bytes)
            threading.Thread(target=_ask_into, args=(answers, nameserver), daemon=True).start()
            begun += 1
        try:
            answer = answers.get(timeout=wait_s)
        except queue.Empty:
            continue
        if answer.kind == "addresses":  # the NS records of the root zone
            return None
        faults.append(answer.detail or f"it answers {answer.rcode}")
    return _told(faults, len(addresses))


def _ask_into(answers: queue.SimpleQueue[DnsResponse], nameserver: Nameserver) -> None:
    try:
        answers.put(send_query(_QUESTION, nameserver))
    except OSError as error:  # out of sockets or memory: no query can be sent either
        answers.put(DnsResponse("unreachable", str(error)))


def _told(faults: Sequence[str], every: int) -> str:
    silent = every - len(faults)
    counted = Counter([*faults, *["no answer in time"] * silent])
    reasons = ", ".join(f"{number} times {why}" for why, number in counted.most_common())
    return f"none of {every} addresses of root servers answers: {reasons}"
