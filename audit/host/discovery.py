"""Turns hosts and endpoint URLs into targets: each host and each endpoint once, in a fixed order.

The network is used only through `audit.probe`. Options of pytest are unknown here.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, count
from typing import Any

from audit.endpoint import Endpoint, UnusableLine, parse_endpoints
from audit.host.inspect import HostOptions, inspect
from audit.host.login import Host, distinguish, hosts_of, limited_to, redacted
from audit.observation import Accident, Observation, ProbeFailure
from audit.probe.target import Target
from audit.services.declared import DeclaredService

__all__ = [
    "DeclaredService",
    "Discovery",
    "Login",
    "UnusableLine",
    "assemble",
    "discover",
    "parse_endpoints",
    "redacted",
]


@dataclass(frozen=True, slots=True)
class Login:
    """How a host is logged into; the specification may mean many hosts of an inventory, and may hold a password.

    `testinfra` are the keyword arguments of `testinfra.get_hosts`, `name` and `addresses` what the configuration says
    of the host, `timeout_s` the deadline of one command there. Without `discover` only those
    services are looked at.
    """

    hostspec: str
    testinfra: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    addresses: tuple[str, ...] = ()
    services: tuple[DeclaredService, ...] = ()
    timeout_s: float = 30.0
    discover: bool = True
    collector: str | None = None  # path of the only program that the login may run as root


@dataclass(frozen=True, slots=True)
class Discovery:
    """What one host gave: the observation of the host as a whole, or why there is none, and the targets found on it.

    `login` is what it was logged into by.
    """

    host: Observation
    targets: tuple[Target, ...] = ()
    login: Login | None = field(default=None, repr=False)  # its specification may hold a password


def discover(logins: Sequence[Login], *, clock: Callable[[], datetime], workers: int = 16) -> tuple[Discovery, ...]:
    """Look at each host once, several at a time, in the order of the logins; `clock` is the real time.

    A host's fault, or an exception of ours about it, is in its own Discovery and costs no other host more than a place
    among the workers.
    """
    wanted = list({login.hostspec: login for login in logins}.values())
    expanded = [_hosts_of(login) for login in wanted]
    hosts = distinguish([host for hosts in expanded if isinstance(hosts, tuple) for host in hosts])
    taken = {host.label for host in hosts}
    stop = threading.Event()
    pool = ThreadPoolExecutor(max(1, workers), thread_name_prefix="sslaudit-host")
    try:
        seen: list[Future[Discovery] | Discovery] = []
        for login, found in zip(wanted, expanded, strict=True):
            if not isinstance(found, tuple):
                seen.append(_refused(login, found, clock(), taken))
                continue
            for host in found:
                host.stop = stop
                seen.append(pool.submit(_look, host, login, clock))
        return tuple(one if isinstance(one, Discovery) else one.result() for one in seen)
    except BaseException:
        stop.set()  # an interrupt: what still runs is ended, not waited for
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _hosts_of(login: Login) -> tuple[Host, ...] | ProbeFailure | Accident:
    try:
        found = hosts_of(login.hostspec, login.testinfra, login.timeout_s)
    except Exception as error:  # noqa: BLE001 - the boundary of one host: the others are still looked at
        accident, shown = Accident.of(error), redacted(login.hostspec)
        return Accident(*(text.replace(login.hostspec, shown) for text in (accident.reason, accident.trace)))
    if login.collector and not isinstance(found, ProbeFailure):
        from audit.host.collector import collector_at  # noqa: PLC0415 - it is made of parts that import this module

        return tuple(limited_to(host, collector_at(login.collector)) for host in found)
    return found


def _look(host: Host, login: Login, clock: Callable[[], datetime]) -> Discovery:
    wishes = HostOptions(login.name, login.addresses, login.services, login.discover)
    try:
        return Discovery(*inspect(host, wishes, clock), login)
    except Exception as error:  # noqa: BLE001 - the boundary of one host: the others are still looked at
        whole = Endpoint.of_host(host.label, host.hostspec)
        return Discovery(Observation(whole, clock(), accident=Accident.of(error)), login=login)


def _refused(login: Login, why: ProbeFailure | Accident, now: datetime, taken: set[str]) -> Discovery:
    shown = redacted(login.hostspec)
    name = shown.rpartition("://")[2].partition("?")[0].rpartition("@")[2]
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-") or "host"
    label = next(one for one in chain([plain], (f"{plain}+{number}" for number in count(2))) if one not in taken)
    taken.add(label)
    whole = Endpoint.of_host(label, shown)
    if isinstance(why, Accident):
        return Discovery(Observation(whole, now, accident=why))
    return Discovery(Observation(whole, now, failures=(why,)))


def assemble(discoveries: Iterable[Discovery], endpoints: Iterable[Endpoint]) -> tuple[Target, ...]:
    """Return all that is to be probed, sorted and each once: what was found on hosts, and what was named."""
    named = {str(endpoint): Target(endpoint) for endpoint in endpoints}
    found = {str(target.endpoint): target for discovery in discoveries for target in discovery.targets}
    return tuple(sorted((named | found).values(), key=lambda target: target.endpoint.order))
