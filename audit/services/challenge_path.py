"""Compares the path that a CA requests for validation with the prefixes, aliases and expressions of a configuration.

The syntax of the servers is read elsewhere.
"""

from __future__ import annotations

import re
from typing import Final

from audit.observation.website import VALIDATION, Docroot

SAMPLES: Final = tuple(
    f"{VALIDATION}{name}.txt"
    for name in ("0123456789ABCDEF0123456789ABCDEF", "FEDCBA9876543210FEDCBA9876543210", "A" * 32, "1" * 32)
)
"""Paths that a CA may ask for. The name of the file is a digest: what depends on it is not known."""

_LENGTH: Final = 400
_QUANTIFIERS: Final = 4  # each may try every length of some 65 characters
_UNCLEAR: Final = re.compile(r"\)[*+{]|\[[:\[]|--|&&|~~|\|\|")  # slow without bound, or not the same in every dialect
_UNBOUNDED: Final = re.compile(r"[*+]|\{\d*,\}")


def takes(expression: str, path: str, *, ignores_case: bool = False) -> bool | None:
    """Return whether a regular expression of a server's matches a path, or None if that is undecided here.

    Expressions come from a host: one that could take long, or means something else here, is not tried.
    """
    if len(expression) > _LENGTH or _UNCLEAR.search(expression):
        return None
    if len(_UNBOUNDED.findall(expression)) > _QUANTIFIERS:
        return None
    try:
        return re.search(expression, path, re.IGNORECASE if ignores_case else 0) is not None
    except (re.error, OverflowError, RecursionError):
        return None


def aliased(prefix: str, target: str) -> Docroot | None:
    """Return the docroot where `target` takes the place of `prefix` in a path; None where no folder comes of it."""
    rest = VALIDATION.removeprefix(prefix)
    is_whole = rest.startswith("/") or (prefix.endswith("/") and target.endswith("/"))
    if not VALIDATION.startswith(prefix) or not is_whole:
        return None
    return Docroot(target.rstrip("/") or "/", rest.strip("/"))
