"""Where state, and the list of compromised keys, are on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final


def state_folder() -> Path:
    """Return the user's own folder for state (XDG Base Directory Specification 0.8)."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "sslaudit"


_FILES: Final = ("badkeysdata.json", "blocklist.dat")


def has_key_list() -> bool:
    """Tell whether the list lies where `badkeys --update-bl` puts it."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - there may be no home
    return all(Path(cache, "badkeys", name).is_file() for name in _FILES)
