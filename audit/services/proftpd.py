"""proftpd: reads its configuration files with their includes, server by server.

A process that hid its command line and listens on other ports than the usual file says is not read.
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
    found = [one for part in [root, *(p for p in root.parts if p.kind == "virtualhost")] for one in _of(root, part)]
    ports = {port for _, port in dump.ports}
    is_hidden = bool(dump.words) and dump.words[0] == "proftpd:"  # its title is written over its arguments
    if is_hidden and ports and not ports & {one.port for one in found}:
        unread = ("proftpd hides its command line, which names its configuration",)
        return tuple(Listener("ftp", port, (address,), unread=unread) for address, port in dump.ports)
    return tuple(replace(one, unread=unreadable(text)) for one in found)


def _of(root: Block, part: Block) -> Iterator[Listener]:
    port = to_port(part.last("Port") or "21")
    if not port:
        return
    addresses = part.arguments or ((part.last("DefaultAddress"),) if part.last("DefaultAddress") else ANY)
    has_tls = (part.last("TLSEngine") or "off").lower() == "on"
    options = {option.lower() for arguments in part.values("TLSOptions") for option in arguments}
    scheme = "ftps" if has_tls and "useimplicitssl" in options else "ftp"
    names = (part.last("ServerAlias") or "",) if part is not root else ()
    files = _files(part) if has_tls else ()
    yield Listener(scheme, port, tuple(filter(None, addresses)), tuple(filter(None, names)), files)


def _files(part: Block) -> tuple[NamedFile, ...]:
    chain = part.last("TLSCertificateChainFile")
    files: list[NamedFile] = []
    for certificate, key in _PAIRS:
        path = part.last(certificate)
        if path:
            files += pair(path, part.last(key) or path, None if files else chain)
    return tuple(files)


SERVICE: Final = Service("proftpd", ("proftpd",), ("-c", "--config"), read)
