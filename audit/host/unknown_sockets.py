"""Finds the TLS sockets that belong to no known service, by one handshake each from the host itself.

Well-known ports come first. Ports of protocols without TLS are not tried. At the ports of ManageSieve and LMTP,
STARTTLS is tried, because other services use these ports too. A known service can have TLS that is not read from its
configuration: of a module, or passed through to another server.

On a host that is not inspected nothing is tried: the well-known ports decide.
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from audit.host.found_services import FoundService
from audit.host.system import HostFacts
from audit.host.trust import load_shell
from audit.observation import UNKNOWN
from audit.observation.website import Website
from audit.services.declared import DeclaredService, listeners_of
from audit.services.model import Listener, Section

Socket = tuple[str, int, frozenset[int]]
_PLAIN: Final = frozenset({22, 53, 80, 111, 631, 1433, 1521, 2049, 3306, 5432, 6379, 9100, 11211, 27017})
_STARTTLS: Final = {21: "ftp", 25: "smtp", 110: "pop3", 143: "imap", 587: "smtp"}
_TRIED_STARTTLS: Final = {4190: "sieve", 24: "lmtp"}
_IMPLICIT: Final = {
    443: "https", 8443: "https", 9443: "https", 2083: "https", 2087: "https", 2096: "https",
    465: "smtps", 993: "imaps", 995: "pop3s", 990: "ftps",
    636: "tls", 853: "tls", 5061: "tls", 5671: "tls", 6514: "tls", 6697: "tls", 8883: "tls",
}  # fmt: skip
_SCHEMES: Final = _STARTTLS | _TRIED_STARTTLS | _IMPLICIT
_MAX_SOCKETS: Final = 64  # sockets tried on one host, well-known ports first; 32 at once, four seconds each at most

TRY: Final = load_shell("audit.host", "unknown_sockets")


@dataclass(frozen=True, slots=True)
class KnownSockets:
    """The sockets that need no handshake, and by address and port a message for each other one of a known service."""

    claimed: frozenset[tuple[str, int]]
    unlisted: Mapping[tuple[str, int], str]


def known_sockets(services: Sequence[FoundService], websites: Collection[Website], facts: HostFacts) -> KnownSockets:
    """Return the sockets of known services: those at the ports of their listeners and of plain HTTP are claimed."""
    ports = {listener.port for service in services for listener in service.listeners}
    claimed = {(address, port) for address, port, _ in facts.sockets if port in ports}
    plain = {site.port for site in websites}
    unlisted: dict[tuple[str, int], str] = {}
    for service in services:
        for place in facts.ports_of(service.pid) if service.pid > 0 else ():
            if place in claimed or _needs_no_handshake(place[1], is_plain=place[1] in plain):
                claimed.add(place)
            else:
                unlisted[place] = f"the configuration of {service.name}, as it was read, has no TLS at port {place[1]}"
    return KnownSockets(frozenset(claimed), unlisted)


def _needs_no_handshake(port: int, *, is_plain: bool) -> bool:
    """Return whether a socket of a known service is not tried: its port, or the service itself, has plain text.

    A port of HTTPS is tried even if the service seems to speak plain HTTP there.
    """
    return port in _PLAIN or port in _STARTTLS or (is_plain and port not in _IMPLICIT)


def _unclaimed(sockets: Sequence[Socket], claims: Collection[tuple[str, int]]) -> list[tuple[str, int]]:
    places = {(address, port) for address, port, _ in sockets} - set(claims)
    candidates = (place for place in places if place[1] not in _PLAIN)
    return sorted(candidates, key=lambda place: (place[1] not in _IMPLICIT and place[1] not in _TRIED_STARTTLS, place))


def places_to_try(sockets: Sequence[Socket], claims: Collection[tuple[str, int]]) -> tuple[str, ...]:
    """Return the sockets of unknown services to try; STARTTLS protocols are recognized by their port."""
    candidates = [place for place in _unclaimed(sockets, claims) if place[1] not in _STARTTLS][:_MAX_SOCKETS]
    return tuple(map(_place, candidates))


def script_for_unknown_sockets(places: Sequence[str]) -> Iterator[str]:
    """Yield the script line that tries these places."""
    if places:
        yield f"section unknown_sockets try_sockets {' '.join(map(shlex.quote, places))}\n"


def untried(sockets: Sequence[Socket], claims: Collection[tuple[str, int]]) -> tuple[str, ...]:
    """Return a message if there are more sockets of unknown services than are tried."""
    candidates = [place for place in _unclaimed(sockets, claims) if place[1] not in _STARTTLS]
    ports = ", ".join(str(port) for port in sorted({port for _, port in candidates[_MAX_SOCKETS:]})[:20])
    if not ports:
        return ()
    number = f"{len(candidates)} sockets belong to no known service (limit {_MAX_SOCKETS})"
    return (f"{number}: TLS was not tried at the ports {ports}",)


def _place(place: tuple[str, int]) -> str:
    """Return where a socket is reached on its host, and after a slash the protocol that begins in plain text."""
    address, port = place
    if ipaddress.ip_address(address).is_unspecified:
        address = "127.0.0.1" if "." in address else "::1"
    protocol = f"/{_TRIED_STARTTLS[port]}" if port in _TRIED_STARTTLS else ""
    return f"[{address}]:{port}{protocol}" if ":" in address else f"{address}:{port}{protocol}"


def read_unknown_sockets(
    sockets: Sequence[Socket], claims: Collection[tuple[str, int]], section: Section | None
) -> tuple[Listener, ...]:
    """Return a listener for each socket that spoke TLS; without openssl on the host, the port alone decides."""
    words = set(section.text.split()) if section else set()
    listeners: list[Listener] = []
    for address, port in _unclaimed(sockets, claims):
        is_tls = _place((address, port)) in words or ("no-openssl" in words and port in _IMPLICIT)
        if port in _STARTTLS or is_tls:
            listeners.append(Listener(_SCHEMES.get(port, "tls"), port, (address,)))
    return tuple(listeners)


def services_from_outside(facts: HostFacts, declared: Sequence[DeclaredService]) -> tuple[FoundService, ...]:
    """Return the declared services of a host that is not inspected, and one for its other listening sockets."""
    return (*_declared(declared, facts), *_unknown(facts, declared))


def _declared(services: Sequence[DeclaredService], facts: HostFacts) -> Iterator[FoundService]:
    for service in services:
        listeners = tuple(_without_files(listener, facts) for listener in listeners_of(service))
        yield FoundService(service.name, -1, None, None, listeners)


def _without_files(listener: Listener, facts: HostFacts) -> Listener:
    """Return a listener that is probed at the addresses of its name if it is not known where it listens."""
    addresses = listener.addresses if facts.listening(listener.port) else ()
    return replace(listener, files=(), addresses=addresses)


def _unknown(facts: HostFacts, declared: Sequence[DeclaredService]) -> Iterator[FoundService]:
    ports = {listener.port for service in declared for listener in listeners_of(service)}
    sockets = [socket for socket in facts.sockets if socket[1] not in ports and not _is_loopback(socket[0])]
    listeners = read_unknown_sockets(sockets, (), Section("no-openssl"))  # the ports decide
    if listeners:
        yield FoundService(UNKNOWN, -1, None, None, listeners)


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback
