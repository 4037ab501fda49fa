"""The files of a timer on a machine: written whole or not at all, known again by their first line, and removed.

It knows files and systemctl; what stands in them is known beside it.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_sslaudit.cli.timer_units import CRON, MARKER, SERVICE, TIMER, UNITS

_UNIT: Final = f"{UNITS}.timer"
_LEFT: Final = (
    f"/etc/systemd/system/timers.target.wants/{_UNIT}",  # where systemctl cannot take it away
    f"/var/lib/systemd/timers/stamp-{_UNIT}",  # when it ran last (systemd.timer(5), Persistent=)
)
_SYSTEMCTL_S: Final = 60.0


class Refused(Exception):
    """What stands in the way, in a line that names the file and what is to be done."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine by the root of its files; where that is not our own, systemd is not running on it."""

    root: Path = Path("/")

    def place(self, path: str) -> Path:
        """Return where a file of the machine is."""
        return self.root / path.lstrip("/")

    @property
    def runs_systemd(self) -> bool:
        """Whether it was started by systemd (sd_booted(3))."""
        return self.place("/run/systemd/system").is_dir()

    @property
    def id(self) -> str:
        """What tells it apart from others, the same for as long as it is there."""
        with suppress(OSError):
            return self.place("/etc/machine-id").read_text(encoding="ascii").strip()
        return os.uname().nodename

    def installed(self) -> tuple[str, ...]:
        """Return the paths of our files that are there."""
        return tuple(path for path in (CRON, SERVICE, TIMER) if is_ours(self.place(path)))

    def install(self, texts: Mapping[str, str]) -> tuple[str, ...]:
        """Write these files and let them take effect; remove those of the other kind. Return what was done, in lines.

        Raises Refused and OSError; then the files are as they were.
        """
        self._insist_on_ours(texts)
        before = {path: _content(self.place(path)) for path in texts}
        try:
            for path, text in texts.items():
                _write(self.place(path), text)
            if TIMER in texts:
                self._enable()
        except (OSError, Refused):
            for path, content in before.items():
                _put_back(self.place(path), content)
            raise
        done = (f"{path}: {'as it was' if before[path] == text else 'written'}" for path, text in texts.items())
        others = set(self.installed()) - set(texts)
        return (*done, *(self.remove(others) if others else ()))

    def remove(self, paths: set[str] | None = None) -> tuple[str, ...]:
        """Remove our files, or those of them; return what was done, in lines. Raises OSError."""
        ours = [path for path in self.installed() if paths is None or path in paths]
        said = tuple(self._disable()) if TIMER in ours else ()
        for path in ours:
            self.place(path).unlink()
        if TIMER in ours:
            for path in _LEFT:
                self.place(path).unlink(missing_ok=True)
            self._reload()
        return (*said, *(f"{path}: removed" for path in ours))

    def strangers(self) -> tuple[str, ...]:
        """Return the paths at which there is something that is not ours."""
        there = (path for path in (CRON, SERVICE, TIMER) if os.path.lexists(self.place(path)))
        return tuple(path for path in there if not is_ours(self.place(path)))

    def _insist_on_ours(self, texts: Mapping[str, str]) -> None:
        for path in texts:
            folder = self.place(path).parent
            if not folder.is_dir():
                raise Refused(
                    f"there is no {folder}: install {'cron' if path == CRON else 'systemd'}, or use the other"
                )
            if path in self.strangers():
                raise Refused(f"{path} is there and was not written by us: look at it, and move it away")

    def _enable(self) -> None:
        self._reload()
        done = self._systemctl("enable", *self._now(), _UNIT)
        if done.returncode:
            raise Refused(f"systemctl enable {_UNIT} ended with {done.returncode}: {done.stderr.strip()}")

    def _disable(self) -> Iterator[str]:
        done = self._systemctl("disable", *self._now(), _UNIT)
        if done.returncode:
            yield f"systemctl disable {_UNIT} ended with {done.returncode}: {done.stderr.strip()}"

    def _reload(self) -> None:
        if self._now():
            self._systemctl("daemon-reload")

    def _now(self) -> tuple[str, ...]:
        return ("--now",) if self.root == Path("/") and self.runs_systemd else ()

    def _systemctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        elsewhere = () if self.root == Path("/") else (f"--root={self.root}",)
        argv = ("systemctl", *elsewhere, *words)
        try:
            return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_SYSTEMCTL_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            return subprocess.CompletedProcess(argv, 127, "", str(error))


def is_ours(file: Path) -> bool:
    """Tell whether a file is there and was written by us; a link never was."""
    if file.is_symlink() or not file.is_file():
        return False
    return (_content(file) or "").startswith(f"{MARKER}\n")


def _content(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _put_back(file: Path, content: str | None) -> None:
    if content is None:
        file.unlink(missing_ok=True)
    else:
        _write(file, content)


def _write(file: Path, text: str) -> None:
    """Write a file for all to read by a name that neither cron nor systemd reads, and rename it."""
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=".sslaudit-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), 0o644)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).rename(file)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
