"""Returns the access logs of an apache virtual host: `CustomLog`, `TransferLog` and `GlobalLog`, with their pipes.

For `rotatelogs` and `cronolog` the names of the files are derived. No log is read here.
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

_HOST_LOGS: Final = ("CustomLog", "TransferLog")
_GLOBAL_LOG: Final = "GlobalLog"
_ROTATORS: Final = ("rotatelogs", "rotatelogs2", "cronolog")
_WITH_VALUE: Final = ("-L", "-n", "-p", "-S", "-P", "-H")  # their options with a value in the next word


def apache_logs(hosts: list[Block], configuration: ApacheConfiguration) -> tuple[str, ...]:
    """Return the log files of the requests to a host, with `*` for the parts of a name that depend on the time.

    `hosts` are the blocks of the host, or empty for the main server. A host without logs uses those of the main server.
    A log that is not a file (a program, syslog, an unknown variable) is returned as it is in the configuration.
    """
    root = configuration.root
    own = [target for host in hosts for target in _targets(host, *_HOST_LOGS)]
    targets = [*(own or _targets(root, *_HOST_LOGS)), *_targets(root, _GLOBAL_LOG)]
    return tuple(dict.fromkeys(_log_path(target, configuration.base) for target in targets))


def _targets(block: Block, *names: str) -> Iterator[str]:
    yield from (arguments[0] for name in names for arguments in block.values(name) if arguments)


def _log_path(target: str, base: str) -> str:
    if target.startswith("|"):
        path = _rotated_file(target.lstrip("|$ "))
        return target if path is None else _log_path(path, base)
    if "${" in target or target.startswith("syslog"):
        return target
    return absolute(base, target)


def _rotated_file(command: str) -> str | None:
    """Return the file that a program for log rotation writes, or None for another program."""
    try:
        program, *words = shlex.split(command)
    except ValueError:
        return None
    if PurePosixPath(program).name not in _ROTATORS:
        return None
    while words and words[0].startswith("-"):
        words = words[2:] if words[0] in _WITH_VALUE else words[1:]
    return re.sub(r"%.", "*", words[0]) if words else None
