"""Reads the syntax that apache and proftpd share: a directive a line, sections in angle brackets, includes.

The module of a service interprets the directives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from audit.services.config_files import INCLUDE_DEPTH, included

_WORD = re.compile(r"""\s*(?:"((?:\\["\\]|[^"])*)(?:"|$)|'((?:\\['\\]|[^'])*)(?:'|$)|(\S+))""")
_NESTING: Final = 64  # sections in sections; people write four, and what lies deeper is not read
_WRITTEN = re.compile(r"\\([\\\"'])")


@dataclass(slots=True)
class Block:
    """The main configuration or a section: its kind in lower case, its arguments, its directives and sections."""

    kind: str = ""
    arguments: tuple[str, ...] = ()
    directives: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    parts: list[Block] = field(default_factory=list)

    def values(self, name: str) -> list[tuple[str, ...]]:
        """Return the arguments of each directive of that name, in order."""
        return [arguments for known, arguments in self.directives if known == name.lower()]

    def last(self, name: str) -> str | None:
        """Return the first argument of the last directive of that name."""
        found = [arguments[0] for arguments in self.values(name) if arguments]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class Reading:
    """What is needed to read one configuration: its files, the folder of relative names, what is defined."""

    files: Mapping[str, str]
    base: str
    defined: frozenset[str] = frozenset()
    variables: Mapping[str, str] = field(default_factory=dict)


def parse(reading: Reading, path: str) -> Block:
    """Return the whole configuration that begins in a file, its includes put in place."""
    root = Block()
    stack = [root]
    for line in _lines(reading, path, 0):
        opened = re.fullmatch(r"<(?P<kind>\w+)\s*(?P<rest>.*?)>?", line)
        if line.startswith("</"):
            if len(stack) > 1:
                stack.pop()
        elif opened:
            above = stack[-1] if len(stack) <= _NESTING else Block()
            stack.append(_section(reading, above, opened["kind"].lower(), _words(opened["rest"])))
        else:
            name, *arguments = _words(line) or [""]
            stack[-1].directives.append((name.lower(), tuple(arguments)))
            if name.lower() == "use":  # a macro makes parts too, and their order matters
                stack[-1].parts.append(Block("use", tuple(arguments)))
    return root


def _section(reading: Reading, above: Block, kind: str, arguments: list[str]) -> Block:
    """Return where the directives of a section go: into the part above where its condition holds, or nowhere."""
    if kind in ("ifmodule", "ifversion", "ifclass", "iffile", "global"):
        negated = bool(arguments) and arguments[0].startswith("!")
        return Block() if negated else above  # a module that is configured is taken to be loaded
    if kind == "ifdefine":
        name = arguments[0] if arguments else ""
        holds = (name.lstrip("!") in reading.defined) != name.startswith("!")
        return above if holds else Block()
    part = Block(kind, tuple(arguments))
    above.parts.append(part)
    return part


def _lines(reading: Reading, path: str, depth: int) -> Iterator[str]:
    joined = re.sub(r"\\\r?\n", " ", reading.files.get(path, ""))
    for raw in joined.splitlines():
        line = _substituted(raw.strip(), reading.variables)
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r"(?:include|includeoptional)\s+(?P<pattern>.+)", line, re.IGNORECASE)
        if not match:
            yield line
        elif depth < INCLUDE_DEPTH:
            for inner in included(reading.files, reading.base, "".join(_words(match["pattern"])[:1])):
                yield from _lines(reading, inner, depth + 1)


def _substituted(line: str, variables: Mapping[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda match: variables.get(match[1], match[0]), line) if "${" in line else line


def _words(line: str) -> list[str]:
    """Return the words of a line; a backslash stands for itself but before another, or the quote it is in."""
    if not any(mark in line for mark in "\"'\\"):
        return line.split()
    return [
        _WRITTEN.sub(r"\1", next(part for part in match.groups() if part is not None)) for match in _WORD.finditer(line)
    ]
