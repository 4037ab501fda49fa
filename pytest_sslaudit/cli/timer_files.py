"""Installs and removes the files of a timer: they are written atomically, and recognized by their first line."""

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
_REMNANTS: Final = (
    f"/etc/systemd/system/timers.target.wants/{_UNIT}",  # systemctl may be unable to remove it
    f"/var/lib/systemd/timers/stamp-{_UNIT}",  # when it ran last (systemd.timer(5), Persistent=)
)
_SYSTEMCTL_S: Final = 60.0


class Refused(Exception):
    """Why a timer cannot be installed, with the file and what to do."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine, by the root of its file system; systemd runs only on this one, with the root `/`."""

    root: Path = Path("/")

    def place(self, path: str) -> Path:
        """Return where a file of the machine is."""
        return self.root / path.lstrip("/")

    @property
    def runs_systemd(self) -> bool:
        """Whether systemd is the init system (sd_booted(3))."""
        return self.place("/run/systemd/system").is_dir()

    @property
    def id(self) -> str:
        """The machine id, else the host name: it spreads the minutes at which machines start."""
        with suppress(OSError):
            return self.place("/etc/machine-id").read_text(encoding="ascii").strip()
        return os.uname().nodename

    def installed(self) -> tuple[str, ...]:
        """Return the paths of the files of sslaudit that exist."""
        return tuple(path for path in (CRON, SERVICE, TIMER) if is_ours(self.place(path)))

    def install(self, texts: Mapping[str, str]) -> tuple[str, ...]:
        """Write these files and let them take effect; remove those of the other kind. Return one line per file.

        Raises Refused and OSError; then the files are as they were.
        """
        self._require_installable(texts)
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
        """Remove the files of sslaudit, or only these paths; return one line per file. Raises OSError."""
        ours = [path for path in self.installed() if paths is None or path in paths]
        lines = tuple(self._disable()) if TIMER in ours else ()
        for path in ours:
            self.place(path).unlink()
        if TIMER in ours:
            for path in _REMNANTS:
                self.place(path).unlink(missing_ok=True)
            self._reload()
            self._forget_failure()
        return (*lines, *(f"{path}: removed" for path in ours))

    def foreign_files(self) -> tuple[str, ...]:
        """Return the paths of files that exist and that sslaudit did not write."""
        existing = (path for path in (CRON, SERVICE, TIMER) if os.path.lexists(self.place(path)))
        return tuple(path for path in existing if not is_ours(self.place(path)))

    def _require_installable(self, texts: Mapping[str, str]) -> None:
        for path in texts:
            folder = self.place(path).parent
            if not folder.is_dir():
                kind = "cron" if path == CRON else "systemd"
                raise Refused(f"the directory {folder} does not exist: install {kind}, or use the other kind")
            if path in self.foreign_files():
                raise Refused(f"{path} exists and was not written by sslaudit: look at it and move it away")

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

    def _forget_failure(self) -> None:
        """Make systemd forget a run that failed: it would list the service as failed although its file is gone."""
        if self._now():
            self._systemctl("reset-failed", f"{UNITS}.service", _UNIT)

    def _now(self) -> tuple[str, ...]:
        return ("--now",) if self.root == Path("/") and self.runs_systemd else ()

    def _systemctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        root_option = () if self.root == Path("/") else (f"--root={self.root}",)
        argv = ("systemctl", *root_option, *words)
        try:
            return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_SYSTEMCTL_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            return subprocess.CompletedProcess(argv, 127, "", str(error))


def is_ours(file: Path) -> bool:
    """Return whether sslaudit wrote this file; it never writes a symbolic link."""
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
    """Write a file with mode 0644 under a name that cron and systemd ignore, and rename it."""
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
