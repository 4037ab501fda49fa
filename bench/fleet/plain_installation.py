"""Runs pytest as a plain installation does, without the optional libraries, and measures the process by itself too."""

from __future__ import annotations

import compileall
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from bench.processes import Usage, measured

CHECKOUT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("audit", "pytest_sslaudit", "remediate")
OPTIONAL: Final = ("badkeys", "pkilint")
"""The libraries of the extras `keys` and `lint`, which take 3 and 8 ms for a certificate."""


HIDING: Final = f"import sys; sys.modules.update(dict.fromkeys({OPTIONAL}))\n"
"""A program that lets its process not import the optional libraries."""
_METER: Final = """
import json, re, resource

def pytest_unconfigure():
    used = resource.getrusage(resource.RUSAGE_SELF)
    with open("/proc/self/status") as status:  # ru_maxrss begins with the peak of the process that started this one
        peak_kb = int(re.search(r"VmHWM:\\s*(\\d+)", status.read())[1])
    with open("own.json", "w") as file:
        json.dump({"cpu_s": used.ru_utime + used.ru_stime, "memory_mb": peak_kb / 1024}, file)
"""


def hide_optional_libraries() -> None:
    """Let this process not import the optional libraries."""
    sys.modules.update(dict.fromkeys(OPTIONAL))  # type: ignore[arg-type]  # None ends an import with an error


@cache
def _compile() -> None:
    """Compile the packages once, as an installation does, whatever the environment of the measurement says."""
    for package in PACKAGES:
        compileall.compile_dir(CHECKOUT / package, quiet=1)


def run_pytest(folder: Path, arguments: Sequence[str]) -> tuple[Usage, int]:
    """Run pytest in a directory, without optional libraries; return its usage and exit status.

    The memory is that of the process that the user starts.
    """
    hidden = folder / "hidden"
    hidden.mkdir(exist_ok=True)
    for name in OPTIONAL:
        (hidden / f"{name}.py").write_text(f"raise ImportError('{name} is left out of the measurement')\n")
    (hidden / "bench_meter.py").write_text(_METER)
    (folder / "pytest.ini").write_text("[pytest]\n")
    _compile()
    plain = ("-q", "-c", "pytest.ini", "-p", "no:cacheprovider", "-p", "bench_meter")
    path = os.pathsep.join((str(hidden), str(CHECKOUT)))
    environment = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": ""}
    usage, status = measured([sys.executable, "-m", "pytest", *plain, *arguments], folder, environment)
    own = Usage(**json.loads((folder / "own.json").read_text()))
    return replace(usage, memory_mb=own.memory_mb, own=own), status
