"""Matches a text with a regular expression of a server in a bounded number of steps, without backtracking.

It reads the syntax that PCRE and Python share. For each part it computes at which positions of the text a match can end
that begins at one of some positions, so that quantified groups take no longer than others.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

_STEPS: Final = 20_000  # parts that are computed; the expressions of servers take some hundred
_NESTING: Final = 30  # groups in groups
_QUANTIFIER: Final = re.compile(r"(?:(?P<mark>[*+?])|\{(?P<least>[0-9]{1,3})(?P<comma>,(?P<most>[0-9]{1,3})?)?\})")
_GROUP: Final = re.compile(r"\((?:\?(?P<kind>:|=|!|P?<(?=[A-Za-z_])\w+>))?")
_CLASSES: Final = {"d": re.compile(r"[0-9]"), "w": re.compile(r"[0-9A-Za-z_]"), "s": re.compile(r"[ \t\n\v\f\r]")}
_CONTROLS: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}

_Test = Callable[[str], bool]
_Ends = Callable[[AbstractSet[int]], AbstractSet[int]]
"""Returns the positions where a match ends that begins at one of these positions."""


class _Undecided(Exception):
    """The expression has syntax that is not read here, or it takes too many steps."""


def matches_within_bounds(expression: str, text: str, *, ignores_case: bool = False) -> bool | None:
    """Return whether an expression matches a part of a text; None if that is not decided."""
    if expression.startswith("(?i)"):
        expression, ignores_case = expression.removeprefix("(?i)"), True
    reading = _Reading(expression, text, ignores_case=ignores_case)
    try:
        ends = reading.alternatives(0)
        if reading.place < len(expression):
            return None
        return bool(ends(frozenset(range(len(text) + 1))))
    except _Undecided:
        return None


@dataclass(slots=True)
class _Reading:
    """The expression as far as it is read, the text, and the steps that were taken."""

    expression: str
    text: str
    ignores_case: bool = field(kw_only=True)
    place: int = 0
    steps: int = 0

    def alternatives(self, level: int) -> _Ends:
        """Read up to the end of a group."""
        if level > _NESTING:
            raise _Undecided
        choices = [self._sequence(level)]
        while self._take("|"):
            choices.append(self._sequence(level))
        return lambda starts: frozenset().union(*(choice(starts) for choice in choices))

    def _sequence(self, level: int) -> _Ends:
        parts: list[_Ends] = []
        while self.place < len(self.expression) and self.expression[self.place] not in "|)":
            parts.append(self._quantified(self._part(level)))

        def ends(starts: AbstractSet[int]) -> AbstractSet[int]:
            for part in parts:
                starts = part(starts) if starts else starts
            return starts

        return ends

    def _take(self, text: str) -> bool:
        is_there = self.expression.startswith(text, self.place)
        self.place += len(text) if is_there else 0
        return is_there

    def _next(self) -> str:
        self.place += 1
        if self.place > len(self.expression):
            raise _Undecided
        return self.expression[self.place - 1]

    def _counted(self, ends: _Ends) -> _Ends:
        def counted(starts: AbstractSet[int]) -> AbstractSet[int]:
            self.steps += 1
            if self.steps > _STEPS:
                raise _Undecided
            return ends(starts)

        return counted

    def _quantified(self, part: _Ends) -> _Ends:
        match = _QUANTIFIER.match(self.expression, self.place)
        if match is None:
            return part
        self.place = match.end()
        if self._take("+") or _QUANTIFIER.match(self.expression, self.place + self._take("?")):
            raise _Undecided  # possessive, or twice
        least = int(match["least"]) if match["least"] else int(match["mark"] == "+")
        if match["least"]:
            most = int(match["most"]) if match["most"] else None if match["comma"] else least
        else:
            most = 1 if match["mark"] == "?" else None
        return _repeated(part, least, most)

    def _part(self, level: int) -> _Ends:
        character = self._next()
        if character == "(":
            self.place -= 1
            return self._group(level)
        if character in "^$":
            edge = 0 if character == "^" else len(self.text)
            return lambda starts: frozenset(starts & {edge})
        if character == "[":
            return self._character(self._set())
        if character == "\\":
            return self._escaped()
        if character in "*+?":
            raise _Undecided
        return self._character((lambda _: True) if character == "." else self._equal(character))

    def _group(self, level: int) -> _Ends:
        match = _GROUP.match(self.expression, self.place)
        if match is None or (match["kind"] is None and self.expression.startswith("(?", self.place)):
            raise _Undecided
        self.place = match.end()
        inner = self._counted(self.alternatives(level + 1))
        if not self._take(")"):
            raise _Undecided
        if match["kind"] not in ("=", "!"):
            return inner
        is_wanted = match["kind"] == "="
        return lambda starts: frozenset(start for start in starts if bool(inner(frozenset({start}))) == is_wanted)

    def _escaped(self) -> _Ends:
        escape = self._next()
        if escape in "AzZ":
            edge = 0 if escape == "A" else len(self.text)
            return lambda starts: frozenset(starts & {edge})
        return self._character(self._escaped_test(escape))

    def _escaped_test(self, escape: str) -> _Test:
        if escape.lower() in _CLASSES:
            pattern, is_wanted = _CLASSES[escape.lower()], escape.islower()
            return lambda character: bool(pattern.fullmatch(character)) == is_wanted
        if escape in _CONTROLS or not escape.isalnum():
            return self._equal(_CONTROLS.get(escape, escape))
        raise _Undecided

    def _equal(self, wanted: str) -> _Test:
        if self.ignores_case:
            return lambda character: character.lower() == wanted.lower()
        return lambda character: character == wanted

    def _character(self, test: _Test) -> _Ends:
        """Return the ends of a part that matches a single character."""
        text = self.text
        following = [test(character) for character in text]
        return self._counted(
            lambda starts: frozenset(start + 1 for start in starts if start < len(text) and following[start])
        )

    def _set(self) -> _Test:
        is_wanted = not self._take("^")
        tests: list[_Test] = []
        while not (tests and self._take("]")):
            first = self._next()
            if first == "[":
                raise _Undecided  # a class of POSIX, or a set in a set
            if first == "\\":
                tests.append(self._escaped_test(self._next()))
            elif self.expression[self.place : self.place + 1] == "-" and self.expression[self.place + 1 :][:1] != "]":
                self._next()
                tests.append(self._between(first, self._next()))
            else:
                tests.append(self._equal(first))
        return lambda character: any(test(character) for test in tests) == is_wanted

    def _between(self, first: str, last: str) -> _Test:
        if last in "\\[":
            raise _Undecided
        if self.ignores_case:
            return lambda character: first <= character.lower() <= last or first <= character.upper() <= last
        return lambda character: first <= character <= last


def _repeated(part: _Ends, least: int, most: int | None) -> _Ends:
    """Return the ends of a part that is repeated: positions that were reached with fewer repetitions are kept."""

    def ends(starts: AbstractSet[int]) -> AbstractSet[int]:
        for _ in range(least):
            starts = part(starts)
        reached, new, count = set(starts), starts, least
        while new and (most is None or count < most):
            new = frozenset(part(new) - reached)
            reached |= new
            count += 1
        return frozenset(reached)

    return ends
