"""Finds secrets in text of other parties, in any common encoding, and hides them.

A party that was shown a secret may repeat it as it is, as JSON, a URL, HTML or quoted-printable write it, in base64 or
hex, in another case, or with line breaks in it. Hide before a text is cut: the rest of a secret is not recognised.
"""

from __future__ import annotations

import base64
import html.entities
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from urllib.parse import unquote, urlsplit

LEAST: Final = 6
"""Characters. A shorter secret is a part of ordinary words, and is found only as it is."""
HIDDEN: Final = "[secret]"

_IN_URL: Final = re.compile(r"(://[^\s/@:\"'<>]{0,64}:)[^\s/@\"'<>]{1,256}@")
_MOST: Final = 128  # characters of a secret that are compared; of a longer one the rest of the word is hidden as well
_BREAK: Final = (
    r"(?:[\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]|\\{1,8}(?:[nrt]|u00(?:0[9ad]|20)|\s)"
    r"|%(?:25)*(?:0[9ad]|20)|=\r?\n|&(?:amp;)*#(?:0*(?:9|10|13|32)|x0*(?:[9ad]|20));)*"
)
"""White space, control and invisible characters, as they are or escaped. Backslashes are bounded: a text may be full
of them, and each could begin a match."""
_DIGIT: Final = "[A-Za-z0-9+/_-]"
_BACKSLASH: Final = r"(?:\\(?:u005c|x5c)?|%(?:25)*5c|=5c|&(?:amp;)*(?:#(?:0*92|x0*5c)|bsol);)"
_BACKSLASHES: Final = rf"(?:{_BACKSLASH}(?:{_BREAK}{_BACKSLASH}){{0,15}})"
"""One or more: escaping multiplies them."""


def _entities() -> dict[str, list[str]]:
    entities: dict[str, list[str]] = {}
    for name, character in html.entities.html5.items():
        if len(character) == 1 and name.endswith(";"):
            entities.setdefault(character, []).append(name)
    return entities


_ENTITIES: Final = _entities()


@dataclass(frozen=True)
class Secrets:
    """Tokens and passwords that no output may hold."""

    values: tuple[str, ...] = field(default=(), repr=False)

    def hide(self, text: str, instead: str = HIDDEN) -> str:
        """Return a text without the secrets."""
        return self._pattern.sub(lambda _: instead, text) if self._pattern else text

    def hide_in(self, value: Any, instead: str = HIDDEN) -> Any:  # noqa: ANN401 - any JSON value
        """Return a JSON value without the secrets: every string in it, names of members included."""
        if isinstance(value, str):
            return self.hide(value, instead)
        if isinstance(value, list):
            return [self.hide_in(item, instead) for item in value]
        if isinstance(value, dict):
            return {self.hide(name, instead): self.hide_in(item, instead) for name, item in value.items()}
        return value

    def are_in(self, content: bytes) -> bool:
        """Return whether a content holds a secret that is long enough to differ from ordinary words."""
        return bool(self._distinct and self._distinct.search(content.decode("utf-8", "surrogateescape")))

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return _pattern(self.values)

    @cached_property
    def _distinct(self) -> re.Pattern[str] | None:
        return _pattern(value for value in self.values if len(value) >= LEAST)


def without_password(text: str) -> str:
    """Return a text without the passwords of the URLs in it."""
    return _IN_URL.sub(rf"\1{HIDDEN}@", text)


def url_password(url: str | None) -> tuple[str, ...]:
    """Return the password in a URL as it is written and as it is sent; nothing if there is none."""
    try:
        password = urlsplit(url or "").password or ""
    except ValueError:
        return ()
    return tuple(dict.fromkeys(filter(None, (unquote(password), password))))


def _pattern(values: Iterable[str]) -> re.Pattern[str] | None:
    """Return what matches every form of every value, the longest value first; None without a value."""
    longest_first = sorted({value for value in values if value.strip()}, key=len, reverse=True)
    return re.compile("|".join(map(_forms, longest_first))) if longest_first else None


def _forms(value: str) -> str:
    if len(value) < LEAST:
        return re.escape(value)
    rest = r"[^\s\"'<>]*" if len(value) > _MOST else ""
    parts = re.findall(r"\\+|[^\s\\]", value[:_MOST])
    between = _BREAK.replace(r"|=\r?\n", "") if "=" in value else _BREAK  # two readings of each `=` would be too many
    text = between.join(_BACKSLASHES if part[0] == "\\" else _character(part) for part in parts)
    octets = value[:_MOST].encode("utf-8", "surrogatepass")
    hexadecimal = r"[\s:]*+".join(octets.hex())
    encoded = "|".join(_base64(octets))
    return f"(?i:{text}|{hexadecimal}){rest}|(?:{encoded}){rest}"


def _character(character: str) -> str:
    """Return what matches a character as it is, and as JSON, C, URLs, quoted-printable and HTML write it."""
    code, octets = ord(character), character.encode("utf-8", "surrogatepass")
    forms = [re.escape(character) if character.isalnum() else rf"\\{{0,8}}{re.escape(character)}"]
    forms += [rf"\\{{1,8}}u{unit}" for unit in [character.encode("utf-16-be", "surrogatepass").hex()] if len(unit) == 4]
    forms += [rf"\\{{1,8}}x{code:02x}"] if code < 256 else []
    forms += ["".join(rf"%(?:25)*{octet:02x}" for octet in octets), "".join(rf"={octet:02x}" for octet in octets)]
    forms += [rf"&(?:amp;)*#(?:0*{code}|x0*{code:x});"]
    forms += [rf"&(?:amp;)*{re.escape(name)}" for name in _ENTITIES.get(character, ())]
    return f"(?:{'|'.join(forms)})"


def _base64(octets: bytes) -> Iterable[str]:
    """Yield what matches the octets within base64 text, at each of the three places they can have in a group.

    A character at either end that holds bits of the octets and of a neighbour is matched too, whatever it is.
    """
    for before in range(3):
        text = base64.b64encode(b"\0" * before + octets).decode("ascii").rstrip("=")
        first = (before * 8 + 5) // 6
        end = (before + len(octets)) * 8 // 6
        shared = rf"{_DIGIT}?" if (before + len(octets)) * 8 % 6 else ""
        padding = r"(?:=|%3[dD]){0,2}"
        head = rf"{_DIGIT}?" if before else ""
        yield head + _BREAK.join(_digit(octet) for octet in text[first:end]) + shared + padding


def _digit(character: str) -> str:
    return {"+": r"(?:\+|-|%2[bB])", "/": r"(?:\\{0,8}/|_|%2[fF])"}.get(character, character)
