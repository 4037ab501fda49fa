"""Collects the requests for a name from the access logs of a host, by one read-only command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from remediate.access_logs.parser import ANY, LoggedRequest, LogScan, Unreadable, only, read_line
from remediate.access_logs.timestamps import zone_of
from remediate.hosts import script
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.workdir import HostWorkdir

_ANY: Final = r"/\.well-known/(pki-validation|acme-challenge)/|/[0-9A-F]{32}\.txt"
_MOST: Final = 40  # lines of one file; several places look, at each address of a name


def look_for_visits(workdir: HostWorkdir, file: str | None, logs: Iterable[str]) -> Command:
    """Return the command that looks for a file's name in logs, and in what was rotated away since it was asked for.

    Without a file for all that a CA may ask for.
    """
    why = f"look who has asked for {file or 'a proof'}"
    return workdir.read_only(why, script("access_logs"), file or _ANY, str(_MOST), *logs, timeout_s=50.0)


def read_visits(done: CommandResult, file: str | None, since: datetime | None = None) -> LogScan:
    """Return what a host's logs say, its visits by time; what two logs note is one visit.

    Without a file those for any proof; `since` leaves out what came before.
    """
    if not done.ok:
        return LogScan(
            faults=(f"the access log could not be looked at: {(done.error or 'it takes too long').strip()}",)
        )
    lines = done.output.splitlines()
    zone = next((zone_of(line.removeprefix("zone ")) for line in lines if line.startswith("zone ")), UTC)
    proof = only(file) if file else ANY
    whole, of_one, unread = Counter[LoggedRequest](), Counter[LoggedRequest](), 0
    for line in lines:
        if line.startswith("== "):
            whole, of_one = whole | of_one, Counter()
        if line.startswith("> "):
            try:
                of_one.update(filter(None, [read_line(line.removeprefix("> "), proof, zone)]))
            except Unreadable:
                unread += 1
    visits = (one for one in (whole | of_one).elements() if since is None or one.at is None or one.at >= since)
    return LogScan(
        tuple(sorted(visits, key=_when)),
        unread,
        tuple(line.removeprefix("== ") for line in lines if line.startswith("== ")),
        tuple(dict.fromkeys(line.removeprefix("!! ") for line in lines if line.startswith("!! "))),
    )


def _when(visit: LoggedRequest) -> float:
    return visit.at.timestamp() if visit.at else 0.0
