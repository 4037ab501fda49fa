"""apache: reads the files that `-D DUMP_INCLUDES` lists, or those that its includes name, by virtual host.

`Listen`, `VirtualHost` and the certificate directives are read. `<If>` and macros are not evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from audit.services.apache import sites
from audit.services.apache.syntax import names, place, read_apache_configuration, speaks_tls
from audit.services.block_syntax import Block
from audit.services.config_files import absolute
from audit.services.model import ANY, ConfigDump, Listener, NamedFile, Service, pair


def read(dump: ConfigDump) -> tuple[Listener, ...]:
    """Return the TLS listeners of an apache configuration: the virtual hosts with `SSLEngine on`."""
    configuration = read_apache_configuration(dump)
    if configuration is None:
        return ()
    root, base = configuration.root, configuration.base
    found = (one for part in [root, *configuration.hosts] for one in _of_host(root, part, base))
    return tuple(replace(one, unread=(*one.unread, *configuration.unread)) for one in found)


def _of_host(root: Block, part: Block, base: str) -> Iterator[Listener]:
    if not speaks_tls(part, root):
        return
    files = _files(part, base) or _files(root, base)
    odd = tuple(f"apache leaves {file.path!r} to its variables" for file in files if "${" in file.path)
    kept = tuple(file for file in files if "${" not in file.path)
    concrete = tuple(name for name in names(part) if not re.search(r"[*?$]", name))
    for port, addresses in _places(root, part):
        yield Listener("https", port, addresses, concrete, kept, odd)


def _files(part: Block, base: str) -> tuple[NamedFile, ...]:
    """Return the pairs of a host: the first key belongs to the first certificate, and one without holds its own."""
    certificates, keys, chains = (
        [absolute(base, arguments[0]) for arguments in part.values(name) if arguments and ":" not in arguments[0][:8]]
        for name in ("SSLCertificateFile", "SSLCertificateKeyFile", "SSLCertificateChainFile")
    )
    files: list[NamedFile] = []
    for index, certificate in enumerate(certificates):
        key = keys[index] if index < len(keys) else certificate
        files += pair(certificate, key, chains[-1] if chains and index == 0 else None)
    return tuple(files)


def _places(root: Block, part: Block) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield where a virtual host answers: at the `Listen` sockets that its own addresses and ports take in."""
    listens = [found for arguments in root.values("Listen") if arguments and (found := place(arguments[0]))]
    wanted = [found for argument in part.arguments if (found := place(argument))] or [(None, None)]
    for port in dict.fromkeys(number for _, number in listens if number):
        bound = [address for address, number in listens if number == port]
        addresses = [
            address for on in bound for at, number in wanted if number in (None, port) for address in _meeting(on, at)
        ]
        if addresses:
            yield port, tuple(dict.fromkeys(addresses))


def _meeting(on: str | None, at: str | None) -> tuple[str, ...]:
    """Return the addresses that a socket (`on`) and a virtual host (`at`) have in common; None is every address."""
    if on is not None and at is not None and on != at:
        return ()
    one = at or on
    return ANY if one is None else (one,)


SERVICE: Final = Service("apache", ("apache2", "httpd"), ("-f", "-d"), read, sites.read)
