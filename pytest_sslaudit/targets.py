"""Finds what a run audits: the endpoints that the user names, and those that are found on hosts."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from audit.config import BadConfiguration, host_of, logins
from audit.endpoint import Endpoint, UnusableLine, parse_endpoints
from audit.host.discovery import Discovery, DiscoveryPool, Login, Tick, assemble, begin_discovery
from audit.host.login import Connections
from audit.probe import Target
from audit.probe.http.validation_request import probe_validation_paths
from pytest_sslaudit.evidence import Inventory
from pytest_sslaudit.settings import Settings

NOTHING = (
    "nothing to audit: name hosts to log into with --hosts=ssh://root@web1 or --ansible-inventory, "
    "or endpoints with --audit-endpoint=https://www.example.com or --audit-endpoints=FILE"
)


@dataclass(frozen=True, slots=True)
class Gathered:
    """A part of what a run audits: its targets, and the discovered hosts with their observations."""

    inventory: Inventory
    targets: tuple[Target, ...] = ()
    discoveries: tuple[Discovery, ...] = ()

    def __add__(self, other: Gathered) -> Gathered:
        """Return both parts as one, in order."""
        targets = tuple(sorted((*self.targets, *other.targets), key=lambda target: target.endpoint.order))
        hosts = tuple(sorted((*self.inventory.hosts, *other.inventory.hosts), key=lambda host: host.order))
        inventory = replace(self.inventory, endpoints=tuple(target.endpoint for target in targets), hosts=hosts)
        return Gathered(inventory, targets, (*self.discoveries, *other.discoveries))


class Gathering:
    """What a run audits: the endpoints that the user names, and hosts that are inspected in the background."""

    def __init__(self, nothing: Inventory, named: tuple[Endpoint, ...], pool: DiscoveryPool) -> None:
        """Take the inventory without endpoints, the named ones, and the inspection of the hosts, which has begun."""
        self._nothing, self._named, self.pool = nothing, named, pool

    def first(self, tick: Tick, *, waits_for_all: bool) -> Gathered:
        """Return the named endpoints, and the hosts that have ended when the others are slow, or all hosts."""
        least = 0 if self._named else 1
        discoveries = self.pool.rest(tick) if waits_for_all else self.pool.first(tick, least=least)
        return self._gathered(discoveries, self._named)

    def more(self, tick: Tick) -> Gathered | None:
        """Wait until further hosts have ended, and return them; None if there are none."""
        discoveries = self.pool.more(tick)
        return self._gathered(discoveries, ()) if discoveries else None

    def _gathered(self, discoveries: tuple[Discovery, ...], endpoints: tuple[Endpoint, ...]) -> Gathered:
        targets = assemble(discoveries, endpoints)
        hosts = tuple(sorted((discovery.host.endpoint for discovery in discoveries), key=lambda host: host.order))
        inventory = replace(self._nothing, endpoints=tuple(target.endpoint for target in targets), hosts=hosts)
        return Gathered(inventory, targets, discoveries)


def begin_gathering(
    config: pytest.Config, settings: Settings, connections: Connections, stop: threading.Event
) -> Gathering:
    """Read the endpoint files and begin to log into the hosts; raises pytest.UsageError, Exit (5) for nothing to audit.

    `stop` ends the inspection of the hosts.
    """
    started = _now()
    named, unusable = _read_files(config, settings)
    endpoints = (*settings.endpoints, *named)
    if unusable and not endpoints and not settings.hosts:
        first = unusable[0]
        raise pytest.UsageError(f"no line names an endpoint; {first.source}, line {first.number}: {first.why}")
    try:
        host_logins = logins(settings.hosts, settings.configuration, settings.testinfra, connections)
    except BadConfiguration as error:
        raise pytest.UsageError(str(error)) from error
    if not endpoints and not host_logins:
        pytest.exit(NOTHING, returncode=pytest.ExitCode.NO_TESTS_COLLECTED)
    host_logins = tuple(_with_validation(login, settings) for login in host_logins)
    complete = partial(with_validation_probes, settings=settings, stop=stop)
    pool = begin_discovery(host_logins, clock=_now, workers=settings.login_limits.at_once, complete=complete, stop=stop)
    return Gathering(Inventory(started, (), (), unusable), endpoints, pool)


def _now() -> datetime:
    return datetime.now(UTC)


def _with_validation(login: Login, settings: Settings) -> Login:
    """Return a login; if certificates of its host may be repaired, with the names that no repair validates."""
    is_repaired = host_of(settings.configuration, login.hostspec).remediate
    return replace(login, not_validated=settings.not_validated) if is_repaired else login


def with_validation_probes(discovery: Discovery, settings: Settings, stop: threading.Event) -> Discovery:
    """Return a discovery with the HTTP probes of the names to validate: the requests that a CA would send."""
    return replace(discovery, host=probe_validation_paths(discovery.host, settings.limits, stop))


def _read_files(config: pytest.Config, settings: Settings) -> tuple[list[Endpoint], tuple[UnusableLine, ...]]:
    endpoints: list[Endpoint] = []
    unusable: list[UnusableLine] = []
    for file in settings.endpoints_files:
        good, bad = parse_endpoints(_text(config, file), "standard input" if file == "-" else file)
        endpoints += good
        unusable += bad
    return endpoints, tuple(unusable)


def _text(config: pytest.Config, file: str) -> str:
    if file == "-":
        return _standard_input(config)
    try:
        return Path(file).expanduser().read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise pytest.UsageError(f"--audit-endpoints {file}: {error.strerror}") from error


def _standard_input(config: pytest.Config) -> str:
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        return sys.stdin.read()
    capture.suspend_global_capture(in_=True)  # pytest replaced it by /dev/null
    try:
        return sys.stdin.read()
    finally:
        capture.resume_global_capture()
