"""The hosts of cases looked at anew, without an audit: how they are logged into, and what is there now.

It knows configuration and discovery; it judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.config import logins
from audit.host.discovery import Discovery, discover, redacted
from audit.observation import Observation
from audit.probe import Target, observe
from remediate.model.case import Case
from remediate.model.options import RunOptions


@dataclass(frozen=True, slots=True)
class Access:
    """How hosts are logged into: the specifications that were given, and testinfra's own options."""

    hosts: tuple[str, ...] = field(default=(), repr=False)  # they may hold passwords
    testinfra: Mapping[str, Any] = field(default_factory=dict)


def revisit(cases: Iterable[Case], options: RunOptions, access: Access) -> tuple[Discovery, ...]:
    """Look at the hosts of these cases; raises BadConfiguration.

    A case knows its host without the password that may be needed: the one that was given for it is taken. Where a label
    tells two hosts of one name apart, all hosts are looked at, or it would be another's.
    """
    known = {redacted(host): host for host in (*options.configuration.hosts, *access.hosts)}
    wanted = {case.hostspec: known.get(case.hostspec, case.hostspec) for case in cases}
    if any("+" in case.host for case in cases):
        wanted = {**known, **wanted}
    return discover(logins(wanted.values(), options.configuration, access.testinfra), clock=options.clock)


def revisit_all(options: RunOptions, access: Access) -> tuple[Discovery, ...]:
    """Look at every host that is configured or given; raises BadConfiguration."""
    hosts = dict.fromkeys((*options.configuration.hosts, *access.hosts))
    return discover(logins(hosts, options.configuration, access.testinfra), clock=options.clock)


def seen_now(case: Case, discoveries: Iterable[Discovery], options: RunOptions) -> dict[str, Observation]:
    """Return what is seen of the endpoints of a case now, those that are there."""
    found = {str(target.endpoint): target for one in discoveries for target in one.targets}
    targets: list[Target] = [found[endpoint] for endpoint in case.endpoints if endpoint in found]
    seen: dict[str, Observation] = {}

    def keep(observation: Observation) -> None:
        seen[str(observation.endpoint)] = observation

    observe(targets, options.limits, clock=options.clock, report=keep, stop=options.stop)
    return seen
