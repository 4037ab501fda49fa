"""proftpd: reads its configuration files with their includes, server by server.

If a process hides its command line and does not listen on the ports of the usual file, no files are read for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from audit.services.block_syntax import Block, Reading, parse
from audit.services.config_files import split_files, to_port, unreadable
from audit.services.model import ANY, ConfigDump, Listener, NamedFile, Service, pair

_PAIRS: Final = (
    ("TLSRSACertificateFile", "TLSRSACertificateKeyFile"),
    ("TLSECCertificateFile", "TLSECCertificateKeyFile"),
    ("TLSDSACertificateFile", "TLSDSACertificateKeyFile"),
)


def read(dump: ConfigDump) -> tuple[Listener, ...]:
    """Return the listeners of proftpd: the main server and each `<VirtualHost>`."""
    text = dump.text("files")
    files = split_files(text)
    if not files:
        return ()
    main = next(iter(files))
    root = parse(Reading(files, str(PurePosixPath(main).parent)), main)
    servers = [root, *(section for section in root.sections if section.kind == "virtualhost")]
    listeners = [listener for server in servers for listener in _listeners(root, server)]
    ports = {port for _, port in dump.ports}
    is_hidden = bool(dump.words) and dump.words[0] == "proftpd:"  # proftpd overwrites its arguments with a title
    if is_hidden and ports and not ports & {listener.port for listener in listeners}:
        unread = ("proftpd hides its command line, which names its configuration",)
        return tuple(Listener("ftp", port, (address,), unread=unread) for address, port in dump.ports)
    return tuple(replace(listener, unread=unreadable(text)) for listener in listeners)


def _listeners(root: Block, server: Block) -> Iterator[Listener]:
    port = to_port(server.last("Port") or "21")
    if not port:
        return
    addresses = server.arguments or ((server.last("DefaultAddress"),) if server.last("DefaultAddress") else ANY)
    has_tls = (server.last("TLSEngine") or "off").lower() == "on"
    options = {option.lower() for arguments in server.values("TLSOptions") for option in arguments}
    scheme = "ftps" if has_tls and "useimplicitssl" in options else "ftp"
    names = (server.last("ServerAlias") or "",) if server is not root else ()
    files = _files(server) if has_tls else ()
    yield Listener(scheme, port, tuple(filter(None, addresses)), tuple(filter(None, names)), files)


def _files(server: Block) -> tuple[NamedFile, ...]:
    chain = server.last("TLSCertificateChainFile")
    files: list[NamedFile] = []
    for certificate, key in _PAIRS:
        path = server.last(certificate)
        if path:
            files += pair(path, server.last(key) or path, None if files else chain)
    return tuple(files)


_TASKS: Final = " (-[nqN46]*[tvVlh]|--(configtest|version|settings|list|help))"
"""The options after which proftpd ends; several short ones can be one word."""

SERVICE: Final = Service("proftpd", ("proftpd",), ("-c", "--config"), read, has_own_program=True, tasks=_TASKS)
