"""Observes again what a repair affected: the hosts from inside, the endpoints from outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from audit.endpoint import parse_id
from audit.host.discovery import Discovery, Login, discover
from audit.observation.tls_support import TlsSupport
from audit.probe import Target
from pytest_sslaudit.controller import Controller
from pytest_sslaudit.targets import with_validation_probes
from remediate.model.case import Case
from remediate.model.outcome import CaseResult


def affected_ids(
    case_results: Iterable[CaseResult], targets: Sequence[Target], planned: Iterable[Case] = ()
) -> frozenset[str]:
    """Return the ids of all endpoints of the services that were worked on, and of their hosts.

    A service that was reloaded may serve something else on every endpoint, not only on those that were repaired. So may
    an unknown one with the same certificate, if it passes connections to a known one.
    """
    cases = [case_result.case for case_result in case_results if case_result.ended_as != "waiting"]
    services = {(case.host, service) for case in cases for service in case.services}
    endpoints = {endpoint for case in cases for endpoint in case.endpoints}
    begun = {case.id for case in cases}
    endpoints.update(endpoint for case in planned if case.id in begun for endpoint in case.left_out)
    for target in targets:
        service = target.server.service if target.server else target.endpoint.service
        if (target.endpoint.host, service) in services:
            endpoints.add(str(target.endpoint))
    target_ids = {str(target.endpoint) for target in targets}
    return frozenset(endpoints & target_ids | {f"{case.host}/" for case in cases})


def observe_again(controller: Controller, ids: frozenset[str]) -> None:
    """Inspect the hosts of these ids again, and observe the endpoints among them."""
    hosts = {str(endpoint.host) for endpoint in map(parse_id, ids) if endpoint.is_host}
    discoveries = discover(
        _logins(controller.hosts.discoveries, hosts),
        clock=lambda: datetime.now(UTC),
        complete=partial(with_validation_probes, settings=controller.settings, stop=controller.stop),
    )
    fresh = {str(target.endpoint): target for discovery in discoveries for target in discovery.targets}
    for discovery in discoveries:
        if str(discovery.host.endpoint) in ids:
            controller.observations.keep(discovery.host, "after")
    affected = [target for target in controller.hosts.targets if str(target.endpoint) in ids]
    chosen = [
        replace(fresh.get(str(target.endpoint), target), known_tls=_tls_before(controller, target))
        for target in affected
    ]
    controller.observations.observe(chosen, "after")


def _tls_before(controller: Controller, target: Target) -> Mapping[str, TlsSupport]:
    """Return by address what the first observation found of the TLS configuration, which no repair changes."""
    seen = controller.run.store.observation_or_accident(target.endpoint)
    return {handshake.address: handshake.tls for handshake in seen.handshakes if handshake.tls}


def _logins(discoveries: Iterable[Discovery], hosts: set[str]) -> tuple[Login, ...]:
    """Return the logins of these hosts. If a label depends on the other hosts, return the logins of all hosts."""
    labelled = [(discovery.login, str(discovery.host.endpoint.host)) for discovery in discoveries if discovery.login]
    is_numbered = any("+" in label for _, label in labelled)
    return tuple({login.hostspec: login for login, label in labelled if is_numbered or label in hosts}.values())
