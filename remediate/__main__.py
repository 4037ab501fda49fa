"""`python -m remediate`: the same program as `sslaudit repair`."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_USAGE: Final = 4
_PACKAGES: Final = Path(__file__).resolve().parent.parent


def _hidden_by() -> str | None:
    """Return where Python finds a module `audit` that is not ours: it searches the current directory first."""
    found = find_spec("audit")
    place = Path(found.origin or "").resolve() if found else Path()
    return None if place.parent.parent == _PACKAGES else str(place)


if __name__ == "__main__":
    if hidden_by := _hidden_by():
        sys.stderr.write(
            f"python -m remediate: the module `audit` that Python finds is {hidden_by}, not that of {_PACKAGES}: "
            "rename it, start the program in another directory, or start `sslaudit repair`\n"
        )
        sys.exit(_USAGE)
    from remediate.cli.main import main

    sys.exit(main())
