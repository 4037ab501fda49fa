"""Turns listening sockets into endpoints, one for each name with the addresses that reach it, and these into targets.

A target has the view of the service behind its endpoint. This module does no I/O and does not depend on the service.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from audit.endpoint import WILDCARD_LABEL, BadEndpoint, Endpoint, to_address, to_name
from audit.host.certificate_owner import installed_yet, is_snakeoil, owner_of
from audit.host.files import missing_rights
from audit.host.found_services import FoundPanel, FoundService
from audit.host.handshake import HostInside
from audit.host.login import Host
from audit.host.system import HostFacts, covers
from audit.observation import HostView, InstalledFile
from audit.observation.website import ANY_IPV4, ANY_IPV6
from audit.probe.target import Target
from audit.services.model import Listener, NamedFile, nowhere
from audit.text import matches_glob
from audit.x509.identifiers import host_name_faults

_CONTAINERS: Final = ("docker", "podman", "kubectl", "openshift")
"""The kinds of login that lead into a container."""


@dataclass(frozen=True, slots=True)
class ServiceListener:
    """A listener, and the service and process that it belongs to."""

    service: str
    pid: int
    listener: Listener


@dataclass(frozen=True, slots=True)
class PlacedEndpoint:
    """An endpoint with the addresses to connect to from here, and those that only the host itself can reach."""

    endpoint: Endpoint
    source: ServiceListener
    addresses: tuple[str, ...]
    inside_addresses: tuple[str, ...]


def host_name(view: HostView) -> str:
    """Return the name to expect of a service without a name: the host's, or its label if the host has no valid name."""
    if view.stand_in:
        return view.stand_in
    for name in (view.fqdn, view.label.strip("[]").partition("+")[0]):
        try:
            return to_name(name or "")
        except BadEndpoint:
            continue
    return "localhost"


def endpoints_of(
    sources: Iterable[ServiceListener], own_name: str, facts: HostFacts, view: HostView
) -> Iterator[PlacedEndpoint]:
    """Yield each endpoint once, sorted; if several services share a name and port, each is pinned to its address."""
    by_id: dict[str, list[PlacedEndpoint]] = {}
    for source in sources:
        if not 0 < source.listener.port < 65_536:  # a configuration may contain any number
            continue
        addresses, inside = _reach(source.listener, facts, view)
        for name in _names(source.listener, own_name):
            listener = source.listener
            endpoint = Endpoint(
                listener.scheme, name, listener.port, host=view.label, hostspec=view.hostspec, service=source.service
            )
            by_id.setdefault(str(endpoint), []).append(PlacedEndpoint(endpoint, source, addresses, inside))
    resolved = (placed for group in by_id.values() for placed in _resolved(group))
    yield from sorted(resolved, key=lambda placed: placed.endpoint.order)


def for_own_name(service: str, listeners: Sequence[Listener], own_name: str) -> Iterator[Listener]:
    """Yield the listeners of a service, so that only one has the host's own name at an address.

    If another listener has the name, or a wildcard for it, a default is not for it, and is named as not audited.
    """
    rivals = {id(listener): _rival(listener, listeners, own_name) for listener in listeners if listener.is_default}
    with_wildcard = {id(rival) for rival in rivals.values() if rival and own_name not in rival.names}
    for listener in listeners:
        rival = rivals.get(id(listener))
        if rival is None:
            names = (*listener.names, own_name) if id(listener) in with_wildcard else listener.names
            yield replace(listener, names=names)
        elif listener.files and listener.files != rival.files:
            what = f"{service} serves {listener.files[0].path} at port {listener.port} for other names"
            why = f"{what}, but none of them is known: to audit it, declare an endpoint with a name"
            yield replace(nowhere(*listener.unread, why), files=listener.files)
        elif listener.unread:
            yield nowhere(*listener.unread)


def _rival(default: Listener, listeners: Sequence[Listener], own_name: str) -> Listener | None:
    """Return the listener that has the host's own name in place of a default, by itself or by a wildcard."""
    for name in (own_name, f"{WILDCARD_LABEL}.{own_name.partition('.')[2]}"):
        for listener in listeners:
            is_there = (listener.scheme, listener.port) == (default.scheme, default.port)
            if is_there and name in listener.names and _includes(listener.addresses, default.addresses):
                return listener
    return None


def _includes(addresses: Sequence[str], others: Sequence[str]) -> bool:
    """Return whether addresses as bound include others; a wildcard includes all of its family."""
    return all(other in addresses or (ANY_IPV6 if ":" in other else ANY_IPV4) in addresses for other in others)


def _names(listener: Listener, own_name: str) -> Iterator[str]:
    usable = []
    for name in listener.names:
        try:
            usable.append(to_name(name))
        except BadEndpoint:  # a daemon accepts any text as a name; no client can send this one
            continue
    yield from dict.fromkeys(usable or [own_name])


def _resolved(group: Sequence[PlacedEndpoint]) -> Iterator[PlacedEndpoint]:
    """Join the listeners of one service with one certificate and one protocol; pin all others to their addresses."""
    kinds: dict[tuple[object, ...], list[PlacedEndpoint]] = {}
    for placed in group:
        source, listener = placed.source, placed.source.listener
        kind = (source.service, source.pid, listener.files, listener.proxy_protocol)
        kinds.setdefault(kind, []).append(placed)
    joined = [_joined(placements) for placements in kinds.values()]
    if len(joined) == 1:
        yield from joined
        return
    pinned: set[str] = set()
    for placed in joined:
        for address in (*placed.addresses, *placed.inside_addresses):
            if address not in pinned:
                pinned.add(address)
                yield _pinned(placed, address)


