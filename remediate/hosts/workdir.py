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
"""Exit status of a command that found the host locked (EX_TEMPFAIL); its output names the holder and the time."""

_CASE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

PROLOGUE: Final = TRUST + script("common/prelude", "common/workdir")

LOCKED: Final = PROLOGUE + script("common/lock")
"""The beginning of a script that changes something: it takes the lock of the host (descriptor 9) or exits with BUSY."""


@dataclass(frozen=True, slots=True)
class HostWorkdir:
    """The directory of one case on one host; `holder` is shown to another run that finds the host locked."""

    host: str  # label
    case: str
    holder: str
    root: str = ROOT

    def __post_init__(self) -> None:
        """Refuse a case id that is not a valid directory name, and a holder that is not printable."""
        if not _CASE.fullmatch(self.case):
            raise ValueError(f"the case id {self.case!r} is not a valid directory name")
        if not self.holder.isprintable():
            raise ValueError(f"the lock holder {self.holder!r} is not one printable line")

    @property
    def folder(self) -> str:
        """The directory of the case."""
        return f"{self.root}/{self.case}"

    @property
    def leading_arguments(self) -> tuple[str, ...]:
        """The arguments that come before those of the script."""
        return self.root, self.case, self.holder

    def exclusive(self, why: str, body: str, *arguments: str, timeout_s: float = 60.0) -> Command:
        """Return a command that holds the lock of the host while its script runs in `$root/$case`."""
        return Command(self.host, why, LOCKED + body, (*self.leading_arguments, *arguments), timeout_s=timeout_s)

    def read_only(self, why: str, body: str, *arguments: str, timeout_s: float = 60.0) -> Command:
        """Return a command that changes nothing and needs no lock."""
        return Command(
            self.host, why, PROLOGUE + body, (*self.leading_arguments, *arguments), changes=False, timeout_s=timeout_s
        )
