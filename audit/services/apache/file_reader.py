"""Resolves what apache evaluates while it reads its files: includes, conditions, defined names, variables and macros.

apache's own dump of its configuration has none of them. This module reads the files if apache prints no dump.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from audit.services.block_syntax import logical_lines, words_of
from audit.services.config_files import INCLUDE_DEPTH, included

_SECTION: Final = re.compile(
    r"<(?P<end>/?)(?P<kind>ifdefine|ifmodule|ifversion|iffile|macro)\b\s*(?P<rest>[^>]*)", re.IGNORECASE
)
_VARIABLE: Final = re.compile(r"\$\{(\w+)\}")
_MOST_LINES: Final = 500_000  # of a configuration: includes and macros can multiply lines without end


@dataclass(frozen=True, slots=True)
class _Macro:
    """A macro: its parameters, such as `$name`, and its lines."""

    parameters: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(slots=True)
class FileReader:
    """The state of reading: what is defined, loaded and known so far.

    `modules` has modules as `<IfModule>` names them; None assumes that each is loaded. `unread` receives a message for
    each include that is not known. The `Use` of an unknown macro remains.
    """

    files: Mapping[str, str]
    base: str
    defined: set[str] = field(default_factory=set)
    variables: dict[str, str] = field(default_factory=dict)
    modules: set[str] | None = None
    version: tuple[int, ...] = ()
    unread: list[str] = field(default_factory=list)
    _macros: dict[str, _Macro] = field(default_factory=dict)
    _used: list[str] = field(default_factory=list)  # the macros that are being expanded
    _count: int = 0

    def lines(self, path: str) -> Iterator[str]:
        """Yield the lines that remain of a file and all that it includes."""
        yield from self._processed(logical_lines(self.files.get(path, "")), 0)
        if self._count > _MOST_LINES:
            self.unread.append(f"apache's configuration has more than {_MOST_LINES} lines")

    def _processed(self, lines: Iterable[str], depth: int) -> Iterator[str]:
        conditions: list[bool] = []  # of the open sections
        rest = iter(lines)
        for raw_line in rest:
            self._count += 1
            if self._count > _MOST_LINES:
                return
            section = _SECTION.match(raw_line)
            if section:
                kind = section["kind"].lower()
                if section["end"]:
                    del conditions[len(conditions) - (kind != "macro") :]
                elif kind == "macro":
                    self._take_macro(section, rest, is_defined=all(conditions[-1:]))
                else:
                    conditions.append(all(conditions[-1:]) and self._is_met(kind, words_of(section["rest"])))
            elif all(conditions[-1:]):
                yield from self._directive(self._substituted(raw_line), depth)

    def _substituted(self, line: str) -> str:
        return _VARIABLE.sub(lambda match: self.variables.get(match[1], match[0]), line) if "${" in line else line

    def _take_macro(self, opening: re.Match[str], rest: Iterator[str], *, is_defined: bool) -> None:
        body: list[str] = []
        for line in rest:
            match = _SECTION.match(line)
            if match and match["end"] and match["kind"].lower() == "macro":
                break
            body.append(line)
        name, *parameters = words_of(opening["rest"]) or [""]
        if is_defined:
            self._macros[name.lower()] = _Macro(tuple(parameters), tuple(body))

    def _is_met(self, kind: str, arguments: list[str]) -> bool:
        first = self._substituted(arguments[0]) if arguments else ""
        is_negated, name = first.startswith("!"), first.removeprefix("!")
        if kind == "ifdefine":
            return (name in self.defined) != is_negated
        if kind == "ifmodule":
            return (self.modules is None or name in self.modules) != is_negated
        if kind == "ifversion":
            return self._has_version(arguments)
        return not is_negated  # a file is assumed to exist

    def _has_version(self, arguments: list[str]) -> bool:
        operator, text = arguments if len(arguments) == 2 else ("=", "".join(arguments[:1]))
        numbers = tuple(int(number) for number in re.findall(r"[0-9]{1,6}", text))
        own = self.version[: len(numbers)] if operator.lstrip("!") in ("=", "==") else self.version
        if not own or not numbers or "~" in operator or text.startswith("/"):
            return True
        is_met = {"=": own == numbers, "==": own == numbers, ">": own > numbers, "<": own < numbers,
                  ">=": own >= numbers, "<=": own <= numbers}.get(operator.lstrip("!"), True)  # fmt: skip
        return is_met != operator.startswith("!")

    def _directive(self, line: str, depth: int) -> Iterator[str]:
        name, *arguments = words_of(line) or [""]
        directive, first = name.lower(), "".join(arguments[:1])
        if directive in ("include", "includeoptional"):
            yield from self._included(first, depth)
        elif directive == "use":
            yield from self._expanded(line, arguments, depth)
        elif directive == "define":
            self.defined.add(first)
            if len(arguments) > 1:
                self.variables[first] = arguments[1]
        elif directive == "undefine":
            self.defined.discard(first)
            self.variables.pop(first, None)
        else:
            if directive == "loadmodule" and self.modules is not None and len(arguments) > 1:
                self.modules |= {
                    first,
                    f"{PurePosixPath(arguments[1]).stem}.c",
                    f"mod_{first.removesuffix('_module')}.c",
                }
            yield line

    def _included(self, pattern: str, depth: int) -> Iterator[str]:
        if "${" in pattern:
            self.unread.append(f"apache includes {pattern!r}, which contains an unknown variable")
        elif depth < INCLUDE_DEPTH:
            for path in included(self.files, self.base, pattern):
                yield from self._processed(logical_lines(self.files[path]), depth + 1)

    def _expanded(self, line: str, arguments: list[str], depth: int) -> Iterator[str]:
        name = "".join(arguments[:1]).lower()
        macro = self._macros.get(name)
        if macro is None or name in self._used or depth >= INCLUDE_DEPTH:
            yield line
            return
        values = dict(zip(macro.parameters, arguments[1:], strict=False))
        names = sorted((name for name in values if name), key=len, reverse=True)
        pattern = re.compile("|".join(map(re.escape, names)) or r"(?!)")
        self._used.append(name)
        body = [pattern.sub(lambda found: values[found[0]], text) for text in macro.lines]
        yield from self._processed(body, depth + 1)
        self._used.pop()
