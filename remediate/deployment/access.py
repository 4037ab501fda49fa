"""Finds who loses access to a key when a new one is installed: only its owner and its group may read a new key.

The users and groups that an ACL names keep their right to read, and lose the right to write.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from remediate.model.case import VALIDATED, Case, UsedFile

WIDEST_KEY_MODE: Final = 0o640
"""The widest mode of a new key; `restrict_key` in `hosts/shell/deployment/version_files.sh` sets it."""
_GROUP_WRITE: Final = 0o020  # the bit of the mask if the file has an ACL
_OTHER_READ: Final = 0o004
_OTHER_WRITE: Final = 0o002


def access_lost(case: Case) -> Iterator[str]:
    """Yield a sentence for each user or group that can read or write a key file of a case now, not after the repair."""
    if case.repair not in VALIDATED:
        return
    for path, file in {file.path: file for file in case.files if file.kind == "key" and file.mode}.items():
        mode = int(file.mode or "0", 8) & 0o777
        new = f"mode {mode & WIDEST_KEY_MODE:04o}, owner {file.owner or 'as before'}, group {file.group or 'as before'}"
        for user, right in _lost_rights(file, mode):
            yield f"{path}: {user} can {right} it (mode {mode:04o}) and will not be able to {right} the new key ({new})"


def _lost_rights(file: UsedFile, mode: int) -> Iterator[tuple[str, str]]:
    """Yield each user or group that loses access, and the rights that it has now."""
    rights = ((_OTHER_READ, "read"), (_OTHER_WRITE, "write"))
    lost = " and ".join(word for bit, word in rights if mode & bit)
    if lost:
        yield "every user", lost
    if mode & _GROUP_WRITE and not mode & _OTHER_WRITE:
        yield from ((writer, "write") for writer in _writers(file))


def _writers(file: UsedFile) -> Iterator[str]:
    """Yield the users and groups that the group bits of the mode let write; with an ACL these bits are its mask."""
    if file.acl is None:
        yield "each user and group that its ACL lets write (the host has no getfacl to list them)"
    for entry in file.acl if file.acl is not None else ():
        kind, name, rights = entry.split(":")
        if "w" in rights:
            yield f"the {kind} {name or file.group or 'of the file'}"
    if file.acl == ():
        yield f"the group {file.group or 'of the file'}"
