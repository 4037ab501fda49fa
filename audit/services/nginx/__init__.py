"""nginx: reads `nginx -T`, or the files if that fails (no rights, no certificate), with nginx's rules of inheritance.

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
    found = (
        listener
        for kind in ("http", "stream", "mail")
        for context in configuration.whole.all(kind)
        for listener in _read_context(kind, context, configuration.base)
    )
    return tuple(replace(listener, unread=(*listener.unread, *configuration.unread)) for listener in found)


def _read_context(kind: str, context: Directive, base: str) -> Iterator[Listener]:
    servers = context.all("server")
    bound = {id(server): tuple(listens(server)) for server in servers}
    tls = tls_sockets(bound)
    outer = replace(context, block=tuple(one for one in context.block if one.name != "server"))
    for server in servers:
        if _last(server, outer, "ssl_reject_handshake") == "on":
            continue
        legacy = _last(server, outer, "ssl") == "on"  # until nginx 1.25
        for one in bound[id(server)]:
            scheme = _scheme(kind, server, outer, is_tls=legacy or (one.addresses, one.port) in tls)
            if scheme:
                yield from _listeners(scheme, one, (server, outer), base)


def _scheme(kind: str, server: Directive, context: Directive, *, is_tls: bool) -> str | None:
    if kind == "mail":
        implicit, explicit = _MAIL.get(_last(server, context, "protocol") or "", ("tls", "tls"))
        if is_tls:
            return implicit
        return explicit if _last(server, context, "starttls") in ("on", "only") else None
    return ("https" if kind == "http" else "tls") if is_tls else None


def _listeners(scheme: str, one: Listen, blocks: tuple[Directive, Directive], base: str) -> Iterator[Listener]:
    # ".example.com" is "example.com *.example.com" in short
    names = tuple(name.removeprefix(".") for name in server_names(blocks[0]) if _is_concrete(name))
    certificates = values(blocks, "ssl_certificate")
    keys = values(blocks, "ssl_certificate_key")
    if any("$ssl_server_name" in path for path in certificates) and names:
        for name in names:  # one file a name: nginx puts in what the client asks for
            files, unread = _files(certificates, keys, base, name)
            yield Listener(scheme, one.port, one.addresses, (name,), files, unread)
        return
    files, unread = _files(certificates, keys, base, None)
    yield Listener(scheme, one.port, one.addresses, names, files, unread)


def _files(
    certificates: Iterable[str], keys: Iterable[str], base: str, name: str | None
) -> tuple[tuple[NamedFile, ...], tuple[str, ...]]:
    files: list[NamedFile] = []
    unread: list[str] = []
    for certificate, key in zip(certificates, keys, strict=False):
        paths = [path.replace("$ssl_server_name", name) if name else path for path in (certificate, key)]
        odd = [path for path in paths if "$" in path or path.startswith(("data:", "engine:", "store:"))]
        if odd:
            unread.append(f"nginx takes the certificate from {odd[0]!r}, known only while it serves")
        else:
            files += pair(*(absolute(base, path) for path in paths))
    return tuple(files), tuple(unread)


def _is_concrete(name: str) -> bool:
    """Return whether a server name is one name: no wildcard, expression or catch-all (usually `_`)."""
    return name not in ("", "_", "localhost") and not re.search(r"[*~$]", name)


def _last(server: Directive, context: Directive, name: str) -> str | None:
    found = values((server, context), name)
    return found[-1] if found else None


SERVICE: Final = Service("nginx", ("nginx",), ("-c", "-p"), read, sites.read)
