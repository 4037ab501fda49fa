"""Reads the sockets of nginx's servers from `listen`: their ports, their options, and the default server of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from audit.endpoint import to_address
from audit.observation.website import ANY_IPV4, ANY_IPV6
from audit.services.nginx.syntax import Directive

_LISTEN: Final = re.compile(r"(?:(?P<host>\[[^\]]*\]|[^:]*):)?(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?")
_MOST_PORTS: Final = 1000  # of one `listen` with a range


@dataclass(frozen=True, slots=True)
class Listen:
    """One socket of a server: its addresses and port, its options, and whether the server is the default there."""

    addresses: tuple[str, ...]
    port: int
    is_tls: bool
    is_default: bool = False
    expects_proxy: bool = False

    @property
    def place(self) -> tuple[str, int]:
        """The address and port as nginx compares them: `ipv6only=off` is an option of `[::]`, not another address."""
        return self.addresses[-1], self.port


def listen_sockets(
    servers: Sequence[Directive], bound: Sequence[tuple[str, int]] = ()
) -> dict[int, tuple[Listen, ...]]:
    """Return the TCP sockets of each server by its id, with the options of the socket and its default server.

    `bound` has the address and port of nginx's own sockets: a `listen` with a host name has those addresses that no
    other `listen` has.

    An option in the `listen` of one server applies to every server on that socket. The default server is the one with
    `default_server`, else the first.
    """
    by_server = {id(server): tuple(_listens(server)) for server in servers}
    literal = {
        (address, socket.port) for sockets in by_server.values() for socket in sockets for address in socket.addresses
    }
    other = [place for place in bound if place not in literal]
    by_server = {key: tuple(_resolved(socket, other) for socket in sockets) for key, sockets in by_server.items()}
    by_place: dict[tuple[str, int], list[tuple[int, Listen]]] = {}
    for key, sockets in by_server.items():
        for socket in sockets:
            by_place.setdefault(socket.place, []).append((key, socket))
    merged = {place: _merged([socket for _, socket in entries]) for place, entries in by_place.items()}
    defaults = {
        place: next((key for key, socket in entries if socket.is_default), entries[0][0])
        for place, entries in by_place.items()
    }
    return {
        key: tuple(
            replace(merged[place], is_default=defaults[place] == key)
            for place in dict.fromkeys(socket.place for socket in sockets)
        )
        for key, sockets in by_server.items()
    }


def _merged(sockets: Sequence[Listen]) -> Listen:
    return replace(
        max(sockets, key=lambda socket: len(socket.addresses)),
        is_tls=any(socket.is_tls for socket in sockets),
        expects_proxy=any(socket.expects_proxy for socket in sockets),
    )


def _resolved(socket: Listen, bound: Sequence[tuple[str, int]]) -> Listen:
    """Return a socket with addresses in place of a host name, if nginx has bound some."""
    if all(to_address(address) for address in socket.addresses):
        return socket
    return replace(
        socket, addresses=tuple(address for address, port in bound if port == socket.port) or socket.addresses
    )


def _listens(server: Directive) -> Iterator[Listen]:
    for socket, *options in _arguments(server) or [("80",)]:
        if socket.startswith("unix:") or "quic" in options:  # not TCP
            continue
        match = _LISTEN.fullmatch(socket)
        addresses = _addresses(match["host"] if match else socket, options)
        for port in _ports(match):
            yield Listen(
                addresses, port, "ssl" in options, "default_server" in options or "default" in options,
                "proxy_protocol" in options,
            )  # fmt: skip


def quic_ports(server: Directive) -> list[int]:
    """Return the UDP ports on which a server speaks QUIC."""
    matches = [_LISTEN.fullmatch(socket) for socket, *options in _arguments(server) if "quic" in options]
    return list(dict.fromkeys(port for match in matches for port in _ports(match)))


def _arguments(server: Directive) -> list[tuple[str, ...]]:
    return [directive.arguments for directive in server.all("listen") if directive.arguments]


def _ports(match: re.Match[str] | None) -> range:
    first = int(match["first"]) if match else 80
    last = int(match["last"] or first) if match else first
    return range(first, min(last, first + _MOST_PORTS - 1) + 1)


def _addresses(host: str | None, options: list[str]) -> tuple[str, ...]:
    if host in (None, "", "*", ANY_IPV4):
        return (ANY_IPV4,)
    if host == f"[{ANY_IPV6}]":
        return (ANY_IPV4, ANY_IPV6) if "ipv6only=off" in options else (ANY_IPV6,)
    return (host.strip("[]"),) if host and host != "localhost" else ("127.0.0.1",)
