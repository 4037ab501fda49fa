"""apache: reads the configuration that apache itself dumps, or its files, by virtual host.

`Listen`, `VirtualHost` and the certificate directives are read, and the domains of mod_md. `<If>` is not evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from audit.endpoint import WILDCARD_LABEL
from audit.observation import ProxyProtocol
from audit.services.apache import sites
from audit.services.apache.certificates import host_files
from audit.services.apache.sockets import host_sockets, uses_tls
from audit.services.apache.syntax import ApacheConfiguration, host_names, read_apache_configuration
from audit.services.block_syntax import Block
from audit.services.model import ConfigDump, Listener, Service, beside_bound, nowhere


def read(dump: ConfigDump) -> tuple[Listener, ...]:
    """Return the TLS listeners of an apache configuration."""
    configuration = read_apache_configuration(dump)
    if configuration is None:
        return ()
    macros = (f"apache expands the unknown macro {use!r}" for use in _unknown_macros(configuration))
    unread = (*configuration.unread, *macros)
    listeners = tuple(_listeners(configuration))
    if not listeners and unread:
        return (nowhere(*unread),)
    placed = beside_bound(listeners, dump.addresses)
    return tuple(replace(listener, unread=(*listener.unread, *unread)) for listener in placed)


def _unknown_macros(configuration: ApacheConfiguration) -> Iterator[str]:
    for block in (configuration.root, *configuration.hosts):
        yield from (" ".join(arguments)[:100] for arguments in block.values("Use"))


def _listeners(configuration: ApacheConfiguration) -> Iterator[Listener]:
    """Yield the listeners of each host at the sockets with TLS: the first host of a socket decides."""
    root = configuration.root
    first: dict[tuple[str, int], bool] = {}
    for host in configuration.hosts:
        has_tls = uses_tls(host, root, has_certificate=bool(host_files(host, configuration)))
        for port, addresses in host_sockets(root, host):
            served = tuple(address for address in addresses if first.setdefault((address, port), has_tls))
            if served and has_tls:
                yield _listener(host, port, served, configuration)
    for port, addresses in host_sockets(root, root) if uses_tls(root, root, has_certificate=False) else ():
        free = tuple(address for address in addresses if (address, port) not in first)
        if free:
            yield _listener(root, port, free, configuration)


def _listener(host: Block, port: int, addresses: tuple[str, ...], configuration: ApacheConfiguration) -> Listener:
    files = host_files(host, configuration)
    unread = tuple(
        f"the path {file.path!r} of apache contains an unknown variable" for file in files if "${" in file.path
    )
    known_files = tuple(file for file in files if "${" not in file.path)
    names = host_names(host)
    concrete = tuple(name for name in names if not re.search(r"[*?$]", name))
    wildcards = tuple(name.replace("*", WILDCARD_LABEL, 1) for name in names if re.fullmatch(r"\*\.[^*?$]+", name))
    return Listener(
        "https", port, addresses, concrete or wildcards, known_files, unread, _proxy_protocol(host, configuration.root)
    )


def _proxy_protocol(host: Block, root: Block) -> ProxyProtocol:
    """Return which clients must send the header of the PROXY protocol; with `Optional` no client must."""
    if (host.last("RemoteIPProxyProtocol") or root.last("RemoteIPProxyProtocol") or "off").lower() != "on":
        return "never"
    has_exceptions = any(block.values("RemoteIPProxyProtocolExceptions") for block in (host, root))
    return "some-clients" if has_exceptions else "always"


_TASKS: Final = r" -([vVlLtSMh?]|k ?((graceful-)?stop |(restart|graceful) .*\(attached\) $))"
"""The options after which apache ends. `-k restart` and `-k graceful` start the daemon if there is none."""

SERVICE: Final = Service(
    "apache", ("apache2", "httpd"), ("-f", "-d"), read, sites.read, has_own_program=True, tasks=_TASKS
)
