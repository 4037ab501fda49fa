"""Reads the addresses of `bind`: families, ranges of ports, and sockets that are not TCP."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from audit.endpoint import to_address
from audit.observation.website import ANY_IPV4, ANY_IPV6
from audit.services.model import ANY

_PORTS: Final = 64  # ports of one range that are read
_LAST_PORT: Final = 65_535
_PREFIX = re.compile(r"(?P<prefix>[a-z]+[0-9]?(?:\+[a-z]+[0-9]?)?)@")
_PLACE = re.compile(r"(?P<host>.*):(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?", re.DOTALL)
_NOT_TCP: Final = ("udp", "udp4", "udp6", "quic4", "quic6", "dgram", "uxdg")
_LOCAL: Final = ("unix", "uxst", "abns", "abnsz", "sockpair", "rhttp")


@dataclass(frozen=True, slots=True)
class BoundSocket:
    """The addresses and port of one TCP socket; `why` is a message if the addresses are not known.

    The port is 0 for a socket that no client of another host can reach.
    """

    addresses: tuple[str, ...]
    port: int
    why: str = ""


def sockets(text: str, options: Collection[str]) -> Iterator[BoundSocket]:
    """Yield the sockets of a `bind`, whose addresses are separated by commas."""
    for place in text.split(","):
        yield from _sockets(place, options)


def _sockets(place: str, options: Collection[str]) -> Iterator[BoundSocket]:
    match = _PREFIX.match(place)
    prefix, rest = (match["prefix"], place[match.end() :]) if match else ("", place)
    transport, _, family = prefix.rpartition("+")
    if transport == "dgram" or family in _NOT_TCP:
        return
    if rest.startswith("/") or family in _LOCAL:
        yield BoundSocket((), 0, f"haproxy serves TLS at {place}, which is not a TCP socket: it is not audited there")
    elif "${" in place:
        yield BoundSocket((), 0, f"haproxy takes the address {place} from a variable, known only at run time")
    elif family == "fd":
        yield BoundSocket((), 0, f"haproxy inherits the socket {place}: its address is not in the configuration")
    else:
        yield from _tcp_sockets(rest, family, options)


def _tcp_sockets(place: str, family: str, options: Collection[str]) -> Iterator[BoundSocket]:
    match = _PLACE.fullmatch(place)
    first = int(match["first"]) if match else 0
    last = int(match["last"] or first) if match else 0
    if not match or not 0 < first <= last <= _LAST_PORT:
        yield BoundSocket((), 0, f"haproxy cannot bind to {place}: it is not an address and a port")
        return
    addresses, why = _addresses(match["host"], family, options)
    for port in range(first, min(last, first + _PORTS - 1) + 1):
        yield BoundSocket(addresses, port, why)
    if last - first >= _PORTS:
        why = f"haproxy binds to {last - first + 1} ports at {place} (limit {_PORTS}): not all are read"
        yield BoundSocket((), 0, why)


def _addresses(host: str, family: str, options: Collection[str]) -> tuple[tuple[str, ...], str]:
    if host in ("", "*"):
        return _wildcard(is_ipv6=family.endswith("6"), options=options), ""
    address = "127.0.0.1" if host == "localhost" else to_address(host.partition("%")[0])
    if address == ANY_IPV6:
        return _wildcard(is_ipv6=True, options=options), ""
    if address:
        return (address,), ""
    return ANY, f"haproxy looks up the address {host!r} when it starts"


def _wildcard(*, is_ipv6: bool, options: Collection[str]) -> tuple[str, ...]:
    """Return all addresses of a family; an IPv6 socket accepts IPv4 too, which is the default of Linux."""
    if not is_ipv6:
        return (ANY_IPV4,)
    return (ANY_IPV6,) if "v6only" in options else ANY
