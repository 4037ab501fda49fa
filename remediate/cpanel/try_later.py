"""The panel's own way to try something later: its program `try-later`, which keeps a job in atd's queue.

It knows the arguments that are documented for a certificate that is still being issued, and no other; it refuses to
know what is tried. What the program prints is not documented: the queue is compared before and after.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from audit.text import one_line
from remediate.hosts import trusted_script
from remediate.hosts.command import Command, CommandResult

PROGRAM: Final = "/usr/local/cpanel/scripts/try-later"
ABSENT: Final = 66
ARGUMENTS: Final = ("--check", "/bin/sh -c exit 1", "--delay", "60", "--max-retries", "1", "--skip-first")
"""What follows `--action` and what is to be run, to the letter: once, an hour from now."""

_ENDED: Final = re.compile(r"^ended ([0-9]+)$", re.MULTILINE)
_NEW: Final = re.compile(r"^new (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Tried:
    """What the program came to: the lines of atq that are new, and why there is none."""

    rows: str
    said: str = ""


def trying_later(host: str, action: str, path: str, home: str) -> Command:
    """Return the command that has the panel run an action in an hour; it ends with ABSENT where there is no panel."""
    arguments = (PROGRAM, action, path, home, *ARGUMENTS)
    return Command(
        host, "have the panel's try-later ask the issuer again in 60 minutes", trusted_script("try_later"), arguments
    )


def read_tried(done: CommandResult) -> Tried | None:
    """Return what the program came to; None where the panel has none."""
    if done.status == ABSENT:
        return None
    ended, rows = _ENDED.search(done.output), "\n".join(_NEW.findall(done.output))
    words = one_line(f"{done.error} {_NEW.sub('', _ENDED.sub('', done.output))}", 200)
    if ended is None or ended[1] != "0":
        status = f"it ended with {ended[1]}" if ended else "it did not finish"
        return Tried(rows, ": ".join(filter(None, (status, words))))
    return Tried(rows, words if rows else ": ".join(filter(None, ("it ended well, and queued nothing", words))))
