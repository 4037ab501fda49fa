"""nginx: reads `nginx -T`, or the files if `nginx -T` fails, and applies nginx's rules of inheritance.

Variables in the directives of TLS are not evaluated, except `$ssl_server_name`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from audit.endpoint import WILDCARD_LABEL
from audit.services.config_files import absolute
from audit.services.model import ConfigDump, Listener, NamedFile, Service, beside_bound, nowhere, pair, prompted
from audit.services.nginx import sites
from audit.services.nginx.name_expressions import names_by_expression
from audit.services.nginx.passthrough import passed_through
from audit.services.nginx.sockets import Listen, listen_sockets, quic_ports
from audit.services.nginx.syntax import (
    Directive,
    read_nginx_configuration,
    server_names,
    values,
    without_servers,
)

_MAIL: Final = {"imap": ("imaps", "imap"), "pop3": ("pop3s", "pop3"), "smtp": ("smtps", "smtp")}


@dataclass(frozen=True, slots=True)
class _Server:
    """A server, what it inherits, and the default server of its socket, whose certificate it may serve."""

    own: Directive
    outer: Directive
    default: Directive
    base: str
    by_expression: tuple[str, ...]  # names for which an expression of the server selects it

    @property
    def certificates(self) -> tuple[list[str], list[str]]:
        """The certificates and keys: without a certificate, nginx keeps that of the default server."""
        for server in (self.own, self.default):
            certificates = values((server, self.outer), "ssl_certificate")
            if certificates:
                return certificates, values((server, self.outer), "ssl_certificate_key")
        return [], []

    @property
    def has_passphrases(self) -> bool:
        """Whether a file has the passphrases of keys; without one, nginx prompts for them."""
        return any(values((server, self.outer), "ssl_password_file") for server in (self.own, self.default))


def read(dump: ConfigDump) -> tuple[Listener, ...]:
    """Return the TLS listeners of an nginx configuration."""
    configuration = read_nginx_configuration(dump)
    if configuration is None:
        return ()
    listeners = (
        listener
        for kind in ("http", "stream", "mail")
        for context in configuration.root.all(kind)
        for listener in _context_listeners(kind, context, configuration.base, dump.ports)
    )
    return tuple(
        replace(listener, unread=(*listener.unread, *configuration.unread))
        for listener in beside_bound(listeners, dump.addresses)
    )


def _context_listeners(
    kind: str, context: Directive, base: str, bound: Sequence[tuple[str, int]]
) -> Iterator[Listener]:
    servers, outer = context.all("server"), without_servers(context)
    sockets, by_expression = listen_sockets(servers, bound), names_by_expression(servers)
    defaults = {socket.place: server for server in servers for socket in sockets[id(server)] if socket.is_default}
    for server in servers:
        if _last(server, outer, "ssl_reject_handshake") == "on":
            continue
        has_ssl_on = _last(server, outer, "ssl") == "on"  # until nginx 1.25
        served = set()
        for socket in sockets[id(server)]:
            scheme = _scheme(kind, server, outer, is_tls=has_ssl_on or socket.is_tls)
            if scheme:
                served.add(socket.port)
                found = _Server(server, outer, defaults[socket.place], base, by_expression[id(server)])
                for listener in _listeners(scheme, socket, found):
                    files = listener.files if found.has_passphrases else prompted(listener.files)
                    yield replace(listener, files=files)
            elif kind == "stream":
                yield from passed_through(server, outer, socket)
        for port in quic_ports(server):
            if port not in served:
                yield nowhere(f"nginx serves QUIC alone at port {port}: it is not audited there")


def _scheme(kind: str, server: Directive, context: Directive, *, is_tls: bool) -> str | None:
    if kind == "mail":
        implicit, explicit = _MAIL.get(_last(server, context, "protocol") or "", ("tls", "tls"))
        if is_tls:
            return implicit
        return explicit if _last(server, context, "starttls") in ("on", "only") else None
    return ("https" if kind == "http" else "tls") if is_tls else None


def _listeners(scheme: str, socket: Listen, server: _Server) -> Iterator[Listener]:
    """Yield the listeners of a server at one socket.

    A server without a concrete name has the host's own name if it is the default there: clients that request an
    unknown name reach it. Of a wildcard or an expression, names that match are requested.
    """
    names = server_names(server.own)
    # ".example.com" is short for "example.com *.example.com"
    concrete = tuple(name.removeprefix(".") for name in names if _is_concrete(name))
    wildcards = tuple(name.replace("*", WILDCARD_LABEL, 1) for name in names if re.fullmatch(r"\*\.[^*~$]+", name))
    wildcards += server.by_expression
    listener = Listener(
        scheme, socket.port, socket.addresses, proxy_protocol="always" if socket.expects_proxy else "never"
    )
    if concrete:
        yield from _named(listener, concrete, server)
        return
    files, unread = _files(*server.certificates, server.base, None)
    if wildcards:
        yield replace(listener, names=wildcards, files=files, unread=unread)
    if socket.is_default or "$hostname" in names:
        yield replace(listener, files=files, unread=unread, is_default="$hostname" not in names)
    elif not wildcards and (patterns := [name for name in names if re.search(r"[*~$]", name)]):
        why = f"nginx serves the names that match {patterns[0]!r} at port {socket.port}, and none of them is known"
        yield replace(nowhere(*unread, why), files=files)


def _named(listener: Listener, names: tuple[str, ...], server: _Server) -> Iterator[Listener]:
    certificates, keys = server.certificates
    if any("$ssl_server_name" in path for path in certificates):
        for name in names:  # one file for each name: nginx inserts the name that the client sends
            files, unread = _files(certificates, keys, server.base, name)
            yield replace(listener, names=(name,), files=files, unread=unread)
        return
    files, unread = _files(certificates, keys, server.base, None)
    yield replace(listener, names=names, files=files, unread=unread)


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


_TASKS: Final = " -q*[?hvVtTs]"
"""The options after which nginx ends: they test and print the configuration or send a signal."""

SERVICE: Final = Service("nginx", ("nginx",), ("-c", "-p"), read, sites.read, has_own_program=True, tasks=_TASKS)
