"""dovecot: reads `doveconf`, in the syntax of 2.3 (`ssl_cert = </path`) and 2.4 (`ssl_server_cert_file = /path`).

The listeners of IMAP, POP3, submission, ManageSieve and LMTP are read, and those of other services that use TLS from
the start.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from audit.endpoint import WILDCARD_LABEL
from audit.observation import ProxyProtocol
from audit.services.config_files import to_port
from audit.services.dovecot.filters import Connection, Filter, FilteredSettings
from audit.services.dovecot.syntax import DovecotBlock, parse_blocks
from audit.services.model import ANY, ConfigDump, Listener, NamedFile, Section, Service, pair


@dataclass(frozen=True, slots=True)
class _LoginService:
    """A service that takes connections: its protocol, its schemes by STARTTLS and from the start, its usual listeners.

    A listener has a port, whether TLS begins at once, and whether it exists before version 2.4.
    """

    protocol: str
    schemes: tuple[str, str]
    listeners: Mapping[str, tuple[int, bool, bool]]


_SERVICES: Final = {
    "imap-login": _LoginService("imap", ("imap", "imaps"), {"imap": (143, False, True), "imaps": (993, True, True)}),
    "pop3-login": _LoginService("pop3", ("pop3", "pop3s"), {"pop3": (110, False, True), "pop3s": (995, True, True)}),
    "submission-login": _LoginService(
        "submission", ("smtp", "smtps"), {"submission": (587, False, True), "submissions": (465, True, False)}
    ),
    "managesieve-login": _LoginService("sieve", ("sieve", "tls"), {"sieve": (4190, False, True)}),
    "lmtp": _LoginService("lmtp", ("lmtp", "tls"), {}),
}
_PAIRS: Final = (
    ("ssl_cert", "ssl_key"),
    ("ssl_alt_cert", "ssl_alt_key"),
    ("ssl_server_cert_file", "ssl_server_key_file"),
    ("ssl_server_alt_cert_file", "ssl_server_alt_key_file"),
)
_OF_FILES: Final = frozenset(name for names in _PAIRS for name in names)
_OF_TLS: Final = _OF_FILES | {"ssl"}


def read(dump: ConfigDump) -> tuple[Listener, ...]:
    """Return the listeners: TLS from the start or by STARTTLS."""
    section = dump.sections.get("dump", Section("", None))
    text = section.text if section.rc == 0 else dump.text("files")
    if not text:
        return ()
    reader = _Reader(FilteredSettings(parse_blocks(text)), dump.addresses)
    return tuple(listener for name in reader.service_names for listener in reader.listeners(name))


@dataclass(frozen=True, slots=True)
class _Reader:
    settings: FilteredSettings
    own: tuple[str, ...]  # addresses of the host

    @property
    def root(self) -> DovecotBlock:
        return self.settings.root

    @property
    def service_names(self) -> tuple[str, ...]:
        """The services that take connections of protocols that are switched on, and all others."""
        known = (name for name, service in _SERVICES.items() if service.protocol in self.root.protocols)
        others = (block.name for block in self.root.of("service") if block.name not in _SERVICES)
        return tuple(dict.fromkeys((*known, *others)))

    def listeners(self, name: str) -> Iterator[Listener]:
        """Yield the listeners of a service; those of an unknown one only if TLS begins at once."""
        service = _SERVICES.get(name) or _LoginService(name, ("", "tls"), {})
        for block, usual_port, is_implicit in self._inet_listeners(name, service):
            number = to_port(block.settings.get("port", str(usual_port)))
            implicit = block.settings.get("ssl", "yes" if is_implicit else "no") == "yes"
            scheme = service.schemes[implicit]
            if number and scheme:
                proxy_protocol: ProxyProtocol = "always" if block.settings.get("haproxy") == "yes" else "never"
                template = Listener(scheme, number, self._addresses(block), proxy_protocol=proxy_protocol)
                yield from self._by_connection(template, service.protocol, is_implicit=implicit)

    def _inet_listeners(self, name: str, service: _LoginService) -> Iterator[tuple[DovecotBlock, int, bool]]:
        """Yield the blocks of a service's listeners, with those that dovecot has by itself: port and implicit TLS."""
        found: dict[str, DovecotBlock] = {}
        if not self.root.has_every_listener:
            usual = service.listeners.items()
            found = {key: DovecotBlock() for key, (_, _, is_old) in usual if is_old or self.root.is_24}
        for block in self.root.of("service", name):
            for listener in block.of("inet_listener"):
                found.setdefault(listener.name, DovecotBlock()).settings |= listener.settings
        for key, block in found.items():
            port, is_implicit, _ = service.listeners.get(key, (0, False, True))
            yield block, port, is_implicit

    def _addresses(self, block: DovecotBlock) -> tuple[str, ...]:
        listed = (block.settings.get("address"), block.settings.get("listen"), self.root.settings.get("listen"))
        text = next(filter(None, listed), "*, ::")
        addresses = [word for word in re.split(r"[\s,]+", text) if word]
        return tuple(ANY[0] if address == "*" else address.strip("[]") for address in addresses) or ANY

    def _by_connection(self, template: Listener, protocol: str, *, is_implicit: bool) -> Iterator[Listener]:
        """Yield a listener for each address and name that has its own files, and one for all other connections.

        Those of single addresses come first: the others are for the addresses that are left. `ssl = no` of the whole
        configuration is for every connection, whatever a block in it has.
        """
        is_off = self.root.settings.get("ssl") == "no"
        filters, is_by_address = () if is_off else self._filters(protocol), protocol != "lmtp"
        addresses = _addresses_in(filters, template.addresses, self.own) if is_by_address else ()
        without_tls = []
        for address in addresses:
            at_address = replace(template, addresses=(address,))
            if self._filled(at_address, Connection(protocol, address)) is None and is_implicit:
                without_tls.append(address)
            for name in (None, *_names_in(filters, address)):
                here = self._filled(at_address, Connection(protocol, address, name))
                elsewhere = self._filled(at_address, Connection(protocol, None, name))
                if here is not None and here != elsewhere:
                    yield here
        rest = replace(template, addresses=self._left(template.addresses, without_tls))
        base = self._filled(rest, Connection(protocol))
        if rest.addresses and (base is not None or not is_implicit):
            unread = tuple(self._undecidable(filters, is_by_address=is_by_address))
            yield replace(base or rest, unread=(*(base.unread if base else ()), *unread))
        for name in _names_in(filters, None):
            listener = self._filled(rest, Connection(protocol, None, name))
            if listener is not None and (listener.files or listener.unread):
                yield listener

    def _filters(self, protocol: str) -> tuple[Filter, ...]:
        """Return the conditions of the blocks with settings of TLS that apply to a protocol.

        LMTP has no login process: 2.4 does not select by address there, 2.3 not by name.
        """
        filters = (
            conditions
            for conditions, settings in self.settings.rules
            if conditions.is_for_protocol(protocol) and not _OF_TLS.isdisjoint(settings)
        )
        if protocol != "lmtp":
            return tuple(filters)
        return tuple(
            conditions for conditions in filters if not (conditions.local if self.root.is_24 else conditions.names)
        )

    def _left(self, bound: tuple[str, ...], without_tls: Sequence[str]) -> tuple[str, ...]:
        """Return the addresses of a socket but for those without TLS."""
        if not without_tls:
            return bound
        addresses = (
            own
            for address in bound
            for own in (self.own if address in ANY else (address,))
            if (":" in own) == (":" in address)
        )
        return tuple(address for address in dict.fromkeys(addresses) if address not in without_tls)

    def _undecidable(self, filters: Iterable[Filter], *, is_by_address: bool) -> Iterator[str]:
        """Yield a message for each block whose addresses of the host are not known from the configuration."""
        for conditions in filters:
            is_known = conditions.is_one_address or (conditions.networks and self.own)
            if conditions.local and not (is_known and is_by_address):
                where = f"`local {conditions.local}`"
                yield f"dovecot has another certificate for addresses in {where}, which are not known"

    def _by_client(self, connection: Connection) -> Iterator[str]:
        """Yield a message for each block that applies to a connection if it comes from some clients."""
        for conditions, settings in self.settings.rules:
            if conditions.remote is None or not conditions.may_match(connection) or _OF_TLS.isdisjoint(settings):
                continue
            paths = [file.path for file in _files(settings)[0] if file.kind == "certificate"]
            what = f"another certificate, {paths[0]}," if paths else "other settings of TLS"
            if settings.get("ssl") == "no":
                what = "no TLS"
            yield f"dovecot has {what} for the clients in `remote {conditions.remote}`"

    def _filled(self, template: Listener, connection: Connection) -> Listener | None:
        """Return a listener with the files of a connection; None if TLS is switched off for it."""
        settings, undecided = self.settings.apply(connection)
        if "no" in (settings.get("ssl"), self.root.settings.get("ssl")):
            return None
        names = (connection.name,) if connection.name else ()
        if undecided:
            values = ", ".join(undecided)
            where = f"{connection.name or 'any name'} at {connection.address}"
            reason = f"dovecot has several values of {values} for {where}"
            return replace(template, names=names, unread=(f"{reason}, and ends the connection",))
        files, unread = _files(settings)
        all_unread = (*unread, *self._by_client(connection))
        return replace(template, names=names, files=files, unread=all_unread, is_default=not names)


