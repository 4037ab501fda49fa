"""haproxy: reads its files, and which certificate each `bind` with `ssl` serves for which name.

haproxy selects a certificate by the names in it, so the names of a listener are known once the certificates are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Final

from audit.observation.website import Website
from audit.services.haproxy.certificates import CertificateLoader, Loaded, certificate_loader
from audit.services.haproxy.selection import KnownNames, selections
from audit.services.haproxy.sockets import BoundSocket, sockets
from audit.services.haproxy.syntax import ConfigLine, HaproxyConfiguration, HaproxySection, read_haproxy_configuration
from audit.services.model import CertificateFacts, ConfigDump, Listener, Service, nowhere

_WITH_BIND: Final = ("frontend", "listen", "log-forward", "peers")
_LIMIT: Final = 20_000  # listeners of a configuration, and certificates of one `bind`
_WITH_VALUE: Final = ("group", "id", "interface", "name", "namespace", "user")  # options whose value may be any word
_NAME_OF_REQUEST = re.compile(r"(?i)(?:(?:req\.)?f?hdr\(host\)|ssl_fc_sni|req[._]ssl_sni)(?:,.*)?")
_NAME = re.compile(r"(?P<name>[a-z0-9_-]+(?:\.[a-z0-9_-]+)+)(?::[0-9]+)?")
_END_OF_CONDITION: Final = ("}", "if", "unless", "or", "||")


def read(dump: ConfigDump) -> tuple[Listener, ...]:
    """Return a listener for each certificate at each socket; only names that the configuration gives are known."""
    return _read(dump, None, "")


def by_certificate(
    dump: ConfigDump, certificates: Mapping[str, CertificateFacts], own_name: str
) -> tuple[Listener, ...]:
    """Return the listeners with the names for which haproxy serves their certificates."""
    return _read(dump, certificates, own_name)


def read_websites(dump: ConfigDump) -> tuple[Website, ...]:
    """Return a website without a docroot for each socket of plain HTTP: haproxy serves no folder."""
    configuration = read_haproxy_configuration(dump)
    sites = _sites(configuration) if configuration else ()
    return tuple(islice(sites, _LIMIT))


def _sites(configuration: HaproxyConfiguration) -> Iterator[Website]:
    for section in configuration.of("frontend", "listen"):
        for _, socket in _sockets(section, is_tls=False):
            if socket.port:
                why = (
                    f"haproxy responds itself or passes the request to another server, by its section {_title(section)}"
                )
                yield Website("haproxy", "best", socket.port, socket.addresses, is_default=True, why=why)


def _read(dump: ConfigDump, certificates: Mapping[str, CertificateFacts] | None, own_name: str) -> tuple[Listener, ...]:
    configuration = read_haproxy_configuration(dump)
    if configuration is None:
        return ()
    loader = certificate_loader(configuration, dump)
    remaining = _listeners(configuration, loader, certificates, own_name)
    listeners = tuple(islice(remaining, _LIMIT))
    rest = loader.on_host.rest
    unread = [*configuration.unread, *([f"not all directories of certificates were listed: {rest}"] if rest else [])]
    if next(remaining, None):
        unread.append(f"haproxy has more than {_LIMIT} certificates and sockets: the rest is not read")
    if dump.text("since").strip() and not dump.words:
        unread.append("the command line of haproxy, which names its configuration, cannot be trusted")
    if not unread:
        return listeners
    return (*(replace(listener, unread=(*listener.unread, *unread)) for listener in listeners), nowhere(*unread))


def _listeners(
    configuration: HaproxyConfiguration,
    loader: CertificateLoader,
    certificates: Mapping[str, CertificateFacts] | None,
    own_name: str,
) -> Iterator[Listener]:
    for section in configuration.of("global", *_WITH_BIND):
        scheme = "https" if section.mode == "http" and section.kind in ("frontend", "listen") else "tls"
        known = KnownNames(tuple(_names_of_requests(section)), own_name)
        loaded_by_line: dict[ConfigLine, tuple[Loaded, ...]] = {}
        for line, socket in _sockets(section, is_tls=True):
            if line not in loaded_by_line:
                loaded_by_line[line] = tuple(dict.fromkeys(islice(_loaded(section, line, loader), _LIMIT)))
            loaded = loaded_by_line[line]
            listener = Listener(scheme, socket.port, socket.addresses, unread=(socket.why,) if socket.why else ())
            if "accept-proxy" in _options(line):
                listener = replace(listener, proxy_protocol="always")
            elif any(rule.words[1:3] == ("connection", "expect-proxy") for rule in section.all("tcp-request")):
                listener = replace(listener, proxy_protocol="some-clients")
            if certificates is None or not listener.port or not loaded:
                yield from _by_file(listener, loaded)
            else:
                yield from _by_name(listener, loaded, certificates, known, is_strict="strict-sni" in line.words)


def _by_file(listener: Listener, loaded: tuple[Loaded, ...]) -> Iterator[Listener]:
    """Yield a listener for each certificate."""
    for entry in loaded or (Loaded(),):
        names = tuple(name for name in entry.filters if not re.search(r"[!*]", name))
        unread = (*listener.unread, entry.why) if entry.why else listener.unread
        yield replace(listener, names=names, files=entry.files, unread=unread)


def _by_name(
    listener: Listener,
    loaded: tuple[Loaded, ...],
    certificates: Mapping[str, CertificateFacts],
    known: KnownNames,
    *,
    is_strict: bool,
) -> Iterator[Listener]:
    """Yield a listener for the names of each certificate; one at port 0 if no name is known for it."""
    for selection in selections(loaded, certificates, known, is_strict=is_strict):
        unread = (*listener.unread, selection.why) if selection.why else listener.unread
        is_endpoint = selection.names or not selection.why
        chosen = replace(listener, is_default=not selection.names) if is_endpoint else nowhere()
        yield replace(chosen, names=selection.names, files=selection.files, unread=unread)


def _sockets(section: HaproxySection, *, is_tls: bool) -> Iterator[tuple[ConfigLine, BoundSocket]]:
    """Yield the sockets of a section with their lines: with TLS or without it."""
    for line in section.all("bind", "stats"):
        address = line.words[1:2] if line.words[0] == "bind" else line.words[2:3]
        is_socket = line.words[0] == "bind" or (section.kind == "global" and line.words[1:2] == ("socket",))
        options = tuple(_options(line))
        if address and is_socket and ("ssl" in options) == is_tls:
            yield from ((line, socket) for socket in sockets(address[0], options))


def _options(line: ConfigLine) -> Iterator[str]:
    before = ""
    for word in line.words[2:]:
        if before not in _WITH_VALUE:
            yield word
        before = word if before not in _WITH_VALUE else ""


def _loaded(section: HaproxySection, line: ConfigLine, loader: CertificateLoader) -> Iterator[Loaded]:
    yield from loader.loaded(line)
    for used in section.all("ssl-f-use"):
        yield from loader.loaded(used)


def _title(section: HaproxySection) -> str:
    return f"`{section.kind} {section.name}`".replace(" `", "`")


def _names_of_requests(section: HaproxySection) -> Iterator[str]:
    """Yield the names with which the conditions of a section compare the name that a client requests."""
    for line in section.lines:
        is_compared = False
        for word in line.words:
            if _NAME_OF_REQUEST.fullmatch(word):
                is_compared = True
            elif word in _END_OF_CONDITION:
                is_compared = False
            match = _NAME.fullmatch(word.lower()) if is_compared else None
            if match:
                yield match["name"]


_TASKS: Final = " -(cc?|vv?|h) "
"""The options after which haproxy ends; `-c` tests the configuration."""

SERVICE: Final = Service(
    "haproxy", ("haproxy",), ("-C",), read, read_websites, by_certificate, has_own_program=True, tasks=_TASKS
)
