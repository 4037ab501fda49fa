"""Whether the user has the list of known keys of the library badkeys; it is never fetched from here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_FILES: Final = ("badkeysdata.json", "blocklist.dat")


def has_key_list() -> bool:
    """Tell whether the list lies where `badkeys --update-bl` puts it."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - there may be no home
    return all(Path(cache, "badkeys", name).is_file() for name in _FILES)
