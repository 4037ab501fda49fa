"""Returns the access logs of an apache virtual host: `CustomLog`, `TransferLog` and `GlobalLog`, with their pipes.

For `rotatelogs` and `cronolog` the names of the files are worked out. No log is read here.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from audit.services.apache.syntax import ApacheConfiguration
from audit.services.block_syntax import Block
from audit.services.config_files import absolute

_OWN: Final = ("CustomLog", "TransferLog")
_EVERYWHERE: Final = "GlobalLog"
_ROTATING: Final = ("rotatelogs", "rotatelogs2", "cronolog")
_WITH_A_WORD: Final = ("-L", "-n", "-p", "-S", "-P", "-H")  # options of theirs whose value is the next word


def apache_logs(parts: list[Block], configuration: ApacheConfiguration) -> tuple[str, ...]:
    """Return the files that requests to a host are noted in, `*` for what its name takes from the time.

    `parts` are the host's blocks, none for the main server's alone: its logs count where a host names none. What is no
    file (a program, syslog, a variable that is not known) is as it was written.
    """
    root = configuration.root
    own = [word for part in parts for word in _named(part, *_OWN)]
    words = [*(own or _named(root, *_OWN)), *_named(root, _EVERYWHERE)]
    return tuple(dict.fromkeys(_place(word, configuration.base) for word in words))


def _named(part: Block, *names: str) -> Iterator[str]:
    yield from (arguments[0] for name in names for arguments in part.values(name) if arguments)


def _place(word: str, base: str) -> str:
    if word.startswith("|"):
        written = _rotated(word.lstrip("|$ "))
        return word if written is None else _place(written, base)
    if "${" in word or word.startswith("syslog"):
        return word
    return absolute(base, re.sub(r"\$\w+", "*", word))  # what a macro is to put in


def _rotated(command: str) -> str | None:
    """Return the file that a program which only rotates it writes to; None where it does something else."""
    try:
        program, *words = shlex.split(command)
    except ValueError:
        return None
    if PurePosixPath(program).name not in _ROTATING:
        return None
    while words and words[0].startswith("-"):
        words = words[2:] if words[0] in _WITH_A_WORD else words[1:]
    return re.sub(r"%.", "*", words[0]) if words else None
