"""Chunks have at most 200 endpoints, and those of one first address are audited by one worker."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from audit.endpoint import parse_endpoint
from audit.fleet import Chunk, ChunkTarget
from audit.observation import DnsView
from pytest_sslaudit.fleet.choice import worker_count
from pytest_sslaudit.fleet.plan import Batch, batches, shared_addresses


def target(name: str, *addresses: str) -> ChunkTarget:
    """Return a target that was resolved to these addresses."""
    return ChunkTarget(parse_endpoint(f"https://{name}"), ("cert.expired",), dns=DnsView("ok", addresses))


def names(batch: Batch) -> list[list[str]]:
    """Return the names of the endpoints in each chunk of a batch."""
    return [[target.endpoint.name for target in chunk.targets] for chunk in batch]


def everything(planned: Sequence[Batch]) -> list[str]:
    """Return the names in all batches, sorted."""
    return sorted(name for batch in planned for chunk in names(batch) for name in chunk)


def test_endpoints_of_one_first_address_are_in_one_batch() -> None:
    shared = [target(f"s{number}.example", "192.0.2.1", "192.0.2.9") for number in range(450)]
    others = [target(f"o{number}.example", f"198.51.100.{number}", "192.0.2.1") for number in range(100)]
    mixed = [one for pair in zip(shared, others, strict=False) for one in pair] + shared[100:]
    planned = batches(mixed, 2)
    holding = [batch for batch in planned if any(name.startswith("s") for chunk in names(batch) for name in chunk)]
    assert len(holding) == 1
    assert everything(planned) == sorted(one.endpoint.name for one in mixed)


def test_no_chunk_is_too_large_and_every_chunk_has_its_number() -> None:
    planned = batches([target(f"n{number}.example", f"10.0.{number % 7}.1") for number in range(3000)], 2)
    chunks = [chunk for batch in planned for chunk in batch]
    assert max(len(chunk.targets) for chunk in chunks) == 200
    assert sorted(chunk.number for chunk in chunks) == list(range(1, len(chunks) + 1))
    assert [len(batch) for batch in planned] == sorted(map(len, planned), reverse=True)


@pytest.mark.parametrize(("endpoints", "workers"), [(200, 2), (400, 4), (5000, 2), (40, 2)])
def test_workers_that_take_turns_end_together(endpoints: int, workers: int) -> None:
    planned = batches(
        [target(f"n{number}.example", f"10.{number >> 8}.{number & 255}.1") for number in range(endpoints)], workers
    )
    sizes = [len(chunk.targets) for batch in planned for chunk in batch]
    busy = [0] * workers
    for size in sizes:
        busy[busy.index(min(busy))] += size
    assert sum(sizes) == endpoints
    assert max(busy) - min(busy) <= 10
    assert min(sizes[:-1]) == 10
    assert max(sizes) == min(200, max(10, -(-endpoints // (3 * workers))))


def test_name_without_an_address_counts_as_its_own_address() -> None:
    unresolved = [target("gone.example"), target("gone.example"), target("lost.example")]
    address = ChunkTarget(parse_endpoint("https://[2001:db8::1]"), ())
    assert everything(batches([*unresolved, address], 1)) == [
        "2001:db8::1", "gone.example", "gone.example", "lost.example",
    ]  # fmt: skip


def test_addresses_of_several_chunks_are_shared() -> None:
    literal = ChunkTarget(parse_endpoint("https://10.0.0.9"), ())
    chunks = (
        Chunk(1, (target("a.example", "10.0.0.1", "10.0.0.2"), target("b.example", "10.0.0.1"))),
        Chunk(2, (target("c.example", "10.0.0.2"), target("gone.example"), literal)),
        Chunk(3, (target("d.example", "10.0.0.2", "10.0.0.9"),)),
    )
    assert shared_addresses(chunks) == {"10.0.0.2": 3, "10.0.0.9": 2}


@pytest.mark.parametrize(
    ("cores", "endpoints", "workers"), [(8, 1000, 8), (8, 120, 2), (8, 99, 0), (1, 1000, 0), (2, 0, 0)]
)
def test_auto_starts_no_more_workers_than_endpoints_are_worth(
    cores: int, endpoints: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    assert worker_count("auto", endpoints) == workers


@pytest.mark.parametrize(("wanted", "endpoints", "workers"), [(4, 1000, 4), (4, 3, 3), (4, 0, 0), (None, 1000, 0)])
def test_number_of_workers_is_that_of_the_user(wanted: int | None, endpoints: int, workers: int) -> None:
    assert worker_count(wanted, endpoints) == workers