def _addresses_in(filters: Iterable[Filter], bound: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    """Return the addresses of `local` at which a socket accepts connections."""
    addresses = dict.fromkeys(address for conditions in filters for address in conditions.addresses(own))
    return tuple(address for address in addresses if address in bound or ANY[":" in address] in bound)


def _names_in(filters: Iterable[Filter], address: str | None) -> tuple[str, ...]:
    """Return the names for which there are files, at an address or at all; a wildcard has a label in place of `*`."""
    names = (
        name.replace("*", WILDCARD_LABEL, 1)
        for conditions in filters
        if conditions.local is None or conditions.covers(address)
        for name in conditions.names or ()
    )
    return tuple(dict.fromkeys(name for name in names if "*" not in name))


def _files(settings: Mapping[str, str]) -> tuple[tuple[NamedFile, ...], tuple[str, ...]]:
    files: list[NamedFile] = []
    unread: list[str] = []
    for names in _PAIRS:
        paths = [_path(settings.get(name, "")) for name in names]
        files += pair(*paths)
        unread += [
            f"dovecot has the value of {name} in its configuration, not in a file"
            for name, path in zip(names, paths, strict=True)
            if path is None and settings.get(name)
        ]
    return tuple(files), tuple(unread)


def _path(value: str) -> str | None:
    path = value.removeprefix("<").strip().strip('"')
    return path if path.startswith("/") else None


_TASKS: Final = " (-[naN]|stop|reload|--(version|build-options|hostdomain|log-error|help)) "
"""The options and commands after which dovecot ends."""

SERVICE: Final = Service("dovecot", ("dovecot",), ("-c",), read, has_own_program=True, tasks=_TASKS)
