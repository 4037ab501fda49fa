"""Discovers the hosts of cases again, without an audit, and observes their endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.config import logins
from audit.host.discovery import Discovery, discover, redacted
from audit.host.login import Connections
from audit.observation import Observation
from audit.probe import Target, observe
from remediate.model.case import Case
from remediate.model.options import RunOptions


@dataclass(frozen=True, slots=True)
class Access:
    """How to log in to hosts: the host specifications that were given, testinfra's options, and the connections."""

    hosts: tuple[str, ...] = field(default=(), repr=False)  # they may hold passwords
    testinfra: Mapping[str, Any] = field(default_factory=dict)
    connections: Connections = field(default_factory=Connections)


def rediscover(cases: Iterable[Case], options: RunOptions, access: Access) -> tuple[Discovery, ...]:
    """Discover the hosts of these cases; raises BadConfiguration.

    A case stores its host without a password, so the password comes from the specification that was given. If a label
    distinguishes two hosts of the same name, all hosts are discovered, so that labels stay the same.
    """
    with_passwords = {redacted(host): host for host in (*options.configuration.hosts, *access.hosts)}
    hostspecs = {case.hostspec: with_passwords.get(case.hostspec, case.hostspec) for case in cases}
    if any("+" in case.host for case in cases):
        hostspecs = {**with_passwords, **hostspecs}
    return _discovered(hostspecs.values(), options, access)


def rediscover_all(options: RunOptions, access: Access) -> tuple[Discovery, ...]:
    """Discover every host that is configured or given; raises BadConfiguration."""
    hosts = dict.fromkeys((*options.configuration.hosts, *access.hosts))
    return _discovered(hosts, options, access)


def _discovered(hosts: Iterable[str], options: RunOptions, access: Access) -> tuple[Discovery, ...]:
    connections = access.connections
    return discover(
        logins(hosts, options.configuration, access.testinfra, connections),
        clock=options.clock,
        workers=connections.limits.at_once,
    )


def observe_case(case: Case, discoveries: Iterable[Discovery], options: RunOptions) -> dict[str, Observation]:
    """Observe the endpoints of a case that were found; return the observations by endpoint."""
    targets_by_id = {str(target.endpoint): target for discovery in discoveries for target in discovery.targets}
    targets: list[Target] = [targets_by_id[endpoint] for endpoint in case.endpoints if endpoint in targets_by_id]
    seen: dict[str, Observation] = {}

    def keep(observation: Observation) -> None:
        seen[str(observation.endpoint)] = observation

    observe(targets, options.limits, clock=options.clock, report=keep, stop=options.stop)
    return seen
