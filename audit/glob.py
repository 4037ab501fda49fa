"""Globs as the user writes them for endpoints, hosts and names."""

from __future__ import annotations

import re


def fits(glob: str, text: str) -> bool:
    """Tell whether the whole text is of that form; only `*` is special, as brackets stand in IPv6 addresses."""
    return re.fullmatch(".*".join(map(re.escape, glob.split("*"))), text) is not None
