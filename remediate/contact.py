"""Who is told: the addresses a host's administrator left on it, and which hosts each letter is about.

It knows the texts of `/root/.forward` and `/etc/wwwacct.conf`; it refuses to know how they are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol, TypeVar

_LOCAL_PART: Final = r"[A-Za-z0-9_+][A-Za-z0-9_+!#$%&'*=?^{}~.-]{0,63}"  # less than RFC 5322 3.2.3: no pipe, no path
_DOMAIN: Final = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"{_LOCAL_PART}(?:@{_DOMAIN})?")
_MOST: Final = 20  # addresses of one host


class _OfHost(Protocol):
    """What belongs to a host."""

    @property
    def host(self) -> str:
        """Its label."""


About = TypeVar("About", bound=_OfHost)


def is_address(text: str) -> bool:
    """Tell whether a text is an address to send to: `user@domain` or a local user; never an option or a command."""
    return _ADDRESS.fullmatch(text) is not None


def read_forward(text: str, host: str) -> tuple[str, ...]:
    """Return the addresses in a `.forward`; users of the host itself get its name.

    Files, pipes, lists and filters that stand there too take mail, and are nobody that can be written to.
    """
    if re.match(r"#\s*(exim|sieve) filter", text, re.IGNORECASE):
        return ()
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return _usable((part.strip().removeprefix("\\") for line in lines for part in line.split(",")), host)


def read_wwwacct(text: str, host: str) -> tuple[str, ...]:
    """Return the addresses of `CONTACTEMAIL` in a panel's `wwwacct.conf`: a name and a value a line."""
    values = re.findall(r"^[ \t]*CONTACTEMAIL[ \t]+(\S.*)$", text, re.MULTILINE)
    return _usable((part for value in values for part in re.split(r"[,;\s]+", value)), host)


def _usable(parts: Iterator[str], host: str) -> tuple[str, ...]:
    words = (part.strip().strip("\"'<>") for part in parts)
    full = (word if "@" in word else f"{word}@{host}" for word in words if is_address(word))
    return tuple(dict.fromkeys(full))[:_MOST]


def group_by_reader(
    abouts: Sequence[About], to: tuple[str, ...], contacts: Mapping[str, tuple[str, ...]], otherwise: tuple[str, ...]
) -> tuple[tuple[tuple[str, ...], tuple[About, ...]], ...]:
    """Return who reads about what: `to` about everything where it is configured, else each host's own contacts.

    `otherwise` reads about hosts that name nobody. Nobody reads about a host that is not theirs.
    """
    readers: dict[tuple[str, ...], list[About]] = {}
    for about in abouts:
        readers.setdefault(to or contacts.get(about.host) or otherwise, []).append(about)
    return tuple((reader, tuple(theirs)) for reader, theirs in readers.items())
