"""vsftpd: reads its configuration file, whose settings have no spaces and no sections.

The defaults are those of vsftpd.conf(5). vsftpd has no command that prints or tests its configuration.
"""

from __future__ import annotations

from typing import Final

from audit.observation.website import ANY_IPV4, ANY_IPV6
from audit.services.config_files import split_files, to_port, unreadable
from audit.services.model import ConfigDump, Listener, NamedFile, Service, pair

_DEFAULT_FILE: Final = "/usr/share/ssl/certs/vsftpd.pem"


def read(dump: ConfigDump) -> tuple[Listener, ...]:
    """Return the listener of vsftpd: AUTH TLS, or TLS from the start with `implicit_ssl`."""
    text = dump.text("files")
    settings: dict[str, str] = {}
    for file_text in split_files(text).values():
        for line in file_text.splitlines():
            key, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                settings[key.strip()] = value.strip()
    if not settings:
        return ()
    scheme = "ftps" if _is_on(settings, "ssl_enable") and _is_on(settings, "implicit_ssl") else "ftp"
    number = to_port(settings.get("listen_port", "21")) or 21
    return (Listener(scheme, number, _addresses(settings), (), _files(settings), unreadable(text)),)


def _is_on(settings: dict[str, str], name: str) -> bool:
    return settings.get(name, "NO").upper() in ("YES", "TRUE", "1")


def _addresses(settings: dict[str, str]) -> tuple[str, ...]:
    if _is_on(settings, "listen_ipv6"):
        return (settings.get("listen_address6", ANY_IPV6),)  # an IPv6 socket of vsftpd accepts IPv4 too
    return (settings.get("listen_address", ANY_IPV4),)


def _files(settings: dict[str, str]) -> tuple[NamedFile, ...]:
    if not _is_on(settings, "ssl_enable"):
        return ()
    certificate = settings.get("rsa_cert_file", _DEFAULT_FILE)
    files = pair(certificate, settings.get("rsa_private_key_file", certificate)) if certificate else ()
    dsa = settings.get("dsa_cert_file")
    return (*files, *pair(dsa, settings.get("dsa_private_key_file", dsa))) if dsa else files


SERVICE: Final = Service("vsftpd", ("vsftpd",), (), read, has_own_program=True, tasks=" -v ")
