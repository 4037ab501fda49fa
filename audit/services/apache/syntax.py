"""Reads apache's configuration into a tree of sections, with variables of its environment and command line.

It also reads the sockets and names of a virtual host, and whether it uses TLS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

from audit.observation.website import ANY_IPV4
from audit.services.block_syntax import Block, Reading, parse
from audit.services.config_files import split_files, unreadable
from audit.services.model import ConfigDump


@dataclass(frozen=True, slots=True)
class ApacheConfiguration:
    """A configuration: `base` is the directory of relative paths, `unread` has a message for each file that was denied.

    `sections` are the sections of the main server: all except the virtual hosts.
    """

    root: Block
    base: str
    unread: tuple[str, ...]
    sections: tuple[Block, ...]

    @property
    def hosts(self) -> list[Block]:
        """The virtual hosts."""
        return [section for section in self.root.sections if section.kind == "virtualhost"]


def read_apache_configuration(dump: ConfigDump) -> ApacheConfiguration | None:
    """Return the configuration in a dump, or None if there is none."""
    text = dump.text("files")
    files = split_files(text)
    if not files:
        return None
    main = next(iter(files))
    base = dump.text("base").strip() or str(PurePosixPath(main).parent)
    words = dump.words
    defined = frozenset(next_word for word, next_word in pairwise(words) if word == "-D")
    defined |= frozenset(word[2:] for word in words if word.startswith("-D") and len(word) > 2)
    variables = dict(line.split("=", 1) for line in dump.text("environment").splitlines() if line.startswith("APACHE_"))
    reading = Reading(files, base, defined, _with_defines(text, variables))
    root = parse(reading, main)
    sections = tuple(section for section in root.sections if section.kind != "virtualhost")
    return ApacheConfiguration(root, base, unreadable(text), sections)


def _with_defines(text: str, environment: Mapping[str, str]) -> dict[str, str]:
    defined = re.findall(r"^\s*Define\s+(\w+)\s+\"?([^\"\n]+?)\"?\s*$", text, re.MULTILINE | re.IGNORECASE)
    return {**environment, **dict(defined)}


def address_and_port(text: str) -> tuple[str | None, int | None] | None:
    """Split `443`, `*:443`, `192.0.2.1:443`, `[::]:443`, `_default_:443` and `192.0.2.1`; None for a host name."""
    match = re.fullmatch(r"(?:(?P<host>\[[0-9a-fA-F:.]+\]|\*|_default_|[0-9.]+):)?(?P<port>[0-9]{1,5}|\*)", text)
    if not match:
        address = text.strip("[]")
        return (address, None) if re.fullmatch(r"[0-9a-fA-F:.]*[.:][0-9a-fA-F:.]*", address) else (
            (None, None) if text in ("*", "_default_") else None
        )  # fmt: skip
    host, port = match["host"], match["port"]
    is_any = host in (None, "*", "_default_", ANY_IPV4)
    return None if is_any else host.strip("[]"), None if port == "*" else int(port)


def host_names(block: Block) -> list[str]:
    """Return the names of a virtual host as in the configuration, without scheme and port."""
    aliases = (alias for arguments in block.values("ServerAlias") for alias in arguments)
    names = [block.last("ServerName") or "", *aliases]
    return [name for text in names if (name := re.sub(r"^https?://|:\d+$", "", text))]


def uses_tls(block: Block, root: Block) -> bool:
    """Return whether a virtual host uses TLS."""
    engine = block.last("SSLEngine") or root.last("SSLEngine") or "off"
    return engine.lower() in ("on", "optional")
