"""Reads the files of an haproxy configuration: words with quotes and variables, conditional blocks, and sections.

The rules are those of sections 2.2 to 2.4 of haproxy's configuration manual. A value that depends on a variable that is
not known stays as it is written, with its `${`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Final

from audit.services.config_files import split_files, unreadable
from audit.services.model import ConfigDump

SECTIONS: Final = frozenset(
    {"acme", "backend", "cache", "crt-store", "defaults", "dynamic-update", "fcgi-app", "frontend", "global",
     "http-errors", "listen", "log-forward", "log-profile", "mailers", "peers", "program", "resolvers", "ring",
     "traces", "userlist"}
)  # fmt: skip
_PIECE = re.compile(
    r"""(?P<space>[ \t\r]+)|(?P<comment>\#.*)
    |"(?P<weak>(?:\\.|[^"\\])*)(?:"|\\?$)
    |'(?P<strong>[^']*)(?:'|$)
    |(?P<bare>(?:\\.|[^\s"'\\#])+|.)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"""\\(?:x(?P<hex>[0-9A-Fa-f]{2})|(?P<char>[ \\#'"$nrt]))""")
_VARIABLE = re.compile(
    r"(?P<escape>\\.)|\$(?:\{(?P<braced>\.?\w+)(?P<list>\[\*\])?(?:-(?P<default>[^}]*))?\}|(?P<bare>\.?\w+))", re.DOTALL
)
_CONTROL: Final = {"n": "\n", "r": "\r", "t": "\t"}
_NESTING: Final = 100  # levels of conditional blocks; haproxy itself reads 32


@dataclass(frozen=True, slots=True)
class ConfigLine:
    """The words of one line, and the directory of its file."""

    words: tuple[str, ...]
    folder: str

    def after(self, *keywords: str) -> Iterator[str]:
        """Yield the word after each of these keywords, but not if the keyword is itself that word."""
        index = 1
        while index < len(self.words) - 1:
            if self.words[index] in keywords:
                yield self.words[index + 1]
                index += 1
            index += 1


@dataclass(frozen=True, slots=True)
class HaproxySection:
    """A section with its lines. `mode` is its own or that of its defaults."""

    kind: str
    name: str = ""
    mode: str = "tcp"
    lines: tuple[ConfigLine, ...] = ()

    def all(self, *keywords: str) -> Iterator[ConfigLine]:
        """Yield the lines that begin with one of these keywords."""
        return (line for line in self.lines if line.words[0] in keywords)


@dataclass(frozen=True, slots=True)
class HaproxyConfiguration:
    """The sections in order, the arguments of each global setting, and a message for each part that is not known."""

    sections: tuple[HaproxySection, ...]
    settings: Mapping[str, tuple[str, ...]]
    unread: tuple[str, ...] = ()

    def of(self, *kinds: str) -> Iterator[HaproxySection]:
        """Yield the sections of these kinds."""
        return (section for section in self.sections if section.kind in kinds)


@dataclass(slots=True)
class _Reading:
    """What is known while the lines are read: variables (None: those of the process are not known), open blocks."""

    variables: MutableMapping[str, str] = field(default_factory=dict)
    is_complete: bool = False
    blocks: list[tuple[bool | None, bool]] = field(default_factory=list)  # is it read, and was one before it
    unread: list[str] = field(default_factory=list)


def read_haproxy_configuration(dump: ConfigDump) -> HaproxyConfiguration | None:
    """Return the configuration in a dump, or None if there is none."""
    files = split_files(dump.text("files"))
    if not files:
        return None
    environment = dump.sections.get("environment")
    reading = _Reading(_variables(dump.text("environment")), is_complete=environment is not None)
    ordered = _in_order(files, dump)
    sections = tuple(_sections(_lines(ordered, reading)))
    global_lines = [line.words for section in sections if section.kind == "global" for line in section.lines]
    settings = {keyword: tuple(arguments) for keyword, *arguments in global_lines}
    return HaproxyConfiguration(sections, settings, (*unreadable(dump.text("files")), *dict.fromkeys(reading.unread)))


def configuration_arguments(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the files and directories that a command line names: after each `-f`, and all after `--`."""
    options, dashes, rest = _partition(words, "--")
    named = [value for option, value in pairwise(options) if option == "-f"]
    return (*named, *(rest if dashes else ()))


def _partition(words: tuple[str, ...], mark: str) -> tuple[tuple[str, ...], bool, tuple[str, ...]]:
    if mark not in words:
        return words, False, ()
    index = words.index(mark)
    return words[:index], True, words[index + 1 :]


def working_directory(words: tuple[str, ...]) -> str | None:
    """Return the directory that `-C` names."""
    return next((value for option, value in pairwise(words) if option == "-C"), None)


def _in_order(files: Mapping[str, str], dump: ConfigDump) -> dict[str, str]:
    """Return the files in the order in which haproxy reads them: a directory stands for its files by name."""
    ordered: dict[str, str] = {}
    for argument in configuration_arguments(dump.words):
        path = str(PurePosixPath(working_directory(dump.words) or "/") / argument)
        inside = sorted(name for name in files if str(PurePosixPath(name).parent) == path)
        ordered |= {name: files[name] for name in ([path] if path in files else inside)}
    return ordered | {name: text for name, text in files.items() if name not in ordered}


def _variables(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value for name, equals, value in pairs if equals}


def _lines(files: Mapping[str, str], reading: _Reading) -> Iterator[ConfigLine]:
    for path, text in files.items():
        reading.blocks.clear()
        folder = str(PurePosixPath(path).parent)
        for raw in text.split("\n"):
            words = split_words(raw, reading.variables, is_complete=reading.is_complete)
            if words and words[0] in (".if", ".elif", ".else", ".endif"):
                _conditional(words[0], " ".join(words[1:]), reading)
            elif words and not words[0].startswith(".") and all(is_read is not False for is_read, _ in reading.blocks):
                _set_variables(words, reading)
                yield ConfigLine(words, folder)


def _conditional(keyword: str, expression: str, reading: _Reading) -> None:
    if keyword == ".if":
        if len(reading.blocks) < _NESTING:
            reading.blocks.append(_branch(expression, reading, was_read=False))
    elif not reading.blocks:
        return
    elif keyword == ".endif":
        reading.blocks.pop()
    else:
        _, was_read = reading.blocks[-1]
        reading.blocks[-1] = _branch(expression if keyword == ".elif" else "1", reading, was_read=was_read)


def _branch(expression: str, reading: _Reading, *, was_read: bool) -> tuple[bool | None, bool]:
    """Return whether a branch is read, and whether this or an earlier branch certainly is. Unknown ones are read."""
    if was_read:
        return False, True
    is_met = _is_met(expression.strip(), reading)
    if is_met is None:
        reading.unread.append(f"haproxy decides at its start whether {expression!r} holds: both branches are read")
    return is_met, is_met is True


def _is_met(expression: str, reading: _Reading) -> bool | None:
    if expression.startswith("!"):
        is_met = _is_met(expression[1:].strip(), reading) if len(expression) < _NESTING else None
        return None if is_met is None else not is_met
    if re.fullmatch(r"[0-9]{1,9}", expression):
        return int(expression) != 0
    match = re.fullmatch(r"defined\((\w+)\)", expression)
    if match and (match[1] in reading.variables or reading.is_complete):
        return match[1] in reading.variables
    match = re.fullmatch(r"str(n?)eq\(([^,${}()]*),([^,${}()]*)\)", expression)
    return (match[2].strip() == match[3].strip()) != bool(match[1]) if match else None


def _set_variables(words: tuple[str, ...], reading: _Reading) -> None:
    keyword, *arguments = words
    if keyword in ("setenv", "presetenv") and len(arguments) > 1:
        is_set = keyword == "presetenv" and arguments[0] in reading.variables
        reading.variables[arguments[0]] = reading.variables[arguments[0]] if is_set else arguments[1]
    elif keyword == "unsetenv":
        for name in arguments:
            reading.variables.pop(name, None)
    elif keyword == "resetenv":
        kept = {name: reading.variables[name] for name in arguments if name in reading.variables}
        reading.variables.clear()
        reading.variables.update(kept)


def split_words(text: str, variables: Mapping[str, str], *, is_complete: bool) -> tuple[str, ...]:
    """Return the words of a line. If not all variables are known, an unknown one stays as it is written."""
    words: list[str] = []
    is_open = False
    for match in _PIECE.finditer(text):
        if match["comment"] is not None:
            break
        if match["space"] is not None:
            is_open = False
            continue
        piece = _piece(match, variables, is_complete=is_complete)
        if is_open:
            words[-1] += piece
        else:
            words.append(piece)
        is_open = True
    return tuple(words)


def _piece(match: re.Match[str], variables: Mapping[str, str], *, is_complete: bool) -> str:
    if match["strong"] is not None:
        return match["strong"]
    if match["weak"] is None:
        return _ESCAPE.sub(_escaped, match["bare"])

    def value(match: re.Match[str]) -> str:
        if match["escape"]:
            return match[0]
        name = match["braced"] or match["bare"]
        if name in variables and not match["list"]:
            return variables[name].replace("\\", "\\\\")
        if match["default"] is not None and is_complete:
            return match["default"]
        is_empty = name.startswith(".") or (is_complete and not match["list"])
        return "" if is_empty else f"${{{name}}}"

    return _ESCAPE.sub(_escaped, _VARIABLE.sub(value, match["weak"]))


def _escaped(match: re.Match[str]) -> str:
    return chr(int(match["hex"], 16)) if match["hex"] else _CONTROL.get(match["char"], match["char"])


def _sections(lines: Iterator[ConfigLine]) -> Iterator[HaproxySection]:
    """Yield each section at its end. It has the defaults that it names, else those before it."""
    modes = {"": "tcp"}
    header, body = ConfigLine((), ""), list[ConfigLine]()
    for line in lines:
        if line.words[0] in SECTIONS:
            yield from _section(header, body, modes)
            header, body = line, []
        else:
            body.append(line)
    yield from _section(header, body, modes)


def _section(header: ConfigLine, body: list[ConfigLine], modes: MutableMapping[str, str]) -> Iterator[HaproxySection]:
    """Yield the section that a header begins, and keep the mode of defaults for the sections that follow."""
    if not header.words:
        return
    kind = header.words[0]
    names, _, parents = _partition(header.words[1:], "from")
    name = names[0] if names else ""
    inherited = modes.get(parents[0] if parents else "", modes[""]) if kind != "defaults" or parents else "tcp"
    own = [line.words[1] for line in body if line.words[0] == "mode" and len(line.words) > 1]
    mode = own[-1] if own else inherited
    if kind == "defaults":
        modes[name] = modes[""] = mode
    yield HaproxySection(kind, name, mode, tuple(body))
