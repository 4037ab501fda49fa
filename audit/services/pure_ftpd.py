"""pure-ftpd: reads its command line or, if the process hides it, the settings from which its start script makes it.

Certificate and key are in one PEM file unless the options name two. If a process hides its command line and does not
listen on the port of its configuration, or if TLS is off there, no files are read for it, and that is reported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from audit.services.config_files import to_port
from audit.services.model import ANY, ConfigDump, Listener, NamedFile, Service, pair

_DEFAULT_FILE: Final = "/etc/ssl/private/pure-ftpd.pem"  # compiled in by Debian and RHEL alike
_OPTIONS: Final = {
    "-S": "bind", "--bind": "bind", "-Y": "tls", "--tls": "tls",
    "-2": "certfile", "--certfile": "certfile", "-3": "keyfile", "--keyfile": "keyfile",
}  # fmt: skip


def read(dump: ConfigDump) -> tuple[Listener, ...]:
    """Return the listener of pure-ftpd: FTP with AUTH TLS; without a certificate if TLS is off."""
    words = dump.words
    is_hidden = "(SERVER)" in words  # pure-ftpd overwrites its arguments with its role
    if words and not is_hidden:
        return (_listener(_option_values(words)),)
    if not words and "conf" not in dump.sections:
        return ()
    configured = _listener(_settings(dump.text("conf")))
    if not dump.ports or configured.port in {port for _, port in dump.ports}:
        is_off = is_hidden and not configured.files
        unread = ("pure-ftpd hides its command line, which may switch TLS on and name a certificate",) if is_off else ()
        return (replace(configured, unread=unread),)
    unread = ("pure-ftpd hides its command line, which names its certificate",)
    sockets = dict.fromkeys((port, address) for address, port in dump.ports)
    return tuple(Listener("ftp", port, (address,), unread=unread) for port, address in sockets)


def _option_values(words: tuple[str, ...]) -> dict[str, str]:
    values: dict[str, str] = {}
    for word, next_word in zip(words, [*words[1:], ""], strict=False):
        name, equals, value = word.partition("=")
        short_option = word[:2]
        if equals and name in _OPTIONS:
            values[_OPTIONS[name]] = value
        elif word in _OPTIONS:
            values[_OPTIONS[word]] = next_word
        elif short_option in _OPTIONS and not word.startswith("--"):
            values[_OPTIONS[short_option]] = word[2:]
    return values


def _settings(text: str) -> dict[str, str]:
    """Return the settings of `pure-ftpd.conf` (`TLS 1`), or of Debian's folder of files (`…/conf/TLS:1`)."""
    settings: dict[str, str] = {}
    for line in text.splitlines():
        match = re.match(r"(?:\S*/conf/(?P<file>\w+):\s*|(?P<name>[A-Za-z]\w*)\s+)(?P<value>[^#]*)", line)
        if match:
            settings[(match["file"] or match["name"]).lower()] = match["value"].strip().strip('"')
    certificate, _, key = settings.pop("certfileandkey", "").partition(" ")
    return settings | ({"certfile": certificate.strip('"'), "keyfile": key.strip(' "')} if certificate else {})


def _listener(settings: Mapping[str, str]) -> Listener:
    address, _, port = settings.get("bind", "").rpartition(",")
    number = to_port(port) or 21
    return Listener("ftp", number, (address.strip("[]"),) if address else ANY, (), _files(settings))


def _files(settings: Mapping[str, str]) -> tuple[NamedFile, ...]:
    if settings.get("tls", "0") in ("", "0"):
        return ()
    certificate = settings.get("certfile") or _DEFAULT_FILE
    return pair(certificate, settings.get("keyfile") or certificate)


SERVICE: Final = Service("pure-ftpd", ("pure-ftpd",), (), read, has_own_program=True, tasks=" (-h|--help) ")
