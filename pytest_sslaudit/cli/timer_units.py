"""The texts of a cron file, and of a systemd service with its timer, that run a command every night."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MARKER: Final = "# Written by `sslaudit install-timer`; `sslaudit remove-timer` removes it."
"""The first line of every file that sslaudit writes."""
CRON: Final = "/etc/cron.d/sslaudit"
UNITS: Final = "sslaudit-checkallsslcerts"
SERVICE: Final = f"/etc/systemd/system/{UNITS}.service"
TIMER: Final = f"/etc/systemd/system/{UNITS}.timer"
WINDOW_MIN: Final = 60
"""A server starts within this time after the configured one: not all servers contact the issuer at once."""
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PYTHONS: Final = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE")
"""Environment variables that would make the program import other modules."""
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


class BadTime(ValueError):
    """An invalid time of day or command."""


@dataclass(frozen=True, slots=True)
class Nightly:
    """The command with its full path, and the earliest time of day at which it starts."""

    command: tuple[str, ...]
    hour: int
    minute: int

    def cron(self, machine: str) -> str:
        """Return the cron file. The minute differs by machine, and is the same every night.

        The output of the command is in its log; cron mails its standard error, which is for usage errors.
        """
        hour, minute = self._of(machine)
        line = shlex.join(self.command).replace("%", r"\%")  # crontab(5): % is a line break
        clean = "".join(f'{name}=""\n' for name in _PYTHONS)  # crontab(5): an empty value needs quotes
        return (
            f"{MARKER}\nSHELL=/bin/sh\nPATH={_PATH}\nMAILTO=root\n{clean}{minute} {hour} * * * root {line} >/dev/null\n"
        )

    def service(self) -> str:
        """Return the systemd service; status 75 means that another run is in progress."""
        return (
            f"{MARKER}\n[Unit]\nDescription=Audit and replace the TLS certificates of this server\n"
            "Wants=network-online.target\nAfter=network-online.target\n\n"
            f"[Service]\nType=oneshot\nExecStart={_start(self.command)}\nLogsDirectory=sslaudit\nLogsDirectoryMode=0700\n"
            f"SuccessExitStatus=75\nEnvironment=HOME=/root PATH={_PATH}\nUnsetEnvironment={' '.join(_PYTHONS)}\n"
            "TimeoutStartSec=6h\n"
        )

    def timer(self) -> str:
        """Return the systemd timer; a night that was missed while the server was off is made up for."""
        return (
            f"{MARKER}\n[Unit]\nDescription=Audit and replace the TLS certificates of this server every night\n\n"
            f"[Timer]\nOnCalendar=*-*-* {self.hour:02}:{self.minute:02}:00\nRandomizedDelaySec={WINDOW_MIN}min\n"
            "FixedRandomDelay=true\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n"
        )

    def schedule(self, machine: str | None) -> str:
        """Return when it starts: at the minute of a machine, or within the hour."""
        if machine is None:
            return f"every night within {WINDOW_MIN} min from {self.hour:02}:{self.minute:02}"
        hour, minute = self._of(machine)
        return f"every night at {hour:02}:{minute:02}"

    def _of(self, machine: str) -> tuple[int, int]:
        later = int.from_bytes(hashlib.sha256(f"sslaudit {machine}".encode()).digest()[:4]) % WINDOW_MIN
        minutes = (self.hour * 60 + self.minute + later) % (24 * 60)
        return minutes // 60, minutes % 60


def nightly(command: Sequence[str], at: str) -> Nightly:
    """Return the nightly run of a command at a time `HH:MM` or later; raises BadTime."""
    match = _TIME.fullmatch(at)
    if match is None:
        raise BadTime(f"{at!r} is not a time of day: use HH:MM, from 00:00 to 23:59")
    if any(not word.isprintable() for word in command):
        raise BadTime(f"{shlex.join(command)}: a path with a line break cannot be used in a timer")
    return Nightly(tuple(command), int(match[1]), int(match[2]))


def is_started_by(text: str, command: Sequence[str]) -> bool:
    """Return whether the text of a cron file or of a service starts this command."""
    cron = rf"root {re.escape(shlex.join(command))}(?=\s)"
    service = rf"ExecStart={re.escape(_start(command))}(?=\s)"
    return re.search(f"{cron}|{service}", text) is not None


def _start(command: Sequence[str]) -> str:
    return " ".join(map(_word, command))


def _word(word: str) -> str:
    """Return a word as systemd.service(5) quotes it."""
    plain = word.replace("%", "%%").replace("$", "$$")
    if re.fullmatch(r"[A-Za-z0-9_./:=@+%$-]+", plain):
        return plain
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
