"""The work directory and the lock of a repair on a host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from audit.host.trust import TRUST
from remediate.hosts import script
from remediate.hosts.command import Command

ROOT: Final = "/var/lib/sslaudit"
BUSY: Final = 75
"""Exit status of a command that found the host locked (EX_TEMPFAIL); its output says by whom and since when."""

OTHER: Final = 65
"""Exit status of a command that found something else there than it was to leave or to finish (EX_DATAERR)."""

_CASE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

PROLOGUE: Final = TRUST + script("prelude", "workdir")

LOCKED: Final = PROLOGUE + script("lock")
"""A script that changes something begins with this: it takes the host's lock (descriptor 9) or ends with BUSY."""


@dataclass(frozen=True, slots=True)
class HostWorkdir:
    """The folder of one case on one host; `owner` says who works there, for whoever finds the lock taken."""

    host: str  # label
    case: str
    owner: str
    root: str = ROOT

    def __post_init__(self) -> None:
        """Refuse a case that is no name of a folder, and an owner that does not fit on a line."""
        if not _CASE.fullmatch(self.case):
            raise ValueError(f"the case {self.case!r} is no name of a folder")
        if not self.owner.isprintable():
            raise ValueError(f"the owner {self.owner!r} does not fit on one line")

    @property
    def folder(self) -> str:
        """The folder of the case."""
        return f"{self.root}/{self.case}"

    @property
    def given(self) -> tuple[str, ...]:
        """The arguments that come before a script's own."""
        return self.root, self.case, self.owner

    def exclusive(self, why: str, body: str, *arguments: str, timeout_s: float = 60.0) -> Command:
        """Return a command that holds the host's lock while its script runs in `$root/$case`."""
        return Command(self.host, why, LOCKED + body, (*self.given, *arguments), timeout_s=timeout_s)

    def read_only(self, why: str, body: str, *arguments: str, timeout_s: float = 60.0) -> Command:
        """Return a command that changes nothing and needs no lock."""
        return Command(self.host, why, PROLOGUE + body, (*self.given, *arguments), changes=False, timeout_s=timeout_s)
