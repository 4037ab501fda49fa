"""Returns apache's websites of plain HTTP: the virtual hosts, their sockets and their names.

apache selects by address and port. `docroot.py` returns the folder that a virtual host serves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from audit.observation.website import ANY_IPV4, ANY_IPV6, Website
from audit.services.apache.certificates import host_files
from audit.services.apache.docroot import VirtualHost, host_docroot
from audit.services.apache.logs import apache_logs
from audit.services.apache.sockets import address_and_port, uses_tls
from audit.services.apache.syntax import ApacheConfiguration, host_names, read_apache_configuration
from audit.services.block_syntax import Block
from audit.services.config_files import to_port
from audit.services.model import ANY, ConfigDump

HostAddresses = Mapping[int, Sequence[tuple[str | None, int | None]]]
"""The addresses and ports of each virtual host, by the id of its block; None is every address or port."""
_UNKNOWN_ADDRESS: Final = "?"


def read(dump: ConfigDump) -> tuple[Website, ...]:
    """Return the websites of an apache configuration."""
    configuration = read_apache_configuration(dump)
    return tuple(_websites(configuration)) if configuration else ()


def _websites(configuration: ApacheConfiguration) -> Iterator[Website]:
    listens = [words[0] for words in configuration.root.values("Listen") if words]
    sockets = [(listen, socket) for listen in listens if (socket := address_and_port(listen))]
    for port in dict.fromkeys(number for _, (_, number) in sockets if number):
        bound = [address for listen, (_, number) in sockets if number == port for address in _bound_addresses(listen)]
        yield from _websites_at_port(configuration, port, list(dict.fromkeys(bound)))


def _bound_addresses(listen: str) -> tuple[str, ...]:
    """Return the addresses of a `Listen`; a socket of all IPv6 addresses accepts IPv4 too (the default of Linux)."""
    if listen.startswith(f"{ANY_IPV4}:"):
        return (ANY_IPV4,)
    address = (address_and_port(listen) or (None, None))[0]
    return ANY if address in (None, ANY_IPV6) else (address,)


def _websites_at_port(configuration: ApacheConfiguration, port: int, bound: list[str]) -> Iterator[Website]:
    """Yield the websites at one port in the order of the configuration; the main server if there are no others."""
    root = configuration.root
    host_addresses = {id(block): list(_host_addresses(block, port)) for block in configuration.hosts}
    hosts = [block for block in configuration.hosts if host_addresses[id(block)]]
    addresses = dict.fromkeys(bound)
    if not {ANY_IPV4, ANY_IPV6}.isdisjoint(bound):
        addresses |= dict.fromkeys(
            address
            for host in hosts
            for address, _ in host_addresses[id(host)]
            if address not in (None, _UNKNOWN_ADDRESS)
        )
    sockets: dict[tuple[int, bool], list[str]] = {}
    for address in addresses:
        candidates = _hosts_at(hosts, host_addresses, None if address in ANY else address) or [root]
        has_certificate = bool(host_files(candidates[0], configuration))
        if uses_tls(candidates[0], root, has_certificate=has_certificate):
            continue
        for host in candidates:
            sockets.setdefault((id(host), host is candidates[0]), []).append(address)
    for host in [*hosts, root]:
        for is_default in (True, False):
            served = sockets.get((id(host), is_default))
            if served:
                yield _website(VirtualHost(host, configuration, port), tuple(served), is_default=is_default)


def _host_addresses(host: Block, port: int) -> Iterator[tuple[str | None, int | None]]:
    """Yield the addresses of a virtual host for a port or for all ports; the address of a host name is not known."""
    for word in host.arguments:
        port_text = word.rpartition(":")[2]
        address, number = address_and_port(word) or (_UNKNOWN_ADDRESS, to_port(port_text) or port)
        if number in (None, port):
            yield None if address == ANY_IPV6 else address, number


def _hosts_at(hosts: Sequence[Block], host_addresses: HostAddresses, address: str | None) -> list[Block]:
    """Return the candidates for an address: the virtual hosts of this address, else those of all addresses.

    apache keeps the hosts for every port apart from those for this port, and uses the kind that comes first.
    """
    for candidate in dict.fromkeys((address, None)):
        matches = [
            (host, host_address, port)
            for host in hosts
            for host_address, port in host_addresses[id(host)]
            if host_address in (candidate, _UNKNOWN_ADDRESS)
        ]
        ports = [port for _, host_address, port in matches if host_address == candidate]
        selected = {
            id(host): host
            for host, host_address, port in matches
            if host_address == _UNKNOWN_ADDRESS or port == ports[0]
        }
        if selected and (ports or candidate is None):
            return list(selected.values())
    return []


def _website(host: VirtualHost, addresses: tuple[str, ...], *, is_default: bool) -> Website:
    """Return a website; a host without a name has that of the main server."""
    block, configuration = host.block, host.configuration
    texts = host_names(block) or host_names(configuration.root)
    names = tuple(f"~{text}" if "${" in text else text.lower() for text in texts)
    result = host_docroot(host)
    docroot, reason = (None, result) if isinstance(result, str) else (result, "")
    logs = apache_logs([] if block is configuration.root else [block], configuration)
    return Website("apache", "first", host.port, addresses, names, is_default, docroot, reason, logs)