def _joined(group: Sequence[PlacedEndpoint]) -> PlacedEndpoint:
    addresses = tuple(dict.fromkeys(address for placed in group for address in placed.addresses))
    inside = tuple(dict.fromkeys(address for placed in group for address in placed.inside_addresses))
    return replace(group[0], addresses=addresses, inside_addresses=inside)


def _pinned(placed: PlacedEndpoint, address: str) -> PlacedEndpoint:
    return PlacedEndpoint(
        replace(placed.endpoint, address=address),
        placed.source,
        (address,) if address in placed.addresses else (),
        (address,) if address in placed.inside_addresses else (),
    )


def _reach(listener: Listener, facts: HostFacts, view: HostView) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the addresses of a listener that can be reached from here, and those only the host itself can reach."""
    candidates = list(dict.fromkeys(_addresses_of(listener, view)))
    live = facts.listening(listener.port)
    answering = [address for address in candidates if any(covers(bound, address) for bound in live)]
    # behind NAT the host does not have the address, so its sockets do not show the listener
    usable = {*answering, *view.configured_addresses}
    chosen = [address for address in candidates if address in usable] or candidates
    loopback = [address for address in chosen if ipaddress.ip_address(address).is_loopback]
    others = tuple(address for address in chosen if address not in loopback)
    if facts.shares_network:
        return (*others, *loopback), ()
    return others, tuple(loopback)


def _addresses_of(listener: Listener, view: HostView) -> Iterator[str]:
    """Yield the addresses of a listener; for a wildcard the host's own, or loopback if it has none."""
    own_addresses = view.configured_addresses or view.addresses
    for text in listener.addresses:
        address = to_address(text)
        if address in (ANY_IPV4, ANY_IPV6):
            family = [own for own in own_addresses if (":" in own) == (address == ANY_IPV6)]
            yield from family or ([] if own_addresses else ["127.0.0.1" if address == ANY_IPV4 else "::1"])
        elif address and not ipaddress.ip_address(address).is_link_local:
            yield address


@dataclass(frozen=True, slots=True)
class Inspection:
    """The services of a host, their files, and its panel."""

    services: Sequence[FoundService]
    files: Mapping[NamedFile, InstalledFile]
    panel: FoundPanel | None


def view_of(host: Host, facts: HostFacts, name: str | None, addresses: tuple[str, ...]) -> HostView:
    """Return the view of a host; its name and the addresses seen from outside may be configured by the user."""
    view = HostView(
        host.label, host.hostspec, name or facts.fqdn, facts.addresses, addresses, facts.clock_offset_s,
        facts.is_cpanel, not_inspected=facts.not_inspected,
    )  # fmt: skip
    if name or "." in (facts.fqdn or "") or not (facts.is_container or host.backend.NAME in _CONTAINERS):
        return view
    return replace(view, stand_in=host_name(replace(view, fqdn=None)))


def targets_of(host: Host, view: HostView, facts: HostFacts, inspection: Inspection) -> Iterator[Target]:
    """Yield each endpoint of the host's services; a host that is not inspected makes no handshakes itself."""
    inside = None if facts.not_inspected else HostInside(host)
    sources = [
        ServiceListener(service.name, service.pid, listener)
        for service in inspection.services
        for listener in service.listeners
    ]
    by_place = {(service.name, service.pid): service for service in inspection.services}
    for placed in endpoints_of(sources, host_name(view), facts, view):
        service, listener = by_place[placed.source.service, placed.source.pid], placed.source.listener
        installed = tuple(inspection.files[file] for file in listener.files)
        agent = owner_of(installed, facts.acme_sh)
        installed = installed_yet(installed, agent)
        word = inspection.panel.word(service.name, installed) if inspection.panel else None
        server = replace(_server(view, service, listener, installed), agent=agent, panel_service=word)
        yield Target(placed.endpoint, placed.addresses, placed.inside_addresses, server, inside)


def _server(
    view: HostView, service: FoundService, listener: Listener, installed: tuple[InstalledFile, ...]
) -> HostView:
    """Return the view of a service through one of its listeners, without the owner of its certificate."""
    return replace(
        view, service=service.name, service_running=service.pid != 0, service_since=service.since,
        config_test=service.test, files=installed, snakeoil=is_snakeoil(installed),
        missing_rights=tuple(dict.fromkeys([*service.missing, *listener.unread, *missing_rights(installed)])),
        proxy_protocol=listener.proxy_protocol, unread=listener.unread,
    )  # fmt: skip


def validated_names(targets: Iterable[Target], excluded: Sequence[str]) -> tuple[str, ...]:
    """Return the names that a repair of the host's certificates has validated by HTTP: those with a file and a domain.

    A certificate of another agent is not repaired.
    """
    names = (
        target.endpoint.name
        for target in targets
        if target.server and target.server.files and not target.server.agent and not target.needs_no_address
    )
    usable = (name for name in names if not host_name_faults(name) and to_address(name) is None)
    return tuple(sorted({name for name in usable if not any(matches_glob(glob, name) for glob in excluded)}))
