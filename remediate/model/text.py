"""One sanitizer of foreign text: a printable line, or several."""

from __future__ import annotations

from typing import Final

from audit.text import shortened

_LINE: Final = 1_000  # characters of one text; what a CA says may be a page
_MOST_LINES: Final = 20  # of one text; the hops to a file, an address a line, and who came for it
_MOST_READ: Final = 20_000  # characters of a text that are looked at


def plain(text: str, limit: int = _LINE) -> str:
    """Return a text in one line of at most `limit` characters, without anything that moves a cursor or hides."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return shortened(line, limit)


def plain_lines(text: str) -> list[str]:
    """Return a text of several lines as such, each of them plain: what was seen on the way, hop by hop."""
    found = [line for line in map(plain, text[:_MOST_READ].split("\n")) if line]
    more = len(found) - _MOST_LINES
    return found if more <= 0 else [*found[:_MOST_LINES], f"… and {more} more lines"]
