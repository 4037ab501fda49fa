"""How jobs and timers start a command of the product: by its full path, without modules of the current directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def own_command(name: str) -> tuple[str, ...]:
    """Return the program beside the interpreter, by its full path, or `python -P -m` and the module of that name."""
    program = Path(sys.executable).parent / name
    if os.access(program, os.X_OK):
        return (str(program),)
    return (sys.executable, "-P", "-m", f"pytest_sslaudit.{name}")
