"""The inspection of hosts in the background: what has ended is returned while other hosts hang."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

import pytest

from audit.endpoint import Endpoint
from audit.host.discovery import Discovery, DiscoveryPool
from audit.host.discovery.pool import HostJob, HostSource
from audit.host.discovery.slots import Pacing
from audit.observation import Observation

LONG_S = 600.0
IMPATIENT = Pacing(silent_s=0.0, busy_s=LONG_S, settle_s=0.0, inventory_s=0.0)
PATIENT = Pacing(silent_s=LONG_S, busy_s=LONG_S, settle_s=0.0, inventory_s=LONG_S)
INVENTORIES = {"inventory": ("listed1", "listed2")}


def found(label: str) -> Discovery:
    return Discovery(Observation(Endpoint.of_host(label, f"ssh://{label}"), datetime(2026, 1, 1, tzinfo=UTC)))


def known(label: str, _responds: Callable[[], None]) -> Discovery:
    return found(label)


def names(discoveries: tuple[Discovery, ...]) -> list[str | None]:
    return [discovery.host.endpoint.host for discovery in discoveries]


class Hosts:
    """Hosts whose inspection ends when the test releases it, or when the run stops."""

    def __init__(self, *labels: str) -> None:
        self.stop = threading.Event()
        self.gates = {label: threading.Event() for label in labels}
        self.begun: list[str] = []
        self.talked = threading.Event()
        self.pools: list[DiscoveryPool] = []

    def work(self, label: str) -> Callable[[Callable[[], None]], Discovery]:
        def inspect(responds: Callable[[], None]) -> Discovery:
            self.begun.append(label)
            if label.startswith("talking"):
                responds()
                self.talked.set()
            self.gates[label].wait()
            return found(label)

        return inspect

    def pool(self, size: int, pacing: Pacing) -> DiscoveryPool:
        jobs = [self.inventory(label) if label in INVENTORIES else self.job(label) for label in self.gates]
        self.pools.append(DiscoveryPool(jobs, size, self.stop, pacing))
        return self.pools[-1]

    def job(self, label: str) -> HostJob:
        return HostJob(label, self.work(label))

    def inventory(self, label: str) -> HostSource:
        """Return an inventory that is read when the test releases it; the inspection of its hosts ends at once."""

        def read() -> list[HostJob]:
            self.gates[label].wait()
            return [HostJob(host, partial(known, host)) for host in INVENTORIES[label]]

        return HostSource(label, read)

    def release(self, *labels: str) -> None:
        for label in labels:
            self.gates[label].set()


@pytest.fixture
def hosts() -> Iterator[Callable[..., Hosts]]:
    """Return a function that makes hosts; none of their threads outlives the test."""
    made: list[Hosts] = []

    def make(*labels: str) -> Hosts:
        made.append(Hosts(*labels))
        return made[-1]

    yield make
    for group in made:
        group.release(*group.gates)
        for pool in group.pools:
            pool.close()


def test_all_hosts_are_returned_in_the_order_of_the_logins(hosts: Callable[..., Hosts]) -> None:
    group = hosts("a", "b", "c")
    group.release("a", "b", "c")
    pool = group.pool(1, PATIENT)
    assert names(pool.rest(bool)) == ["a", "b", "c"]
    assert pool.awaited == ()
    assert pool.more(bool) == ()


def test_hanging_hosts_named_first_do_not_hold_up_the_others(hosts: Callable[..., Hosts]) -> None:
    group = hosts("hanging1", "hanging2", "well1", "well2")
    group.release("well1", "well2")
    pool = group.pool(1, IMPATIENT)
    ended = names(pool.first(bool, least=1))
    while len(ended) < 2:
        ended += names(pool.more(bool))
    assert sorted(map(str, ended)) == ["well1", "well2"]
    assert pool.awaited == ("hanging1", "hanging2")


def test_hanging_hosts_are_returned_when_they_end(hosts: Callable[..., Hosts]) -> None:
    group = hosts("hanging", "well")
    group.release("well")
    pool = group.pool(2, IMPATIENT)
    assert names(pool.first(bool, least=1)) == ["well"]
    group.release("hanging")
    assert names(pool.more(bool)) == ["hanging"]
    assert pool.more(bool) == ()


def test_host_that_responds_is_awaited(hosts: Callable[..., Hosts]) -> None:
    group = hosts("talking", "hanging")
    pool = group.pool(2, IMPATIENT)
    group.talked.wait()
    assert names(pool.first(lambda: group.release("talking"), least=0)) == ["talking"]


def test_nothing_is_awaited_if_all_hosts_hang_and_none_is_needed(hosts: Callable[..., Hosts]) -> None:
    pool = hosts("hanging").pool(1, IMPATIENT)
    assert pool.first(bool, least=0) == ()
    assert pool.awaited == ("hanging",)


def test_first_host_is_awaited_if_one_is_needed(hosts: Callable[..., Hosts]) -> None:
    group = hosts("hanging1", "hanging2")
    pool = group.pool(2, IMPATIENT)
    assert names(pool.first(lambda: group.release("hanging2"), least=1)) == ["hanging2"]


def test_each_host_is_news_once(hosts: Callable[..., Hosts]) -> None:
    group = hosts("a", "b")
    group.release("a")
    pool = group.pool(1, PATIENT)
    pool.more(bool)
    assert names(pool.news()) == ["a"]
    group.release("b")
    pool.rest(bool)
    assert names(pool.news()) == ["b"]
    assert pool.news() == ()


def test_closed_pool_begins_no_further_host(hosts: Callable[..., Hosts]) -> None:
    group = hosts("a", "b")
    pool = group.pool(1, PATIENT)
    pool.first(lambda: group.stop.set() if group.begun else None, least=0)
    group.release("a", "b")
    pool.close()
    assert group.begun == ["a"]
    assert group.stop.is_set()


def test_pool_whose_hosts_have_ended_closes_without_stopping_the_run(hosts: Callable[..., Hosts]) -> None:
    group = hosts("a")
    group.release("a")
    pool = group.pool(1, PATIENT)
    pool.rest(bool)
    pool.close()
    assert not group.stop.is_set()


def test_exception_of_the_inspection_is_raised(hosts: Callable[..., Hosts]) -> None:
    def broken(_responds: object) -> Discovery:
        raise SystemExit("broken")

    pool = DiscoveryPool([HostJob("a", broken)], 1, hosts().stop, PATIENT)
    with pytest.raises(SystemExit, match="broken"):
        pool.rest(bool)
    pool.close()


def test_hosts_of_an_inventory_are_inspected_when_it_was_read(hosts: Callable[..., Hosts]) -> None:
    group = hosts("inventory", "well")
    group.release("inventory", "well")
    pool = group.pool(2, PATIENT)
    assert names(pool.first(bool, least=1)) == ["well", "listed1", "listed2"]
    assert (pool.hosts, pool.awaited, pool.more(bool)) == (("well", "listed1", "listed2"), (), ())


def test_hanging_inventory_does_not_hold_up_other_hosts(hosts: Callable[..., Hosts]) -> None:
    group = hosts("inventory", "well")
    group.release("well")
    pool = group.pool(1, IMPATIENT)
    assert names(pool.first(bool, least=1)) == ["well"]
    assert (pool.hosts, pool.awaited, pool.remaining) == (("well", "inventory"), ("inventory",), ("inventory",))
    group.release("inventory")
    assert {*names(pool.more(bool)), *names(pool.more(bool))} == {"listed1", "listed2"}
    assert pool.remaining == ()


def test_inventory_alone_is_awaited_if_a_host_is_needed(hosts: Callable[..., Hosts]) -> None:
    group = hosts("inventory")
    pool = group.pool(1, IMPATIENT)
    assert pool.first(bool, least=0) == ()
    assert names(pool.first(lambda: group.release("inventory"), least=1))[0] in INVENTORIES["inventory"]


def test_exception_of_an_inventory_is_raised(hosts: Callable[..., Hosts]) -> None:
    def broken() -> list[HostJob]:
        raise SystemExit("broken")

    pool = DiscoveryPool([HostSource("inventory", broken)], 1, hosts().stop, PATIENT)
    with pytest.raises(SystemExit, match="broken"):
        pool.rest(bool)
    pool.close()
