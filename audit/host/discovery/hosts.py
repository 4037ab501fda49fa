"""Builds the targets of a run from hosts and endpoint URLs: each host and endpoint once, in a fixed order.

This module does not depend on pytest.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain, count
from typing import Any

from audit.endpoint import Endpoint
from audit.host.discovery.pool import DiscoveryPool, HostJob, HostSource
from audit.host.login import Bounds, Connections, Host, distinguish, hosts_of, inventory_of, limited_to, redacted
from audit.observation import Accident, Observation, ProbeFailure
from audit.probe.target import Target
from audit.services.declared import DeclaredService
from audit.services.model import Service


@dataclass(frozen=True, slots=True)
class Login:
    """A login to a host; the specification may match many hosts of an inventory, and may hold a password.

    `testinfra` holds the keyword arguments of `testinfra.get_hosts`. `name` and `addresses` of the host come from the
    configuration. `timeout_s` is the deadline of one command on the host; those of an inspection have twice that
    together. Commands share one login of `connections`; without it, each command logs in. If `discover` is false, only
    `services` are inspected.
    """

    hostspec: str
    testinfra: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    addresses: tuple[str, ...] = ()
    services: tuple[DeclaredService, ...] = ()
    timeout_s: float = 30.0
    discover: bool = True
    collector: str | None = None  # path of the only program that the login may run as root
    extensions: tuple[Service, ...] = ()  # services of other distributions, looked for like the built-in ones
    not_validated: tuple[str, ...] | None = None  # globs of names that no repair validates by HTTP; None: all names
    connections: Connections | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Discovery:
    """The result of one host: the observation of the host as a whole, and the targets found on it.

    A failed login is in the observation. `login` is the login that was used.
    """

    host: Observation
    targets: tuple[Target, ...] = ()
    login: Login | None = field(default=None, repr=False)  # its specification may hold a password


def discover(
    logins: Sequence[Login],
    *,
    clock: Callable[[], datetime],
    workers: int = 16,
    complete: Callable[[Discovery], Discovery] | None = None,
) -> tuple[Discovery, ...]:
    """Inspect each host once, several at a time; `clock` is the real time.

    They are in the order of the logins, and then those of inventories.

    A host's fault, or an exception of ours about it, is in its own Discovery and does not affect other hosts.
    """
    pool = begin_discovery(logins, clock=clock, workers=workers, complete=complete)
    try:
        return pool.rest(bool)
    finally:
        pool.close()  # after an interrupt: commands that still run are ended, not awaited


def begin_discovery(
    logins: Sequence[Login],
    *,
    clock: Callable[[], datetime],
    workers: int = 16,
    complete: Callable[[Discovery], Discovery] | None = None,
    stop: threading.Event | None = None,
) -> DiscoveryPool:
    """Begin to inspect each host once; `complete` adds to the Discovery of a host, in the thread of that host.

    `workers` hosts that make progress are inspected at the same time. `stop` ends the commands that run. Inventories
    are read meanwhile, and no other host waits for them.
    """
    jobs = _Jobs(_Work(clock, complete or _unchanged), stop or threading.Event())
    direct = list[Login]()
    by_inventory = dict[str, list[Login]]()
    for login in {login.hostspec: login for login in logins}.values():
        inventory = inventory_of(login.hostspec, login.testinfra)
        (direct if inventory is None else by_inventory.setdefault(inventory, [])).append(login)
    sources = [
        HostSource(f"the inventory {path}" if path else "ansible's inventory", partial(jobs.of, listed))
        for path, listed in by_inventory.items()
    ]
    return DiscoveryPool([*jobs.of(direct), *sources], workers, jobs.stop)


@dataclass(frozen=True, slots=True)
class _Jobs:
    """Makes the jobs of a run, whose hosts have labels that differ. Safe for threads."""

    work: _Work
    stop: threading.Event
    _taken: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, logins: Sequence[Login]) -> list[HostJob]:
        """Return the jobs of all hosts of these logins; an inventory is read first."""
        expansions = [_hosts_of(login, self.stop) for login in logins]
        with self._lock:
            distinguish([host for hosts in expansions if isinstance(hosts, tuple) for host in hosts], self._taken)
            expanded = zip(logins, expansions, strict=True)
            return [job for login, expansion in expanded for job in self._jobs_of(login, expansion)]

    def _jobs_of(self, login: Login, expansion: tuple[Host, ...] | ProbeFailure | Accident) -> Iterator[HostJob]:
        if isinstance(expansion, tuple):
            for host in expansion:
                yield HostJob(host.label, partial(_inspect_host, host, login, self.work))
        else:
            failed = _discovery_of_failure(login, expansion, self.work.clock(), self._taken)
            yield HostJob(str(failed.host.endpoint.host), partial(_known, failed))


def _unchanged(discovery: Discovery) -> Discovery:
    return discovery


def _known(discovery: Discovery, _responds: Callable[[], object]) -> Discovery:
    return discovery


@dataclass(frozen=True, slots=True)
class _Work:
    """What every inspection is made with: the real time, and the function that adds to what it found."""

    clock: Callable[[], datetime]
    complete: Callable[[Discovery], Discovery]


def _hosts_of(login: Login, stop: threading.Event) -> tuple[Host, ...] | ProbeFailure | Accident:
    try:
        hosts = hosts_of(login.hostspec, login.testinfra, Bounds(login.timeout_s, stop), login.connections)
    except Exception as error:  # noqa: BLE001 - the boundary of one host: the others are still inspected
        accident, without_password = Accident.of(error), redacted(login.hostspec)
        return Accident(*(text.replace(login.hostspec, without_password) for text in (accident.reason, accident.trace)))
    if login.collector and not isinstance(hosts, ProbeFailure):
        from audit.host.collector import collector_at  # noqa: PLC0415 - it is made of parts that import this module

        return tuple(limited_to(host, collector_at(login.collector, login.extensions)) for host in hosts)
    return hosts


def _inspect_host(host: Host, login: Login, work: _Work, responds: Callable[[], object]) -> Discovery:
    from audit.host.inspect import HostOptions, inspect  # noqa: PLC0415 - many modules, which only hosts need

    options = HostOptions(
        login.name, login.addresses, login.services, login.discover, login.extensions, login.not_validated
    )
    host.responds = responds
    try:
        return work.complete(Discovery(*inspect(host, options, work.clock), login))
    except Exception as error:  # noqa: BLE001 - the boundary of one host: the others are still inspected
        host_endpoint = Endpoint.of_host(host.label, host.hostspec)
        return Discovery(Observation(host_endpoint, work.clock(), accident=Accident.of(error)), login=login)


def _discovery_of_failure(login: Login, cause: ProbeFailure | Accident, now: datetime, taken: set[str]) -> Discovery:
    hostspec = redacted(login.hostspec)
    name = hostspec.rpartition("://")[2].partition("?")[0].rpartition("@")[2]
    base = re.sub(r"[^\w.-]+", "-", name).strip("-") or "host"
    candidates = chain([base], (f"{base}+{number}" for number in count(2)))
    label = next(candidate for candidate in candidates if candidate not in taken)
    taken.add(label)
    host_endpoint = Endpoint.of_host(label, hostspec)
    if isinstance(cause, Accident):
        return Discovery(Observation(host_endpoint, now, accident=cause))
    return Discovery(Observation(host_endpoint, now, failures=(cause,)))


def assemble(discoveries: Iterable[Discovery], endpoints: Iterable[Endpoint]) -> tuple[Target, ...]:
    """Return all targets to probe, sorted and each once: those found on hosts, and the endpoints that were named."""
    declared = {str(endpoint): Target(endpoint) for endpoint in endpoints}
    discovered = {str(target.endpoint): target for discovery in discoveries for target in discovery.targets}
    return tuple(sorted((declared | discovered).values(), key=lambda target: target.endpoint.order))
