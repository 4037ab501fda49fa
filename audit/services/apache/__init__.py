"""apache: reads its main configuration file and the files that it includes, by virtual host.

`Listen`, `VirtualHost` and the certificate directives are read. `<If>` and macros are not evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from audit.services.apache import sites
from audit.services.apache.syntax import address_and_port, host_names, read_apache_configuration, uses_tls
from audit.services.block_syntax import Block
from audit.services.config_files import absolute
from audit.services.model import ANY, ConfigDump, Listener, NamedFile, Service, pair


def read(dump: ConfigDump) -> tuple[Listener, ...]:
    """Return the TLS listeners of an apache configuration: the virtual hosts with `SSLEngine on`."""
    configuration = read_apache_configuration(dump)
    if configuration is None:
        return ()
    root, base = configuration.root, configuration.base
    listeners = (listener for host in [root, *configuration.hosts] for listener in _host_listeners(root, host, base))
    return tuple(replace(listener, unread=(*listener.unread, *configuration.unread)) for listener in listeners)


def _host_listeners(root: Block, host: Block, base: str) -> Iterator[Listener]:
    if not uses_tls(host, root):
        return
    files = _files(host, base) or _files(root, base)
    unread = tuple(
        f"the path {file.path!r} of apache contains an unknown variable" for file in files if "${" in file.path
    )
    known_files = tuple(file for file in files if "${" not in file.path)
    names = tuple(name for name in host_names(host) if not re.search(r"[*?$]", name))
    for port, addresses in _sockets(root, host):
        yield Listener("https", port, addresses, names, known_files, unread)


def _files(host: Block, base: str) -> tuple[NamedFile, ...]:
    """Return the pairs of a host: the keys in the order of the certificates; a file without a key contains its own."""
    certificates, keys, chains = (
        [absolute(base, arguments[0]) for arguments in host.values(name) if arguments and ":" not in arguments[0][:8]]
        for name in ("SSLCertificateFile", "SSLCertificateKeyFile", "SSLCertificateChainFile")
    )
    files: list[NamedFile] = []
    for index, certificate in enumerate(certificates):
        key = keys[index] if index < len(keys) else certificate
        files += pair(certificate, key, chains[-1] if chains and index == 0 else None)
    return tuple(files)


def _sockets(root: Block, host: Block) -> Iterator[tuple[int, tuple[str, ...]]]:
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


SERVICE: Final = Service("apache", ("apache2", "httpd"), ("-f", "-d"), read, sites.read)
