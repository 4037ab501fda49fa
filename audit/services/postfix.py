"""postfix: reads `postconf`, the main settings and the services of master.cf with the settings that each overrides.

A service uses TLS from the start or by STARTTLS. Tables of certificates by name are read from their text files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from audit.endpoint import WILDCARD_LABEL
from audit.observation import ProxyProtocol
from audit.observation.website import ANY_IPV4, ANY_IPV6
from audit.services.config_files import to_port
from audit.services.model import ANY, ConfigDump, Listener, NamedFile, Section, Service, pair

_PORTS: Final = {"smtp": 25, "smtps": 465, "submission": 587, "submissions": 465}
_PAIRS: Final = (
    ("smtpd_tls_cert_file", "smtpd_tls_key_file"),
    ("smtpd_tls_eccert_file", "smtpd_tls_eckey_file"),
    ("smtpd_tls_dcert_file", "smtpd_tls_dkey_file"),
)
_INLINE: Final = "inline:{"
_TABLE: Final = re.compile(r"(?:[^\s,{}]|\{(?:[^{}]|\{[^{}]*\})*\})+")  # with what its braces enclose
_ENTRY: Final = re.compile(r"\{([^{}]*)\}|([^\s,{}]+)")


def read(dump: ConfigDump) -> tuple[Listener, ...]:
    """Return the listeners of the smtpd services of master.cf: one without a name, and one for each name in a table."""
    main = dict(_settings(dump.text("main")))
    overrides = dict(_settings(dump.text("overrides")))
    listeners: list[Listener] = []
    for line in dump.text("master").splitlines():
        fields = line.split()
        if len(fields) < 8 or fields[1] != "inet" or fields[7] not in ("smtpd", "postscreen"):
            continue
        prefix = f"{fields[0]}/{fields[1]}/"
        own_settings = {key.removeprefix(prefix): value for key, value in overrides.items() if key.startswith(prefix)}
        listeners += _listeners(dump, fields[0], fields[7], main | own_settings)
    return tuple(listeners)


def _settings(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            yield key.strip(), value.strip()


def _listeners(dump: ConfigDump, service: str, program: str, settings: Mapping[str, str]) -> Iterator[Listener]:
    match = re.fullmatch(r"(?:(?P<host>\[[^\]]+\]|[^:\[\]]+):)?(?P<port>[\w-]+)", service)
    port = match["port"] if match else ""
    number = to_port(port) or _PORTS.get(port)
    if match is None or number is None:
        return
    scheme = "smtps" if settings.get("smtpd_tls_wrappermode") == "yes" else "smtp"
    tables = _TABLE.findall(settings.get("tls_server_sni_maps", ""))
    unread = tuple(message for table in tables for message in _unread(dump, table))
    addresses = _addresses(match["host"], settings)
    proxy_protocol: ProxyProtocol = "always" if settings.get(f"{program}_upstream_proxy_protocol") else "never"
    yield Listener(scheme, number, addresses, (), _files(dump, settings), unread, proxy_protocol, is_default=True)
    for name, files in _files_by_name(dump, tables).items():
        yield Listener(scheme, number, addresses, (name,), files, (), proxy_protocol)


def _unread(dump: ConfigDump, table: str) -> Iterator[str]:
    """Yield a message if the text of a table of certificates was not read, with the reason that the host printed."""
    if table.startswith(_INLINE):
        return
    section = dump.sections.get(f"sni:{table}", Section(""))
    if section.rc or not section.text:
        reason = f", which is not read: {section.text}" if section.rc and section.text else ""
        yield f"postfix looks certificates up by name in {table}{reason}"


def _files_by_name(dump: ConfigDump, tables: list[str]) -> dict[str, tuple[NamedFile, ...]]:
    """Return the files of each concrete name, from the first table that has it.

    A name with a leading dot is a pattern: a label stands before it.
    """
    files: dict[str, tuple[NamedFile, ...]] = {}
    for name, paths in (entry for table in tables for entry in _entries(dump, table)):
        if paths and not name.startswith("#"):
            files.setdefault(f"{WILDCARD_LABEL}{name}" if name.startswith(".") else name, _chain_files(dump, paths))
    return files


def _entries(dump: ConfigDump, table: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the names of a table, each with its files; the text of a table of the type inline is in its name."""
    if table.startswith(_INLINE):
        for group, word in _ENTRY.findall(table.removeprefix(_INLINE).removesuffix("}")):
            name, _, value = (group or word).partition("=")
            yield name.strip(), _words(value)
        return
    section = dump.sections.get(f"sni:{table}", Section(""))
    for line in re.sub(r"\n[ \t]+", " ", "" if section.rc else section.text).splitlines():
        name, *paths = _words(line)[:50] or [""]
        yield name, paths


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", text) if word]


def _files(dump: ConfigDump, settings: Mapping[str, str]) -> tuple[NamedFile, ...]:
    chain_files = _words(settings.get("smtpd_tls_chain_files", ""))
    if chain_files:
        return _chain_files(dump, chain_files)
    files: list[NamedFile] = []
    for certificate, key in _PAIRS:
        path = settings.get(certificate, "")
        if path and path != "none":
            key_path = settings.get(key, "")
            files += pair(path, key_path if key_path and "$" not in key_path else path)
    return tuple(files)


def _chain_files(dump: ConfigDump, paths: list[str]) -> tuple[NamedFile, ...]:
    """Return the pairs in a list of files: a key and then its certificates, in one file or in several.

    A file that could not be read may contain a key, certificates or both.
    """
    keys, certificates = dump.text("keys").splitlines(), dump.text("certificates").splitlines()
    files: list[NamedFile] = []
    key: str | None = None
    for path in paths:
        is_known = path in keys or path in certificates
        if path in keys or not is_known:
            key = path
        if path in certificates or not is_known:
            files += pair(path, key)
            key = None
    return tuple(files)


def _addresses(host: str | None, settings: Mapping[str, str]) -> tuple[str, ...]:
    protocols = re.split(r"[\s,]+", settings.get("inet_protocols", "all"))
    families = tuple(
        address for address, name in ((ANY_IPV4, "ipv4"), (ANY_IPV6, "ipv6")) if name in protocols or "all" in protocols
    )
    interfaces = [host.strip("[]")] if host else re.split(r"[\s,]+", settings.get("inet_interfaces", "all"))
    addresses: list[str] = []
    for interface in interfaces:
        if interface == "all":
            addresses += families
        elif interface in ("loopback-only", "localhost"):
            loopbacks = (("127.0.0.1", ANY_IPV4), ("::1", ANY_IPV6))
            addresses += [loopback for loopback, wildcard in loopbacks if wildcard in families]
        elif re.fullmatch(r"[0-9a-fA-F.:]+", interface):
            addresses.append(interface)
    return tuple(dict.fromkeys(addresses)) or ANY


_TASKS: Final = " -[dDisvwW]*t"
"""`master -t` looks whether another process is the daemon; the other options have no value."""

SERVICE: Final = Service("postfix", ("master",), ("-c",), read, has_own_program=True, tasks=_TASKS)
