"""How a command of ours is started from elsewhere: by a job or a timer that has neither our PATH nor our folder.

It knows where programs are installed; it starts none.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def own_command(name: str) -> tuple[str, ...]:
    """Return the program beside the interpreter, by its full path, or the interpreter and the module of that name."""
    program = Path(sys.executable).parent / name
    if os.access(program, os.X_OK):
        return (str(program),)
    return (sys.executable, "-m", f"pytest_sslaudit.{name}")
