"""Reads nginx's configuration into a tree of directives, from `nginx -T` or from its files with includes.

It also reads `server_name`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from audit.services.config_files import INCLUDE_DEPTH, included, split_files, unreadable
from audit.services.model import ConfigDump

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*
    |(?P<mark>[{};])
    |"(?P<double>(?:\\.|[^"\\])*)"
    |'(?P<single>(?:\\.|[^'\\])*)'
    |(?P<bare>(?:\\.|\$\{[^}]*\}|[^\s;{}"'\\])(?:\\.|\$\{[^}]*\}|[^\s;{}\\])*)
    |.""",
    re.VERBOSE | re.DOTALL,
)
_NESTING: Final = 64  # levels of blocks; deeper blocks are not read (real configurations have about five levels)


@dataclass(frozen=True, slots=True)
class Directive:
    """A directive with its arguments and, if it opens a block, the directives in the block."""

    name: str
    arguments: tuple[str, ...]
    block: tuple[Directive, ...] = ()

    def all(self, name: str) -> list[Directive]:
        """Return the directives of that name in its block, in order."""
        return [directive for directive in self.block if directive.name == name]

    def __str__(self) -> str:
        """Return the directive as in the configuration, without its block."""
        return " ".join((self.name, *self.arguments))


@dataclass(frozen=True, slots=True)
class NginxConfiguration:
    """A configuration: `base` is the directory of its main file, `unread` has a message for each unreadable file."""

    root: Directive
    base: str
    unread: tuple[str, ...]


def read_nginx_configuration(dump: ConfigDump) -> NginxConfiguration | None:
    """Return the configuration in a dump, or None if there is none."""
    text = dump.text("dump") if "# configuration file " in dump.text("dump") else dump.text("files")
    files = split_files(text)
    if not files:
        return None
    main = next(iter(files))
    base = str(PurePosixPath(main).parent)
    root = _with_host_name(Directive("", (), tuple(_parse(files, base, main, 0))), dump.text("host_name").strip())
    return NginxConfiguration(root, base, unreadable(text))


def _with_host_name(directive: Directive, name: str) -> Directive:
    """Return a directive in which the host's name replaces `$hostname` as a server name, in lower case as in nginx."""
    if directive.name == "server_name" and name and "$hostname" in directive.arguments:
        replaced = tuple(name.lower() if word == "$hostname" else word for word in directive.arguments)
        return replace(directive, arguments=replaced)
    if not directive.block:
        return directive
    return replace(directive, block=tuple(_with_host_name(inner, name) for inner in directive.block))


def server_names(server: Directive) -> list[str]:
    """Return the names of a server as in the configuration."""
    return [name for directive in server.all("server_name") for name in directive.arguments]


def without_servers(context: Directive) -> Directive:
    """Return a context with the directives that its servers inherit."""
    return Directive(context.name, (), tuple(directive for directive in context.block if directive.name != "server"))


def values(blocks: Iterable[Directive], name: str) -> list[str]:
    """Return the first arguments of a directive in the innermost block that has it; blocks from the inside out."""
    for block in blocks:  # the values of an inner block replace those of the outer block
        arguments = [directive.arguments[0] for directive in block.all(name) if directive.arguments]
        if arguments:
            return arguments
    return []


def _parse(files: Mapping[str, str], base: str, path: str, depth: int) -> Iterator[Directive]:
    tokens = _tokens(files[path])
    yield from _block(tokens, (files, base, depth), 0)


def _block(
    tokens: Iterator[tuple[str, bool]], source: tuple[Mapping[str, str], str, int], level: int
) -> Iterator[Directive]:
    files, base, depth = source
    words: list[str] = []
    for word, is_mark in tokens:
        if not is_mark:
            words.append(word)
            continue
        if word == "{" and level == _NESTING:
            _skip_block(tokens)
        elif word == "{" and words:  # every block is read, to find where it ends
            yield Directive(words[0], tuple(words[1:]), tuple(_block(tokens, source, level + 1)))
        elif word == "}":
            return
        elif words[:1] == ["include"] and depth < INCLUDE_DEPTH:
            for path in included(files, base, words[1] if len(words) > 1 else ""):
                yield from _parse(files, base, path, depth + 1)
        elif words:
            yield Directive(words[0], tuple(words[1:]))
        words = []


def _skip_block(tokens: Iterator[tuple[str, bool]]) -> None:
    """Read to the end of a block whose opening brace was read."""
    depth = 1
    for word, is_mark in tokens:
        depth += {"{": 1, "}": -1}.get(word, 0) if is_mark else 0
        if not depth:
            return


def _tokens(text: str) -> Iterator[tuple[str, bool]]:
    for match in _TOKEN.finditer(text):
        if match["mark"]:
            yield match["mark"], True
        elif match.lastgroup:
            yield re.sub(r"\\([\"'\\])", r"\1", match[match.lastgroup]), False
