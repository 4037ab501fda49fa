"""Reads when the processes of a daemon began, and what it has logged since its reload.

Clients can write to a log, and their addresses are private: only lines about the service itself are kept, and few.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final

from audit.text import one_line
from remediate.access_logs.timestamps import first_time, zone_of
from remediate.hosts.command import CommandResult

_MOST_LINES: Final = 3
_LINE: Final = 300  # characters
_TOLERANCE_S: Final = 1  # the start of a process and the time of a reload are whole seconds
_PROCESS: Final = re.compile(r"(?P<kind>first|worker) (?P<pid>[0-9]{1,10}) (?P<began>[0-9]{1,12})")
_WITHOUT_YEAR: Final = re.compile(r"(?P<day>[A-Z][a-z]{2} +\d\d?) (?P<clock>\d\d:\d\d:\d\d)(?= )")  # of syslog
_ERROR: Final = re.compile(
    r"\b(?:emerg|alert|crit|fatal|panic|error|fail(?:ed|ure|s)?|cannot|can't|unable|denied|invalid|mismatch)\b",
    re.IGNORECASE,
)
_OF_A_CLIENT: Final = re.compile(
    r"\bclient\b|\bremote\b|\brequest\b|\brip=|\blip=|\bH=|\b(?:from|to|user)=|connect(?:ion)? from|"
    r"\bfrom \S*\[|\bhandshak|[A-Za-z0-9._+-]+@[A-Za-z0-9-]+\.",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class DaemonProcess:
    """A process of a daemon, and when it began, in seconds since 1970; a worker was started by a first process."""

    is_worker: bool
    pid: int
    began: int

    def is_newer_than(self, reload: int) -> bool:
        """Return whether it began after a reload."""
        return self.began >= reload - _TOLERANCE_S


@dataclass(frozen=True, slots=True)
class ServiceState:
    """The processes of a daemon, and the first error lines about itself that it has logged since a time."""

    processes: tuple[DaemonProcess, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def workers(self) -> tuple[DaemonProcess, ...]:
        """The processes that serve clients, of a daemon whose first process starts them."""
        return tuple(process for process in self.processes if process.is_worker)


def read_service_state(result: CommandResult, since: int) -> ServiceState:
    """Return what the command printed; nothing if it failed, because it only explains another failure."""
    lines = result.output.splitlines() if result.ok else []
    matches = (_PROCESS.fullmatch(line) for line in lines)
    processes = tuple(
        DaemonProcess(match["kind"] == "worker", int(match["pid"]), int(match["began"])) for match in matches if match
    )
    zone = next((zone_of(line.removeprefix("zone ")) for line in lines if line.startswith("zone ")), UTC)
    logged = (line.removeprefix("> ") for line in lines if line.startswith("> "))
    errors = dict.fromkeys(one_line(line, _LINE) for line in _since(logged, since, zone) if _matters(line))
    return ServiceState(processes, tuple(errors)[:_MOST_LINES])


def _since(lines: Iterable[str], since: int, zone: tzinfo) -> Iterator[str]:
    """Yield the lines that were written since a time; a line without a time belongs to the one before."""
    is_recent = False
    for line in lines:
        time = first_time(_with_year(line, since, zone)[:120], zone)
        is_recent = time.timestamp() >= since - _TOLERANCE_S if time else is_recent
        if is_recent:
            yield line


def _with_year(line: str, since: int, zone: tzinfo) -> str:
    """Return a line with the year of the reload, if its time has none."""
    year = datetime.fromtimestamp(since, zone).year
    return _WITHOUT_YEAR.sub(rf"\g<day> \g<clock> {year}", line, count=1) if _WITHOUT_YEAR.match(line) else line


def _matters(line: str) -> bool:
    return bool(_ERROR.search(line)) and not _OF_A_CLIENT.search(line)
