"""Runs tests with the Python of another Debian release.

`python -m tests.support.hosts.other_python RELEASE ARGUMENT…` passes the arguments to pytest and returns its status.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys

from tests.support.checkout import CHECKOUT
from tests.support.hosts import roots
from tests.support.hosts.overlay import Unavailable, build_all, layer_of


def run_tests(release: str, *arguments: str) -> int:
    """Build the release if it is not built, and run pytest there; raises Unavailable if it cannot be built."""
    build_all((release,))
    layer = layer_of(release)
    with layer.locked(fcntl.LOCK_SH):
        words = [str(layer.upper), str(layer.folder / "root"), str(CHECKOUT), *arguments]
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [*roots.UNSHARE, "sh", "-euc", roots.PYTHON, "sh", *words]
        return subprocess.run(command, stdin=subprocess.DEVNULL, env=environment, check=False).returncode


def main(arguments: list[str]) -> int:
    """Run the tests that the arguments name; return the exit status."""
    try:
        return run_tests(*arguments)
    except Unavailable as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
