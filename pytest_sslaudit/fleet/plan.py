"""Plans which endpoints are audited together: names are resolved first, and those of one address stay together."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Final

from audit.endpoint import Endpoint, to_address
from audit.fleet.chunk import MOST_ENDPOINTS, Chunk, ChunkTarget
from audit.observation import DnsView
from audit.probe import Limits
from audit.probe.dns.resolver import resolve
from audit.probe.thread_pool import BoundedThreadPool, Job

_LEAST: Final = 10  # endpoints of a chunk: a reply crosses for so many on another machine
_ROUNDS: Final = 3  # of chunks in which the workers could do what is left: so they end at about the same time
Batch = tuple[Chunk, ...]
"""Chunks that one worker audits in order."""


def resolved(targets: Sequence[ChunkTarget], limits: Limits, stop: threading.Event) -> tuple[ChunkTarget, ...]:
    """Return the targets with the addresses of their names, each resolved once; a worker resolves what is missing."""
    names = dict.fromkeys(target.endpoint.connect_to for target in targets if not _is_address(target.endpoint))
    views = dict[str, DnsView]()
    stop_jobs = threading.Event()
    pool = BoundedThreadPool(limits.concurrency, limits.per_address, stop_jobs)
    try:
        for name in names:
            work = partial(resolve, name, limits, stop_jobs)
            pool.submit(Job(None, work, partial(views.__setitem__, name), lambda _: None))
        pool.run(stop)
    finally:
        pool.shutdown()
    return tuple(replace(target, dns=views.get(target.endpoint.connect_to)) for target in targets)


def batches(targets: Iterable[ChunkTarget], workers: int) -> tuple[Batch, ...]:
    """Return the batches of an audit, the longest first. All endpoints of one first address are in one batch.

    Each batch of one chunk is smaller than those before it: at the end no worker has much more to do than another.
    """
    groups = defaultdict[str, list[ChunkTarget]](list)
    for target in targets:
        groups[_first_address(target)].append(target)
    number = count(1)
    planned = [
        tuple(Chunk(next(number), tuple(together[at : at + size])) for at in range(0, len(together), size))
        for together, size in _packed(groups, workers)
    ]
    return tuple(sorted(planned, key=len, reverse=True))


def _packed(groups: Mapping[str, list[ChunkTarget]], workers: int) -> Iterator[tuple[list[ChunkTarget], int]]:
    """Yield whole groups in lists, each with the size of its chunks; a group that is larger than that is alone."""
    left = sum(map(len, groups.values()))
    size, packed = _chunk_size(left, workers), list[ChunkTarget]()
    for group in sorted(groups.values(), key=len, reverse=True):
        if packed and len(packed) + len(group) > size:
            yield packed, size
            left -= len(packed)
            size, packed = _chunk_size(left, workers), []
        packed.extend(group)
    if packed:
        yield packed, size


def _chunk_size(left: int, workers: int) -> int:
    return min(MOST_ENDPOINTS, max(_LEAST, -(-left // (_ROUNDS * workers))))


def _first_address(target: ChunkTarget) -> str:
    """Return where an endpoint is connected to first; the name if it has no address."""
    addresses = target.dns.addresses if target.dns else ()
    return next(iter(addresses), target.endpoint.connect_to)


def shared_addresses(chunks: Iterable[Chunk]) -> Mapping[str, int]:
    """Return the addresses that several chunks have, with the number of chunks."""
    counts = Counter(address for chunk in chunks for address in addresses_of(chunk))
    return {address: number for address, number in counts.items() if number > 1}


def addresses_of(chunk: Chunk) -> frozenset[str]:
    """Return the addresses of the endpoints of a chunk, as far as they are known before it is audited."""
    resolved = {address for target in chunk.targets if target.dns for address in target.dns.addresses}
    given = {address for target in chunk.targets if (address := to_address(target.endpoint.connect_to))}
    return frozenset(resolved | given)


def _is_address(endpoint: Endpoint) -> bool:
    return to_address(endpoint.connect_to) is not None
