r"""Finds names that the expression of a `server_name` matches, such as `~^(www\.)?example\.com$`.

All alternatives are names. An optional part is left out, because its name need not exist. A part that matches any label
is the label of wildcards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from audit.endpoint import WILDCARD_LABEL
from audit.services.challenge_path import expression_matches
from audit.services.nginx.syntax import Directive, server_names

_TOKEN: Final = re.compile(
    r"(?P<open>\((?:\?(?::|P?<\w+>))?)|(?P<close>\)\??)|(?P<mark>\|)"
    r"|(?P<any>(?:\.|\[\^?[^\]\\]+\]|\\[wS])[+*]\??)|\\(?P<escaped>[.-])|(?P<plain>[A-Za-z0-9-])"
)
_HOST: Final = re.compile(r"(?!-)[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_MOST_NAMES: Final = 16
_LENGTH: Final = 300


class _Unreadable(Exception):
    """The expression has syntax that is not read here."""


def names_by_expression(servers: Sequence[Directive]) -> dict[int, tuple[str, ...]]:
    """Return for each server by its id the names for which nginx selects it by an expression.

    Names and wildcards come before expressions, and then the first expression that matches.
    """
    names = [name for server in servers for name in server_names(server)]
    patterns = [name.lower() for name in names if not name.startswith("~")]
    found: dict[int, tuple[str, ...]] = {}
    taken: set[str] = set()
    for server in servers:
        expressions = [name[1:] for name in server_names(server) if name.startswith("~")]
        matching = dict.fromkeys(name for expression in expressions for name in names_matching(expression))
        found[id(server)] = tuple(name for name in matching if name not in taken and not _is_covered(name, patterns))
        taken |= matching.keys()
    return found


def _is_covered(name: str, patterns: Sequence[str]) -> bool:
    return any(
        name in (pattern, pattern.removeprefix("."))
        or (pattern.startswith(("*.", ".")) and name.endswith(pattern.removeprefix("*")))
        or (pattern.endswith(".*") and name.startswith(pattern[:-1]))
        for pattern in patterns
    )


def names_matching(expression: str) -> tuple[str, ...]:
    """Return names that match the expression of a `server_name` (without `~`); empty if none is found."""
    body = re.fullmatch(r"\^?(.*?)\$?", expression) if len(expression) <= _LENGTH else None
    try:
        tokens = list(_tokens(body[1] if body else ""))
        candidates, place = _alternatives(tokens, 0)
    except _Unreadable:
        return ()
    if place < len(tokens):
        return ()
    names = dict.fromkeys(name.lower() for name in candidates)
    return tuple(name for name in names if _is_usable(name) and expression_matches(expression, name, ignores_case=True))


def _is_usable(name: str) -> bool:
    labels = name.split(".")
    return _HOST.fullmatch(name) is not None and all(WILDCARD_LABEL not in label for label in labels[1:])


def _tokens(text: str) -> Iterator[re.Match[str]]:
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise _Unreadable
        yield match
        place = match.end()


def _alternatives(tokens: list[re.Match[str]], place: int) -> tuple[list[str], int]:
    """Return the texts of the alternatives from a place on, and the place of what ends them."""
    found: list[str] = []
    texts = [""]
    while place < len(tokens) and not tokens[place]["close"]:
        token, suffixes = tokens[place], [""]
        place += 1
        if token["mark"]:
            found, texts = [*found, *texts], [""]
            continue
        if token["open"]:
            suffixes, place = _alternatives(tokens, place)
            if place == len(tokens):
                raise _Unreadable
            suffixes = [""] if tokens[place][0] == ")?" else suffixes
            place += 1
        else:
            suffixes = [WILDCARD_LABEL if token["any"] else token["escaped"] or token["plain"]]
        if len(texts) * len(suffixes) + len(found) > _MOST_NAMES:
            raise _Unreadable
        texts = [text + suffix for text in texts for suffix in suffixes]
    return [*found, *texts], place
