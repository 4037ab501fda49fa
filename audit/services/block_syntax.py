"""Reads the syntax that apache and proftpd share: one directive a line, sections in angle brackets, and includes.

The module of a service interprets the directives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from audit.services.config_files import INCLUDE_DEPTH, included

_WORD = re.compile(r"""\s*(?:"((?:\\["\\]|[^"])*)(?:"|$)|'((?:\\['\\]|[^'])*)(?:'|$)|(\S+))""")
_NESTING: Final = 64  # levels of sections; deeper sections are not read (real configurations have about four levels)
_ESCAPED = re.compile(r"\\([\\\"'])")


@dataclass(slots=True)
class Block:
    """The main configuration or a section: its kind in lower case, its arguments, its directives and sections."""

    kind: str = ""
    arguments: tuple[str, ...] = ()
    directives: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    sections: list[Block] = field(default_factory=list)

    def values(self, name: str) -> list[tuple[str, ...]]:
        """Return the arguments of each directive of that name, in order."""
        return [arguments for directive, arguments in self.directives if directive == name.lower()]

    def last(self, name: str) -> str | None:
        """Return the first argument of the last directive of that name."""
        values = [arguments[0] for arguments in self.values(name) if arguments]
        return values[-1] if values else None


@dataclass(frozen=True, slots=True)
class Reading:
    """The files of one configuration, and the directory of its relative paths."""

    files: Mapping[str, str]
    base: str


def parse(reading: Reading, path: str) -> Block:
    """Return the configuration that starts in a file, with the included files in place."""
    return parse_lines(_lines(reading, path, 0))


def parse_lines(lines: Iterable[str]) -> Block:
    """Return the configuration in these lines."""
    root = Block()
    stack = [root]
    for line in lines:
        opening = re.fullmatch(r"<(?P<kind>\w+)\s*(?P<rest>.*?)>?", line)
        if line.startswith("</"):
            if len(stack) > 1:
                stack.pop()
        elif opening:
            parent = stack[-1] if len(stack) <= _NESTING else Block()
            stack.append(_section(parent, opening["kind"].lower(), words_of(opening["rest"])))
        else:
            name, *arguments = words_of(line) or [""]
            stack[-1].directives.append((name.lower(), tuple(arguments)))
    return root


def _section(parent: Block, kind: str, arguments: list[str]) -> Block:
    """Return the block for the directives of a section: the parent if its condition is met, else a block to drop."""
    if kind in ("ifmodule", "ifversion", "ifclass", "iffile", "global"):
        is_negated = bool(arguments) and arguments[0].startswith("!")
        return Block() if is_negated else parent  # a module that is configured is assumed to be loaded
    if kind == "ifdefine":  # nothing is defined on the command line
        return parent if "".join(arguments[:1]).startswith("!") else Block()
    section = Block(kind, tuple(arguments))
    parent.sections.append(section)
    return section


def logical_lines(text: str) -> Iterator[str]:
    """Yield the lines of a file without comments and empty lines; a backslash continues a line."""
    for raw_line in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = raw_line.strip()
        if line and not line.startswith("#"):
            yield line


def _lines(reading: Reading, path: str, depth: int) -> Iterator[str]:
    for line in logical_lines(reading.files.get(path, "")):
        match = re.fullmatch(r"(?:include|includeoptional)\s+(?P<pattern>.+)", line, re.IGNORECASE)
        if not match:
            yield line
        elif depth < INCLUDE_DEPTH:
            for included_path in included(reading.files, reading.base, "".join(words_of(match["pattern"])[:1])):
                yield from _lines(reading, included_path, depth + 1)


def words_of(line: str) -> list[str]:
    """Return the words of a line. A backslash escapes a backslash or the surrounding quote, else it is a character."""
    if not any(character in line for character in "\"'\\"):
        return line.split()
    return [
        _ESCAPED.sub(r"\1", next(group for group in match.groups() if group is not None))
        for match in _WORD.finditer(line)
    ]
