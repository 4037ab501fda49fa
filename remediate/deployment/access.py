"""Who loses access to a key when a new one is installed: a new key is readable by its owner and its group at most."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from remediate.case import VALIDATED, Case

WIDEST: Final = 0o640
"""The widest mode of a new key; `narrow` in `hosts/shell/files.sh` sets it."""


def access_lost(case: Case) -> Iterator[str]:
    """Yield a sentence for each key file of a case that users can read or write now and not after the repair."""
    if case.repair not in VALIDATED:
        return
    for path, file in {file.path: file for file in case.files if file.kind == "key" and file.mode}.items():
        mode = int(file.mode or "0", 8)
        lost = mode & 0o777 & ~WIDEST & 0o666
        if lost:
            users = "every user" if lost & 0o006 else f"the group {file.group or 'of the file'}"
            does = "read" if lost & 0o004 else "write"
            yield (
                f"{path}: {users} can {does} it (mode {mode & 0o777:04o}) and will not be able to {does} the new key "
                f"(mode {mode & WIDEST:04o}, owner {file.owner or 'as before'}, group {file.group or 'as before'})"
            )
