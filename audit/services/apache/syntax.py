"""Reads apache's configuration into a tree of sections: from apache's own dump, or from its files.

The dump is what mod_info prints; apache has resolved includes, conditions, variables and macros in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

from audit.services.apache.file_reader import FileReader
from audit.services.block_syntax import Block, logical_lines, parse_lines
from audit.services.config_files import split_files, unreadable
from audit.services.model import ConfigDump


@dataclass(frozen=True, slots=True)
class ApacheConfiguration:
    """A configuration: `base` is the directory of relative paths, `unread` has a message for each part not read.

    `sections` are the sections of the main server: all except the virtual hosts. `document_root` is the folder of the
    main server as apache reports it; None if it does not.
    """

    root: Block
    base: str
    unread: tuple[str, ...]
    sections: tuple[Block, ...]
    document_root: str | None = None

    @property
    def hosts(self) -> list[Block]:
        """The virtual hosts."""
        return [section for section in self.root.sections if section.kind == "virtualhost"]


def read_apache_configuration(dump: ConfigDump) -> ApacheConfiguration | None:
    """Return the configuration in a dump, or None if there is none."""
    root, base, unread = _from_apache(dump) or _from_files(dump) or (None, "", ())
    if root is None:
        return None
    sections = tuple(section for section in root.sections if section.kind != "virtualhost")
    reported = re.search(r'^Main DocumentRoot: "(.*)"$', dump.text("run_cfg"), re.MULTILINE)
    return ApacheConfiguration(root, base, unread, sections, reported[1] if reported else None)


def _from_apache(dump: ConfigDump) -> tuple[Block, str, tuple[str, ...]] | None:
    section = dump.sections.get("config")
    if section is None or section.rc != 0 or "# In file: " not in dump.text("config"):
        return None
    return parse_lines(logical_lines(section.text)), dump.text("base").strip(), ()


def _from_files(dump: ConfigDump) -> tuple[Block, str, tuple[str, ...]] | None:
    text = dump.text("files")
    files = split_files(text)
    if not files:
        return None
    main = next(iter(files))
    base = dump.text("base").strip() or str(PurePosixPath(main).parent)
    environment = (line.split("=", 1) for line in dump.text("environment").splitlines() if line.startswith("APACHE_"))
    reader = FileReader(
        files, base, set(_defined(dump.words)), dict(environment), _static_modules(dump), _version(dump)
    )
    root = parse_lines(reader.lines(main))
    return root, base, (*unreadable(text), *dict.fromkeys(reader.unread))


def _defined(words: tuple[str, ...]) -> Iterator[str]:
    yield from (next_word for word, next_word in pairwise(words) if word == "-D")
    yield from (word[2:] for word in words if word.startswith("-D") and len(word) > 2)


def _static_modules(dump: ConfigDump) -> set[str] | None:
    """Return the modules that are a part of the program, as `apache2 -l` prints them; None if it does not."""
    files = re.findall(r"^\s+(\w+\.c)$", dump.text("static"), re.MULTILINE)
    names = (f"{file.removesuffix('.c').removeprefix('mod_')}_module" for file in files)
    return {*files, *names} if files else None


def _version(dump: ConfigDump) -> tuple[int, ...]:
    match = re.search(r"^Server version: \S+/(\d+)\.(\d+)\.(\d+)", dump.text("built"), re.MULTILINE)
    return tuple(map(int, match.groups())) if match else ()


def host_names(block: Block) -> list[str]:
    """Return the names of a virtual host as in the configuration, without scheme and port."""
    aliases = (alias for arguments in block.values("ServerAlias") for alias in arguments)
    names = [block.last("ServerName") or "", *aliases]
    return [name for text in names if (name := re.sub(r"^https?://|:\d+$", "", text))]
