"""Every measurement on certificates and paths that others have judged.

    python -m bench.corpora [FOLDER]

Looks in FOLDER (`corpora` if none is named) for the files below; their form is described in the modules that read them.
They are not part of this project. Exits 1 if a file is missing or a measurement breaks its bounds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench import audited_paths, lints, paths

FOLDER: Final = "corpora"
MEASUREMENTS: Final[tuple[tuple[str, str, Callable[[Path], int]], ...]] = (
    ("path-cases.json.xz", "paths to validate, as C2SP/x509-limbo has them (bench/paths.py)", paths.main),
    ("path-cases.json.xz", "the same, for the whole audit (bench/audited_paths.py)", audited_paths.main),
    ("lint-cases.tar.xz", "certificates and what zlint says of each (bench/lints.py)", lints.main),
)


def main(folder: Path) -> int:
    """Print the figures of each file, or what it should be and where it was looked for; return the exit status."""
    statuses = [_measure(folder / name, what, measure) for name, what, measure in MEASUREMENTS]
    return int(any(statuses))


def _measure(file: Path, what: str, measure: Callable[[Path], int]) -> int:
    print(f"{file.name}: {what}", flush=True)
    if file.is_file():
        return measure(file)
    print(f"  not there: looked for {file.absolute()}; another folder: make corpora CORPORA=FOLDER")
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else FOLDER)))
