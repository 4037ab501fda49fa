"""Reads apache's configuration into a tree of sections, with variables of its environment and command line.

It also reads where a virtual host listens, which names it has and whether it uses TLS.
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
    """A whole configuration: `base` is the folder of relative names, `unread` a clause for each file that was denied.

    `sections` are those of the main server: all but the virtual hosts.
    """

    root: Block
    base: str
    unread: tuple[str, ...]
    sections: tuple[Block, ...]

    @property
    def hosts(self) -> list[Block]:
        """The virtual hosts."""
        return [part for part in self.root.parts if part.kind == "virtualhost"]


def read_apache_configuration(dump: ConfigDump) -> ApacheConfiguration | None:
    """Return the configuration in a dump; None where there is none."""
    text = dump.text("files")
    files = split_files(text)
    if not files:
        return None
    main = next(iter(files))
    base = dump.text("base").strip() or str(PurePosixPath(main).parent)
    words = dump.words
    defined = frozenset(after for word, after in pairwise(words) if word == "-D")
    joined = frozenset(word[2:] for word in words if word.startswith("-D") and len(word) > 2)
    variables = dict(line.split("=", 1) for line in dump.text("environment").splitlines() if line.startswith("APACHE_"))
    reading = Reading(files, base, defined | joined, _defines(text, variables))
    root = parse(reading, main)
    sections = tuple(part for part in root.parts if part.kind != "virtualhost")
    return ApacheConfiguration(root, base, unreadable(text), sections)


def _defines(text: str, environment: Mapping[str, str]) -> dict[str, str]:
    defined = re.findall(r"^\s*Define\s+(\w+)\s+\"?([^\"\n]+?)\"?\s*$", text, re.MULTILINE | re.IGNORECASE)
    return {**environment, **dict(defined)}


def place(text: str) -> tuple[str | None, int | None] | None:
    """Split `443`, `*:443`, `192.0.2.1:443`, `[::]:443`, `_default_:443` and `192.0.2.1`; None for a name."""
    match = re.fullmatch(r"(?:(?P<host>\[[0-9a-fA-F:.]+\]|\*|_default_|[0-9.]+):)?(?P<port>[0-9]{1,5}|\*)", text)
    if not match:
        bare = text.strip("[]")
        return (bare, None) if re.fullmatch(r"[0-9a-fA-F:.]*[.:][0-9a-fA-F:.]*", bare) else (
            (None, None) if text in ("*", "_default_") else None
        )  # fmt: skip
    host, port = match["host"], match["port"]
    address = None if host in (None, "*", "_default_", ANY_IPV4) else host.strip("[]")
    return address, None if port == "*" else int(port)


def names(part: Block) -> list[str]:
    """Return the names of a virtual host as they are written, without scheme and port."""
    written = [part.last("ServerName") or "", *(alias for one in part.values("ServerAlias") for alias in one)]
    return [bare for name in written if (bare := re.sub(r"^https?://|:\d+$", "", name))]


def speaks_tls(part: Block, root: Block) -> bool:
    """Return whether a virtual host speaks TLS."""
    engine = part.last("SSLEngine") or root.last("SSLEngine") or "off"
    return engine.lower() in ("on", "optional")
