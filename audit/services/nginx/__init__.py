"""nginx: reads `nginx -T`, or the files if `nginx -T` fails, and applies nginx's rules of inheritance.

Variables in the directives of TLS are not evaluated, except `$ssl_server_name`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from audit.services.config_files import absolute
from audit.services.model import ConfigDump, Listener, NamedFile, Service, pair
from audit.services.nginx import sites
from audit.services.nginx.syntax import (
    Directive,
    Listen,
    listens,
    read_nginx_configuration,
    server_names,
    tls_sockets,
    values,
)

_MAIL: Final = {"imap": ("imaps", "imap"), "pop3": ("pop3s", "pop3"), "smtp": ("smtps", "smtp")}


def read(dump: ConfigDump) -> tuple[Listener, ...]:
    """Return the TLS listeners of an nginx configuration."""
    configuration = read_nginx_configuration(dump)
    if configuration is None:
        return ()
    listeners = (
        listener
        for kind in ("http", "stream", "mail")
        for context in configuration.root.all(kind)
        for listener in _context_listeners(kind, context, configuration.base)
    )
    return tuple(replace(listener, unread=(*listener.unread, *configuration.unread)) for listener in listeners)


def _context_listeners(kind: str, context: Directive, base: str) -> Iterator[Listener]:
    servers = context.all("server")
    sockets = {id(server): tuple(listens(server)) for server in servers}
    tls = tls_sockets(sockets)
    outer = replace(context, block=tuple(directive for directive in context.block if directive.name != "server"))
    for server in servers:
        if _last(server, outer, "ssl_reject_handshake") == "on":
            continue
        has_ssl_on = _last(server, outer, "ssl") == "on"  # until nginx 1.25
        for socket in sockets[id(server)]:
            is_tls = has_ssl_on or (socket.addresses, socket.port) in tls
            scheme = _scheme(kind, server, outer, is_tls=is_tls)
            if scheme:
                yield from _listeners(scheme, socket, (server, outer), base)


def _scheme(kind: str, server: Directive, context: Directive, *, is_tls: bool) -> str | None:
    if kind == "mail":
        implicit, explicit = _MAIL.get(_last(server, context, "protocol") or "", ("tls", "tls"))
        if is_tls:
            return implicit
        return explicit if _last(server, context, "starttls") in ("on", "only") else None
    return ("https" if kind == "http" else "tls") if is_tls else None


def _listeners(scheme: str, socket: Listen, blocks: tuple[Directive, Directive], base: str) -> Iterator[Listener]:
    # ".example.com" is short for "example.com *.example.com"
    names = tuple(name.removeprefix(".") for name in server_names(blocks[0]) if _is_concrete(name))
    certificates = values(blocks, "ssl_certificate")
    keys = values(blocks, "ssl_certificate_key")
    if any("$ssl_server_name" in path for path in certificates) and names:
        for name in names:  # one file for each name: nginx inserts the name that the client sends
            files, unread = _files(certificates, keys, base, name)
            yield Listener(scheme, socket.port, socket.addresses, (name,), files, unread)
        return
    files, unread = _files(certificates, keys, base, None)
    yield Listener(scheme, socket.port, socket.addresses, names, files, unread)


def _files(
    certificates: Iterable[str], keys: Iterable[str], base: str, name: str | None
) -> tuple[tuple[NamedFile, ...], tuple[str, ...]]:
    files: list[NamedFile] = []
    unread: list[str] = []
    for certificate, key in zip(certificates, keys, strict=False):
        paths = [path.replace("$ssl_server_name", name) if name else path for path in (certificate, key)]
        undecidable = [path for path in paths if "$" in path or path.startswith(("data:", "engine:", "store:"))]
        if undecidable:
            unread.append(f"nginx takes the certificate from {undecidable[0]!r}, known only at run time")
        else:
            files += pair(*(absolute(base, path) for path in paths))
    return tuple(files), tuple(unread)


def _is_concrete(name: str) -> bool:
    """Return whether a server name is one name: no wildcard, expression or catch-all (usually `_`)."""
    return name not in ("", "_", "localhost") and not re.search(r"[*~$]", name)


def _last(server: Directive, context: Directive, name: str) -> str | None:
    arguments = values((server, context), name)
    return arguments[-1] if arguments else None


SERVICE: Final = Service("nginx", ("nginx",), ("-c", "-p"), read, sites.read)
