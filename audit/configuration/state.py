"""Where the state lies that outlives a run, unless the user says otherwise."""

from __future__ import annotations

import os
from pathlib import Path


def state_folder() -> Path:
    """Return the user's own folder for state (XDG Base Directory Specification 0.8)."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "sslaudit"
