"""Collects the requests for a name from the access logs of a host, by one read-only command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from remediate.access_logs.parser import (
    ANY_CHALLENGE,
    LoggedRequest,
    LogScan,
    UnparsedLine,
    parse_line,
    paths_ending_in,
)
from remediate.access_logs.timestamps import zone_of
from remediate.hosts import script
from remediate.hosts.command import Command, CommandResult
from remediate.hosts.workdir import HostWorkdir

_ANY: Final = r"/\.well-known/(pki-validation|acme-challenge)/|/[0-9A-F]{32}\.txt"
_MAX_LINES: Final = 40  # of one file; CAs request from several networks, at each address of a name


def scan_command(workdir: HostWorkdir, file: str | None, logs: Iterable[str]) -> Command:
    """Return the command that searches logs, also those rotated since the CSR was made, for the name of a file.

    Without a file it searches for all that a CA may request.
    """
    why = f"search the access logs for requests for {file or 'a challenge file'}"
    return workdir.read_only(why, script("inspect/access_logs"), file or _ANY, str(_MAX_LINES), *logs, timeout_s=50.0)


def read_scan(done: CommandResult, file: str | None, since: datetime | None = None) -> LogScan:
    """Return the requests in the output of that command, by time; a request in two logs counts once.

    Without a file they are those for any challenge; `since` excludes earlier ones.
    """
    if not done.ok:
        return LogScan(faults=(f"cannot read the access log: {(done.error or 'it takes too long').strip()}",))
    lines = done.output.splitlines()
    zone = next((zone_of(line.removeprefix("zone ")) for line in lines if line.startswith("zone ")), UTC)
    path = paths_ending_in(file) if file else ANY_CHALLENGE
    requests, of_one_log, unparsed = Counter[LoggedRequest](), Counter[LoggedRequest](), 0
    for line in lines:
        if line.startswith("== "):
            requests, of_one_log = requests | of_one_log, Counter()
        if line.startswith("> "):
            try:
                of_one_log.update(filter(None, [parse_line(line.removeprefix("> "), path, zone)]))
            except UnparsedLine:
                unparsed += 1
    all_requests = (requests | of_one_log).elements()
    recent = (request for request in all_requests if since is None or request.at is None or request.at >= since)
    return LogScan(
        tuple(sorted(recent, key=_timestamp)),
        unparsed,
        tuple(line.removeprefix("== ") for line in lines if line.startswith("== ")),
        tuple(dict.fromkeys(line.removeprefix("!! ") for line in lines if line.startswith("!! "))),
    )


def _timestamp(request: LoggedRequest) -> float:
    return request.at.timestamp() if request.at else 0.0
