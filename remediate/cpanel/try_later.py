"""The panel's program `try-later`, which queues a command in atd.

Only the arguments that are documented for a certificate that is still being issued are used. The output of the program
is not documented, so the queue is compared before and after.
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
"""The arguments after `--action` and its command: once, an hour from now."""

_ENDED: Final = re.compile(r"^ended ([0-9]+)$", re.MULTILINE)
_NEW: Final = re.compile(r"^new (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TryLaterResult:
    """The result of the program: the new lines of atq, and why there are none."""

    rows: str
    output: str = ""


def try_later_command(host: str, action: str, path: str, home: str) -> Command:
    """Return the command that makes the panel run an action in an hour; it ends with ABSENT if there is no panel."""
    arguments = (PROGRAM, action, path, home, *ARGUMENTS)
    return Command(
        host,
        "have the panel's try-later contact the issuer again in 60 minutes",
        trusted_script("cpanel/try_later"),
        arguments,
    )


def read_try_later(done: CommandResult) -> TryLaterResult | None:
    """Return the result of the program; None if the panel does not have it."""
    if done.status == ABSENT:
        return None
    ended, rows = _ENDED.search(done.output), "\n".join(_NEW.findall(done.output))
    words = one_line(f"{done.error} {_NEW.sub('', _ENDED.sub('', done.output))}", 200)
    if ended is None or ended[1] != "0":
        status = f"it ended with {ended[1]}" if ended else "it did not finish"
        return TryLaterResult(rows, ": ".join(filter(None, (status, words))))
    return TryLaterResult(
        rows, words if rows else ": ".join(filter(None, ("it ended with 0 and queued nothing", words)))
    )
