"""pure-ftpd: reads its command line or, if the process hides it, the settings that its start script makes one from.

Certificate and key are in one PEM file unless the options name two. A process that hid its command line and listens
on other ports than its configuration says is not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from audit.services.config_files import to_port
from audit.services.model import ANY, ConfigDump, Listener, NamedFile, Service, pair

_DEFAULT_FILE: Final = "/etc/ssl/private/pure-ftpd.pem"  # compiled in by Debian and RHEL alike
_OPTIONS: Final = {
    "-S": "bind", "--bind": "bind", "-Y": "tls", "--tls": "tls",
    "-2": "certfile", "--certfile": "certfile", "-3": "keyfile", "--keyfile": "keyfile",
}  # fmt: skip


def read(dump: ConfigDump) -> tuple[Listener, ...]:
    """Return the listener of pure-ftpd: FTP with AUTH TLS; without a certificate where TLS is off."""
    words = dump.words
    hidden = "(SERVER)" in words  # pure-ftpd writes its role over its arguments
    if words and not hidden:
        return (_listener(_given(words)),)
    if not words and "conf" not in dump.sections:
        return ()
    configured = _listener(_settings(dump.text("conf")))
    if not dump.ports or configured.port in {port for _, port in dump.ports}:
        return (configured,)
    unread = ("pure-ftpd hides its command line, which names its certificate",)
    places = dict.fromkeys((port, address) for address, port in dump.ports)
    return tuple(Listener("ftp", port, (address,), unread=unread) for port, address in places)


def _given(words: tuple[str, ...]) -> dict[str, str]:
    given: dict[str, str] = {}
    for word, after in zip(words, [*words[1:], ""], strict=False):
        name, equals, value = word.partition("=")
        short = word[:2]
        if equals and name in _OPTIONS:
            given[_OPTIONS[name]] = value
        elif word in _OPTIONS:
            given[_OPTIONS[word]] = after
        elif short in _OPTIONS and not word.startswith("--"):
            given[_OPTIONS[short]] = word[2:]
    return given


def _settings(text: str) -> dict[str, str]:
    """Return the settings of `pure-ftpd.conf` (`TLS 1`), or of Debian's folder of files (`…/conf/TLS:1`)."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = re.match(r"(?:\S*/conf/(?P<file>\w+):\s*|(?P<name>[A-Za-z]\w*)\s+)(?P<value>[^#]*)", line)
        if match:
            found[(match["file"] or match["name"]).lower()] = match["value"].strip().strip('"')
    certificate, _, key = found.pop("certfileandkey", "").partition(" ")
    return found | ({"certfile": certificate.strip('"'), "keyfile": key.strip(' "')} if certificate else {})


def _listener(settings: Mapping[str, str]) -> Listener:
    address, _, port = settings.get("bind", "").rpartition(",")
    number = to_port(port) or 21
    return Listener("ftp", number, (address.strip("[]"),) if address else ANY, (), _files(settings))


def _files(settings: Mapping[str, str]) -> tuple[NamedFile, ...]:
    if settings.get("tls", "0") in ("", "0"):
        return ()
    certificate = settings.get("certfile") or _DEFAULT_FILE
    return pair(certificate, settings.get("keyfile") or certificate)


SERVICE: Final = Service("pure-ftpd", ("pure-ftpd",), (), read)
