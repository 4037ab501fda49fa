"""Where on a host a repair keeps its things, and the lock that lets one of them at a time change something there.

It knows a folder, a lock and their shell; it refuses to know keys, certificates and services.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from audit.host.trust import TRUST
from remediate.action import Command

ROOT: Final = "/var/lib/sslaudit"
BUSY: Final = 75
"""Exit status of a command that found the host locked (EX_TEMPFAIL); its output says by whom and since when."""

OTHER: Final = 65
"""Exit status of a command that found something else there than it was to leave or to finish (EX_DATAERR)."""

_CASE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

# 0711: daemons that have given up root have to pass through to their certificates, and need not see what else is there.
PROLOGUE: Final = (
    TRUST
    + r"""
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
export LC_ALL PATH
umask 077
root=$1 case=$2 owner=$3
shift 3
fail() { status=$1; shift; echo "$*" >&2; exit "$status"; }
durable() { sync -f "$1" 2>/dev/null || sync; }
"""
)

LOCKED: Final = (
    PROLOGUE
    + r"""
set -eu
full() {
  set -- $(df -Pk "$root" 2>/dev/null | tail -n 1)
  [ "${4:-}" != 0 ] || echo "the file system of $root is full: $6 ($1)" >&2
}
trap 'status=$?; [ "$status" = 0 ] || full; exit "$status"' EXIT
command -v flock >/dev/null || fail 69 "there is no flock (util-linux) on the host: nothing can be locked"
[ -d "$root" ] || mkdir -m 711 "$root"
[ -O "$root" ] && [ ! -L "$root" ] || fail 77 "$root does not belong to $(id -un)"
[ -d "$root/$case" ] || mkdir -m 711 "$root/$case"
exec 9>>"$root/lock"
for attempt in 1 2 3 4 5 6; do
  flock -n 9 && break
  [ "$attempt" -lt 6 ] || { echo "locked $(cat "$root/lock")"; exit 75; }
  sleep 0.2 2>/dev/null || sleep 1
done
printf "%s %s %s\n" "$(date +%s)" "$case" "$owner" >"$root/lock"
"""
)
"""What a script begins with that changes something: it takes the host's lock (descriptor 9) or ends with BUSY.

A look at whether the lock is free holds it for a moment, so it is asked for several times. Of a full disk a shell's own
words say no more than "I/O error".
"""


@dataclass(frozen=True, slots=True)
class Premises:
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

    def locked(self, why: str, script: str, *arguments: str, timeout_s: float = 60.0) -> Command:
        """Return a command that holds the host's lock while its script runs in `$root/$case`."""
        return Command(self.host, why, LOCKED + script, (*self.given, *arguments), timeout_s=timeout_s)

    def looking(self, why: str, script: str, *arguments: str, timeout_s: float = 60.0) -> Command:
        """Return a command that changes nothing and needs no lock."""
        return Command(self.host, why, PROLOGUE + script, (*self.given, *arguments), changes=False, timeout_s=timeout_s)
