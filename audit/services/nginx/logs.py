"""Where nginx notes the requests that a block answers: the innermost `access_log`, or where it was built to.

It knows how the directive is inherited; it reads no log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from audit.services.config_files import absolute
from audit.services.model import ConfigDump
from audit.services.nginx.syntax import Directive, values


def logs_of(blocks: Iterable[Directive], prefix: str | None, dump: ConfigDump) -> tuple[str, ...]:
    """Return the files that requests are noted in, `*` for what nginx works out while it serves; blocks from inside.

    None where that is switched off. What is no file (syslog) is as it was written.
    """
    written = values(blocks, "access_log") or [_built(dump)]
    if "off" in written:
        return ()
    return tuple(dict.fromkeys(_place(word, prefix) for word in written))


def _built(dump: ConfigDump) -> str:
    match = re.search(r"--http-log-path=(\S+)", dump.text("built"))
    return match[1] if match else "logs/access.log"


def _place(word: str, prefix: str | None) -> str:
    if word.startswith("syslog:") or (prefix is None and not word.startswith("/")):
        return word
    return absolute(prefix or "/", re.sub(r"\$(\w+|\{\w+\})", "*", word))
