"""Loads the shell by which our scripts decide what root may trust on a host, and by which alone they act there.

The functions are in the files of `shell/trust`, which are one text. It goes before each script, and puts itself into
the variable `trust_sh`, so that `as_owner` can give it to a shell with another user's rights.
"""

from __future__ import annotations

import re
import shlex
from importlib.resources import files
from typing import Final

FILES: Final = ("paths", "processes", "acts", "owner")
"""The files of `shell/trust`, in the order in which they are loaded."""
REFUSED: Final = 77  # the status of a verb that did nothing because root may not trust the path


def load_shell(package: str, name: str) -> str:
    """Return `shell/NAME.sh` of a package without comments and indentation: a script has at most 128 KiB."""
    text = (files(package) / "shell" / f"{name}.sh").read_text("utf-8")
    return re.sub(r"^[ \t]*(?:#.*\n)?", "", text, flags=re.MULTILINE)


def _with_itself(text: str) -> str:
    return f'trust_sh={shlex.quote(text)}\neval "$trust_sh"\n'


TRUST: Final = _with_itself("".join(load_shell("audit.host", f"trust/{name}") for name in FILES))
"""The shell that goes before each script that runs on a host."""
