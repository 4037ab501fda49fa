"""Compares the path that a CA requests for validation with the prefixes, aliases and expressions of a configuration.

Other modules read the syntax of the servers.
"""

from __future__ import annotations

import re
from typing import Final

from audit.observation.website import VALIDATION, Docroot
from audit.services.challenge_path.expression import matches_within_bounds

SAMPLES: Final = tuple(
    f"{VALIDATION}{name}.txt"
    for name in ("0123456789ABCDEF0123456789ABCDEF", "FEDCBA9876543210FEDCBA9876543210", "A" * 32, "1" * 32)
)
"""Paths that a CA may request. The file name is a digest: a result that depends on the name is not known."""

_LENGTH: Final = 400
_QUANTIFIERS: Final = 4  # each may match any length of up to 65 characters
_UNCLEAR: Final = re.compile(r"\[[:\[]|--|&&|~~|\|\|")  # differs between dialects
_SLOW: Final = re.compile(r"\)[*+{]")
_UNBOUNDED: Final = re.compile(r"[*+]|\{\d*,\}")


def expression_matches(expression: str, path: str, *, ignores_case: bool = False) -> bool | None:
    """Return whether a regular expression of a server matches a path, or None if this is not decided here.

    Expressions come from a host. One that could take long is matched without backtracking, and one that has another
    meaning in Python is not tried.
    """
    if len(expression) > _LENGTH or _UNCLEAR.search(expression):
        return None
    if _SLOW.search(expression) or len(_UNBOUNDED.findall(expression)) > _QUANTIFIERS:
        return matches_within_bounds(expression, path, ignores_case=ignores_case)
    try:
        return re.search(expression, path, re.IGNORECASE if ignores_case else 0) is not None
    except (re.error, OverflowError, RecursionError):  # PCRE names groups in a form that Python does not have
        return matches_within_bounds(expression, path, ignores_case=ignores_case)


def alias_docroot(prefix: str, target: str) -> Docroot | None:
    """Return the docroot if `target` replaces `prefix` in a path, or None if the result is not a folder."""
    rest = VALIDATION.removeprefix(prefix)
    is_whole = rest.startswith("/") or (prefix.endswith("/") and target.endswith("/"))
    if not VALIDATION.startswith(prefix) or not is_whole:
        return None
    return Docroot(target.rstrip("/") or "/", rest.strip("/"))
