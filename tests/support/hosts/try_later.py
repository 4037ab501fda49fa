"""The panel's `try-later` as a strict double: it takes what is documented of it and keeps a job in atd's queue."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import Final

PATH: Final = "/usr/local/cpanel/scripts/try-later"
_VALUED: Final = ("--action", "--check", "--delay", "--max-retries")
_FLAG: Final = "--skip-first"
_NUMBERS: Final = ("--delay", "--max-retries")
_JOB: Final = "{check} || :\n{action}\n"


def main(*arguments: str) -> None:
    """Queue what is to be run and end as at does; end with 2 for what is not documented."""
    given = _parsed(arguments)
    if _FLAG not in given:
        _run(given)
    job = _JOB.format(check=given["--check"], action=given["--action"])
    argv = ("at", "now", "+", given["--delay"], "minutes")
    sys.exit(subprocess.run(argv, input=job, text=True, check=False, env=dict(os.environ)).returncode)


def _parsed(arguments: tuple[str, ...]) -> dict[str, str]:
    given: dict[str, str] = {}
    words = iter(arguments)
    for word in words:
        if word not in (*_VALUED, _FLAG):
            _refuse(f"Unknown option: {word}")
        if word in given:
            _refuse(f"{word} is given twice")
        given[word] = "" if word == _FLAG else next(words, "")
    for name in _VALUED:
        if not given.get(name) or (name in _NUMBERS and not given[name].isdecimal()):
            _refuse(f"{name} needs a value: {given.get(name)!r}")
    return given


def _run(given: dict[str, str]) -> None:
    """Run the action at once where the check says that it is time."""
    if subprocess.run(shlex.split(given["--check"]), check=False).returncode == 0:
        sys.exit(subprocess.run(shlex.split(given["--action"]), check=False).returncode)


def _refuse(why: str) -> None:
    sys.stderr.write(f"{why}\n")
    sys.exit(2)


if __name__ == "__main__":
    main(*sys.argv[1:])
