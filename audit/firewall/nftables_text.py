"""Prints a rule of nftables roughly as nft does, because libnftables' JSON has no text of the rule.

An unknown statement is printed by its name alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

_MAX_CHARACTERS: Final = 160  # characters of a rule
_ELEMENTS: Final = 4  # of a set that is written out
_SILENT: Final = ("counter", "comment", "log", "last")


def rule_text(expression: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of a rule."""
    parts = [_part(*next(iter(statement.items()))) for statement in expression if statement]
    text = " ".join(filter(None, parts))
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 1]}…"


def written(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return an address, a port, a prefix or a range as it is written."""
    match value:
        case {"prefix": {"addr": address, "len": length}}:
            return f"{address}/{length}"
        case {"range": [first, last]}:
            return f"{first}-{last}"
        case {"elem": {"val": inner}}:
            return written(inner)
        case {"set": list(elements)} | list(elements):
            more = ", …" if len(elements) > _ELEMENTS else ""
            return f"{{ {', '.join(map(written, elements[:_ELEMENTS]))}{more} }}"
        case str() | int():
            return str(value)
    return "…"


def _part(kind: str, value: Any) -> str:  # noqa: ANN401 - any JSON value
    match kind, value:
        case _ if kind in _SILENT:
            return ""
        case "match", {"left": left, "right": right, **rest}:
            op = rest.get("op", "==")
            return " ".join(filter(None, (_left(left), "" if op in ("==", "in") else str(op), written(right))))
        case "vmap", {"key": key, **rest}:
            data = rest.get("data")
            return f"{_left(key)} vmap {data if isinstance(data, str) else '{ … }'}"
        case (("jump" | "goto"), {"target": target}):
            return f"{kind} {target}"
        case "limit", _:
            return "limit rate …"
    return kind


def _left(left: Any) -> str:  # noqa: ANN401 - any JSON value
    match left:
        case {"payload": {"protocol": protocol, "field": name}}:
            return f"{protocol} {name}"
        case {"meta": {"key": key}}:
            return str(key)
        case {"ct": {"key": key}}:
            return f"ct {key}"
    return "…"
