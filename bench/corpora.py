"""Runs every measurement on certificates and paths with known results.

    python -m bench.corpora [FOLDER]

FOLDER (default: `corpora`) holds the files below; the modules that read them describe their format. They are not part
of this project. Exits with status 1 if a file is missing or a measurement exceeds a limit.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench import audited_paths, lints, paths

FOLDER: Final = "corpora"
MEASUREMENTS: Final[tuple[tuple[str, str, Callable[[Path], int]], ...]] = (
    ("path-cases.json.xz", "paths to validate, in the format of C2SP/x509-limbo (bench/paths.py)", paths.main),
    ("path-cases.json.xz", "the same, for the whole audit (bench/audited_paths.py)", audited_paths.main),
    ("lint-cases.tar.xz", "certificates with the results of zlint (bench/lints.py)", lints.main),
)


def main(folder: Path) -> int:
    """Print the figures of each file, or that it is missing and where it should be; return the exit status."""
    statuses = [_measure(folder / name, what, measure) for name, what, measure in MEASUREMENTS]
    return int(any(statuses))


def _measure(file: Path, what: str, measure: Callable[[Path], int]) -> int:
    print(f"{file.name}: {what}", flush=True)
    if file.is_file():
        return measure(file)
    print(f"  missing: expected at {file.absolute()}; for another folder: make corpora CORPORA=FOLDER")
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else FOLDER)))
