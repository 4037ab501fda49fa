"""Notes the command lines of all processes of the host it runs on, again and again, until its input ends.

`python -m tests.support.cpanel.cmdlines FILE` writes each that it sees once.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

_PAUSE_S: Final = 0.002


def seen() -> set[bytes]:
    """Return the command lines of the processes that are there now."""
    found = set()
    for process in Path("/proc").glob("[1-9]*"):
        with suppress(OSError):
            found.add((process / "cmdline").read_bytes())
    return found


def main(file: str) -> None:
    """Look until the input ends, and write down what was seen."""
    ended, every = threading.Event(), set[bytes]()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    while not ended.wait(_PAUSE_S):
        every |= seen()
    Path(file).write_bytes(b"\n".join(every))


if __name__ == "__main__":
    main(*sys.argv[1:])
