"""exim: reads `exim -bP`. exim itself expands certificate and key, without SNI and for each name.

The names are those with which an option compares the requested name, and those of which files exist where a path has
the requested name in it. An expansion that would start a program or open a connection is not run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from audit.observation import ProxyProtocol
from audit.services.config_files import to_port
from audit.services.model import ANY, ConfigDump, Listener, NamedFile, Service, pair

_LOOKED_UP: Final = re.compile(r"\b(?:lookup|match\w*|inlist\w*)\s*\{[^{}]*\$\{?tls_(?:in_)?sni")
"""Conditions on the requested name that cover names which are not in the option itself."""

_NAME: Final = re.compile(r"(?:[A-Za-z0-9-]+\.)+[A-Za-z][A-Za-z0-9-]*")  # files have other names too

_OWN_CERTIFICATE: Final = (
    "exim makes a certificate when it starts, because tls_certificate is not set: it is in no file"
)

_PORTS: Final = {"smtp": 25, "smtps": 465, "ssmtp": 465, "submission": 587, "submissions": 465}


def read(dump: ConfigDump) -> tuple[Listener, ...]:
    """Return the listeners of exim's daemon: SMTP by STARTTLS, and TLS from the start if that is configured."""
    options = _options(dump.text("dump"))
    if not (options or dump.words) or not dump.sections.keys() & {"dump", "files"}:
        return ()
    implicit = set(_ports(options.get("tls_on_connect_ports", ""))) if "-tls-on-connect" not in dump.words else None
    listeners: list[Listener] = []
    for address, port in dict.fromkeys(_sockets(options, dump.words)):
        scheme = "smtps" if implicit is None or port in implicit else "smtp"
        listeners += _listeners_by_name(dump, options, scheme, (port, (address,)))
    return tuple(listeners)


def _options(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip(): value.strip() for key, equals, value in pairs if equals}


def _sockets(options: dict[str, str], words: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    ports = options.get("daemon_smtp_ports", "smtp")
    interfaces = options.get("local_interfaces", "")
    for value in _option_values("-oX", words):  # items with a dot or colon are interfaces, the others ports
        items = _items(value)
        ports = ":".join(item for item in items if _is_port(item)) or ports
        addresses = [item for item in items if not _is_port(item)]
        interfaces = f"<; {';'.join(addresses)}" if addresses else interfaces
    for item in _items(interfaces) or ANY:
        address, port = _split(item)
        for number in [port] if port else _ports(ports):
            yield address, number


def _option_values(option: str, words: tuple[str, ...]) -> Iterator[str]:
    for word, next_word in zip(words, [*words[1:], ""], strict=False):
        if word.startswith(option):
            yield word.removeprefix(option) or next_word


def _items(text: str) -> list[str]:
    """Split an exim list. `<;` replaces the colon as the separator; a double separator is the character itself."""
    match = re.match(r"\s*<(?P<separator>\S)\s*(?P<rest>.*)", text, re.DOTALL)
    separator, rest = (match["separator"], match["rest"]) if match else (":", text)
    escaped = rest.replace(separator * 2, "\0")
    return [item.strip().replace("\0", separator) for item in escaped.split(separator) if item.strip()]


def _split(item: str) -> tuple[str, int | None]:
    """Split `192.0.2.1.587`, `[2001:db8::1]:587` and addresses without a port."""
    match = re.fullmatch(r"\[(?P<six>[^\]]+)\](?::(?P<a>\d+))?|(?P<four>\d+(?:\.\d+){3})(?:\.(?P<b>\d+))?", item)
    if not match:
        return item, None
    port = match["a"] or match["b"]
    return match["six"] or match["four"], to_port(port) if port else None


def _is_port(item: str) -> bool:
    return to_port(item) is not None or item in _PORTS


def _ports(text: str) -> list[int]:
    return [to_port(item) or _PORTS.get(item, 0) for item in _items(text) if _is_port(item)]


def _listeners_by_name(
    dump: ConfigDump, options: dict[str, str], scheme: str, socket: tuple[int, tuple[str, ...]]
) -> Iterator[Listener]:
    port, addresses = socket
    proxy_protocol = _proxy_protocol(options.get("hosts_proxy", ""))
    default_files, default_unread = _files(dump, options, "")
    if not default_files and not default_unread and _makes_certificate(options):
        default_unread = (_OWN_CERTIFICATE,)
    yield Listener(scheme, port, addresses, (), default_files, default_unread, proxy_protocol, is_default=True)
    names = {section.partition(":")[2] for section in dump.sections if section.startswith("tls_")}
    for name in sorted(filter(_NAME.fullmatch, names)):
        files, unread = _files(dump, options, name)
        if files and files != default_files:
            yield Listener(scheme, port, addresses, (name,), files, unread, proxy_protocol)


def _makes_certificate(options: dict[str, str]) -> bool:
    """Return whether exim offers TLS with the certificate that it makes where none is configured."""
    return not options.get("tls_certificate") and options.get("tls_advertise_hosts", "") not in ("", ":")


def _proxy_protocol(hosts: str) -> ProxyProtocol:
    """Return which clients exim lists as load balancers."""
    if not hosts:
        return "never"
    return "always" if hosts == "*" else "some-clients"


def _files(dump: ConfigDump, options: dict[str, str], name: str) -> tuple[tuple[NamedFile, ...], tuple[str, ...]]:
    certificates, unread = _expand(dump, options, "tls_certificate", name)
    keys, keys_unread = _expand(dump, options, "tls_privatekey", name)
    files: list[NamedFile] = []
    for index, certificate in enumerate(certificates):
        # without a key file of its own, the certificate's file contains the key
        files += pair(certificate, keys[index] if index < len(keys) else None if keys_unread else certificate)
    return tuple(files), (*unread, *keys_unread)


def _expand(dump: ConfigDump, options: dict[str, str], option: str, name: str) -> tuple[list[str], tuple[str, ...]]:
    value = options.get(option, "")
    if "$" not in value:
        return [path for path in _items(value) if path.startswith("/")], ()
    section = dump.sections.get(f"{option}:{name}") or dump.sections.get(f"{option}:")
    paths = [path for path in _items(section.text.strip()) if path.startswith("/")] if section else []
    if paths and section and section.rc == 0:
        is_looked_up = not name and _LOOKED_UP.search(value)
        return paths, (f"exim looks {option} up for the requested name: {value}",) if is_looked_up else ()
    return [], (f"exim expands {option} for each connection: {value}",)


SERVICE: Final = Service("exim", ("exim4", "exim"), ("-C",), read, has_own_program=True, daemon=" -bd")
