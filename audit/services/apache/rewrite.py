"""Evaluates apache's rewriting rules for a path that a CA requests: unchanged, or answered from elsewhere.

`RewriteRule` and `RewriteCond` are evaluated as far as they depend on the path alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from audit.services.challenge_path import takes

Directives = Iterable[tuple[str, tuple[str, ...]]]

_AWAY: Final = {"R", "REDIRECT", "F", "FORBIDDEN", "G", "GONE"}
_PROXIES: Final = {"P", "PROXY"}
_LAST: Final = {"L", "LAST", "END"}
_JUMPS: Final = {"S", "SKIP", "C", "CHAIN", "N", "NEXT"}
_FILE_TESTS: Final = {"-f": True, "-s": True, "-d": False, "-l": False, "-h": False, "-L": False}


@dataclass(frozen=True, slots=True)
class Request:
    """A request for the proof: its path as the rules see it, what variables hold, and texts that name its file."""

    path: str
    variables: Mapping[str, str]
    files: frozenset[str] = field(default_factory=frozenset)


def rewritten(directives: Directives, request: Request) -> str | None:
    """Return what a list of directives makes of a request, in a clause; None where it leaves it alone."""
    is_sure = True
    for conditions, arguments in _rules(directives):
        flags = _flags(arguments[2:3])
        taken = _both((_taken(arguments[0], request, flags), _hold(conditions, request)))
        rule = f"`RewriteRule {' '.join(arguments)}`"
        if taken is False and not flags & {"C", "CHAIN"}:
            continue
        if flags & _JUMPS:
            return f"what {rule} of apache makes of it cannot be told"
        if taken and is_sure and (arguments[1] != "-" or flags & (_AWAY | _PROXIES)):
            return f"apache answers it by {rule}, not from a folder"
        if arguments[1] != "-" and not _leads_away(arguments[1], flags):
            return f"whether apache answers it by {rule} is known only while it serves"
        if taken and is_sure and flags & _LAST:
            return None
        is_sure = is_sure and not flags & _LAST
    return None


def _rules(directives: Directives) -> Iterator[tuple[list[tuple[str, ...]], tuple[str, ...]]]:
    """Yield each rule with the conditions before it."""
    conditions: list[tuple[str, ...]] = []
    for name, arguments in directives:
        if name == "rewritecond" and len(arguments) > 1:
            conditions.append(arguments)
        elif name == "rewriterule" and len(arguments) > 1:
            yield conditions, arguments
            conditions = []


def _flags(arguments: tuple[str, ...]) -> frozenset[str]:
    return frozenset(flag.partition("=")[0].strip().upper() for flag in "".join(arguments).strip("[]").split(","))


def _leads_away(target: str, flags: frozenset[str]) -> bool:
    """Return whether a rule can only refuse the request, send the client elsewhere or answer with one fixed page.

    The file is not served from another folder then, so it does not matter here whether the rule applies.
    """
    return bool(flags & _AWAY) or bool(re.match(r"https?://", target)) or not re.search(r"[$%]", target)


def _taken(pattern: str, request: Request, flags: frozenset[str]) -> bool | None:
    found = takes(pattern.removeprefix("!"), request.path, ignores_case=bool(flags & {"NC", "NOCASE"}))
    return found if found is None or not pattern.startswith("!") else not found


def _hold(conditions: Iterable[tuple[str, ...]], request: Request) -> bool | None:
    """Return whether conditions hold: all of them, but of those joined by [OR] one."""
    joined: list[list[bool | None]] = [[]]
    for arguments in conditions:
        flags = _flags(arguments[2:3])
        joined[-1].append(_holds(arguments, request, flags))
        if not flags & {"OR", "ORNEXT"}:
            joined.append([])
    return _both(_either(each) for each in joined if each)


def _holds(arguments: tuple[str, ...], request: Request, flags: frozenset[str]) -> bool | None:
    text, pattern = arguments[0], arguments[1].removeprefix("!")
    if pattern in _FILE_TESTS:
        found: bool | None = _FILE_TESTS[pattern] if text in request.files else None
    elif (value := _value(text, request.variables)) is None or pattern[:1] in ("<", ">", "-"):
        found = None
    elif pattern.startswith("="):
        found = value == pattern[1:].strip('"')
    else:
        found = takes(pattern, value, ignores_case=bool(flags & {"NC", "NOCASE"}))
    return found if found is None or not arguments[1].startswith("!") else not found


def _value(text: str, variables: Mapping[str, str]) -> str | None:
    """Return what a text with variables holds; None where one of them is not known."""
    filled = re.sub(r"%\{([\w:]+)\}", lambda match: variables.get(match[1].upper(), match[0]), text)
    return None if re.search(r"[%$][{\d]", filled) or text == "expr" else filled


def _both(each: Iterable[bool | None]) -> bool | None:
    """Return whether all are true; None where that depends on what is not known."""
    found = set(each)
    return False if False in found else None if None in found else True


def _either(each: Iterable[bool | None]) -> bool | None:
    found = set(each)
    return True if True in found else None if None in found else False
