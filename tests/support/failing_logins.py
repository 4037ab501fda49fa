"""Hosts for tests: this machine by `local://`, and programs that fail or print text as a login can."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit.host.discovery import Discovery, Login, discover


def now() -> datetime:
    """Return the real time."""
    return datetime.now(UTC)


def look(*logins: Login) -> tuple[Discovery, ...]:
    """Inspect the hosts of these logins."""
    return discover(logins, clock=now)


def write_program(folder: Path, name: str, lines: Sequence[str]) -> Path:
    """Write a shell script that replaces a program."""
    path = folder / name
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]), "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def put_first(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Put a directory of programs before the others in the search path."""
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


class Programs:
    """The programs of a test, which come first in the search path, and the files that they write."""

    def __init__(self, folder: Path) -> None:
        """Take the directory of the programs."""
        self.folder = folder

    def add(self, name: str, *lines: str) -> None:
        """Add a shell script."""
        write_program(self.folder, name, lines)

    def text(self, name: str) -> str:
        """Return what a program wrote to a file."""
        return (self.folder / name).read_text()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """Return the programs of a test, in its directory."""
    put_first(monkeypatch, tmp_path)
    return Programs(tmp_path)
