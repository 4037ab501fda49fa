"""Whom a host's administrator left to be told: the addresses in `/root/.forward` and in a panel's `/etc/wwwacct.conf`.

It knows their texts; it refuses to know how they are read, and writes to nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_LOCAL_PART: Final = r"[A-Za-z0-9_+][A-Za-z0-9_+!#$%&'*=?^{}~.-]{0,63}"  # less than RFC 5322 3.2.3: no pipe, no path
_DOMAIN: Final = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"{_LOCAL_PART}(?:@{_DOMAIN})?")
_MOST: Final = 20  # addresses of one host


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
