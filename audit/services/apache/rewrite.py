"""Evaluates apache's rewriting rules for a path that a CA requests.

`RewriteRule` and `RewriteCond` are evaluated as far as they depend on the path alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from audit.services.challenge_path import expression_matches

Directives = Iterable[tuple[str, tuple[str, ...]]]

_REFUSES_OR_REDIRECTS: Final = {"R", "REDIRECT", "F", "FORBIDDEN", "G", "GONE"}
_PROXIES: Final = {"P", "PROXY"}
_LAST: Final = {"L", "LAST", "END"}
_JUMPS: Final = {"S", "SKIP", "C", "CHAIN", "N", "NEXT"}
_FILE_TESTS: Final = {"-f": True, "-s": True, "-d": False, "-l": False, "-h": False, "-L": False}


@dataclass(frozen=True, slots=True)
class Request:
    """A request for the token: its path as the rules see it, the values of variables, and texts for its file."""

    path: str
    variables: Mapping[str, str]
    files: frozenset[str] = field(default_factory=frozenset)


def rewrite_result(directives: Directives, request: Request) -> str | None:
    """Return a message that says how a list of directives changes a request, or None if it does not change it."""
    is_decided = True
    for conditions, arguments in _rules(directives):
        flags = _flags(arguments[2:3])
        applies = _all_true((_rule_matches(arguments[0], request, flags), _conditions_met(conditions, request)))
        rule = f"`RewriteRule {' '.join(arguments)}`"
        if applies is False and not flags & {"C", "CHAIN"}:
            continue
        if flags & _JUMPS:
            return f"the effect of {rule} of apache is not known"
        if applies and is_decided and (arguments[1] != "-" or flags & (_REFUSES_OR_REDIRECTS | _PROXIES)):
            return f"apache handles it by {rule}, not from a directory"
        if arguments[1] != "-" and not _changes_no_folder(arguments[1], flags):
            return f"whether apache handles it by {rule} is known only at run time"
        if applies and is_decided and flags & _LAST:
            return None
        is_decided = is_decided and not flags & _LAST
    return None


def _rules(directives: Directives) -> Iterator[tuple[list[tuple[str, ...]], tuple[str, ...]]]:
    """Yield each rule with its conditions."""
    conditions: list[tuple[str, ...]] = []
    for name, arguments in directives:
        if name == "rewritecond" and len(arguments) > 1:
            conditions.append(arguments)
        elif name == "rewriterule" and len(arguments) > 1:
            yield conditions, arguments
            conditions = []


def _flags(arguments: tuple[str, ...]) -> frozenset[str]:
    return frozenset(flag.partition("=")[0].strip().upper() for flag in "".join(arguments).strip("[]").split(","))


def _changes_no_folder(target: str, flags: frozenset[str]) -> bool:
    """Return whether a rule can only refuse the request, redirect the client or return one fixed page.

    apache then serves the file from no other folder, so it does not matter here whether the rule applies.
    """
    return bool(flags & _REFUSES_OR_REDIRECTS) or bool(re.match(r"https?://", target)) or not re.search(r"[$%]", target)


def _rule_matches(pattern: str, request: Request, flags: frozenset[str]) -> bool | None:
    ignores_case = bool(flags & {"NC", "NOCASE"})
    result = expression_matches(pattern.removeprefix("!"), request.path, ignores_case=ignores_case)
    return result if result is None or not pattern.startswith("!") else not result


def _conditions_met(conditions: Iterable[tuple[str, ...]], request: Request) -> bool | None:
    """Return whether conditions are met. All have to be met, and at least one of those that [OR] joins."""
    groups: list[list[bool | None]] = [[]]
    for arguments in conditions:
        flags = _flags(arguments[2:3])
        groups[-1].append(_is_met(arguments, request, flags))
        if not flags & {"OR", "ORNEXT"}:
            groups.append([])
    return _all_true(_any_true(group) for group in groups if group)


def _is_met(arguments: tuple[str, ...], request: Request, flags: frozenset[str]) -> bool | None:
    text, pattern = arguments[0], arguments[1].removeprefix("!")
    if pattern in _FILE_TESTS:
        result: bool | None = _FILE_TESTS[pattern] if text in request.files else None
    elif (value := _value(text, request.variables)) is None or pattern[:1] in ("<", ">", "-"):
        result = None
    elif pattern.startswith("="):
        result = value == pattern[1:].strip('"')
    else:
        result = expression_matches(pattern, value, ignores_case=bool(flags & {"NC", "NOCASE"}))
    return result if result is None or not arguments[1].startswith("!") else not result


def _value(text: str, variables: Mapping[str, str]) -> str | None:
    """Return a text with the values of its variables, or None if one of them is not known."""
    value = re.sub(r"%\{([\w:]+)\}", lambda match: variables.get(match[1].upper(), match[0]), text)
    return None if re.search(r"[%$][{\d]", value) or text == "expr" else value


def _all_true(results: Iterable[bool | None]) -> bool | None:
    """Return whether all results are true, or None if this depends on an unknown result."""
    values = set(results)
    return False if False in values else None if None in values else True


def _any_true(results: Iterable[bool | None]) -> bool | None:
    values = set(results)
    return True if True in values else None if None in values else False
