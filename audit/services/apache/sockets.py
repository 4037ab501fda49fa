"""Reads the sockets of apache's virtual hosts, and whether each speaks TLS.

The first virtual host of a socket decides. `SSLEngine` decides for a host; without it, a host with a certificate uses
TLS if the `Listen` of its first address is for HTTPS, as that of port 443 is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from audit.observation.website import ANY_IPV4, ANY_IPV6
from audit.services.block_syntax import Block
from audit.services.model import ANY

_HTTPS_PORT: Final = "443"


def address_and_port(text: str) -> tuple[str | None, int | None] | None:
    """Split `443`, `*:443`, `192.0.2.1:443`, `[::]:443`, `_default_:443` and `192.0.2.1`; None for a host name."""
    match = re.fullmatch(r"(?:(?P<host>\[[0-9a-fA-F:.]+\]|\*|_default_|[0-9.]+):)?(?P<port>[0-9]{1,5}|\*)", text)
    if not match:
        address = text.strip("[]")
        return (address, None) if re.fullmatch(r"[0-9a-fA-F:.]*[.:][0-9a-fA-F:.]*", address) else (
            (None, None) if text in ("*", "_default_") else None
        )  # fmt: skip
    host, port = match["host"], match["port"]
    is_any = host in (None, "*", "_default_", ANY_IPV4)
    return None if is_any else host.strip("[]"), None if port == "*" else int(port)


def host_sockets(root: Block, host: Block) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the port and addresses of each `Listen` socket that the addresses and ports of a virtual host include."""
    listens = [
        socket for arguments in root.values("Listen") if arguments and (socket := address_and_port(arguments[0]))
    ]
    hosts = [pair for argument in host.arguments if (pair := address_and_port(argument))] or [(None, None)]
    for port in dict.fromkeys(number for _, number in listens if number):
        bound = [address for address, number in listens if number == port]
        addresses = [
            address
            for socket_address in bound
            for host_address, number in hosts
            if number in (None, port)
            for address in _common_addresses(socket_address, host_address)
        ]
        if addresses:
            yield port, tuple(dict.fromkeys(addresses))


def _common_addresses(socket_address: str | None, host_address: str | None) -> tuple[str, ...]:
    """Return the addresses that a socket and a virtual host have in common; None is every address."""
    if socket_address is not None and host_address is not None and socket_address != host_address:
        return ()
    address = host_address or socket_address
    return ANY if address is None else (address,)


def uses_tls(host: Block, root: Block, *, has_certificate: bool) -> bool:
    """Return whether a virtual host, or the main server, uses TLS on its sockets."""
    engine = host.last("SSLEngine") or root.last("SSLEngine")
    if engine:
        return engine.lower() in ("on", "optional")
    return has_certificate and host is not root and _is_for_https(host, root)


def _is_for_https(host: Block, root: Block) -> bool:
    listens = [words for words in root.values("Listen") if words]
    for argument in host.arguments:
        for words in listens:
            protocol = words[1].lower() if len(words) > 1 else ""
            if _is_same_socket(argument, words[0]):
                return (protocol or ("https" if _port(words[0]) == _HTTPS_PORT else "http")) == "https"
    return False


def _is_same_socket(argument: str, listen: str) -> bool:
    """Return whether apache takes the address of a virtual host for that of a `Listen`: `*` is `0.0.0.0` and `[::]`."""
    if _port(argument) != _port(listen) or not _port(listen).isdecimal():
        return False
    own, bound = (text.rpartition(":")[0] for text in (argument, listen))
    bound = f"[{ANY_IPV6}]" if bound in ("", "*") else bound
    return own == bound or (own in ("*", "_default_") and bound in (f"[{ANY_IPV6}]", ANY_IPV4))


def _port(text: str) -> str:
    return text.rpartition(":")[2]
