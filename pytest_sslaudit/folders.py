"""The places a run writes to, tried before anything is observed."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pytest_sslaudit.spool import Spool

REPORTS = (("--html", "htmlpath"), ("--junitxml", "xmlpath"))
OBSERVATION = re.compile(r"[0-9a-f]{32}\.json")


def insist_on_reports(config: pytest.Config) -> None:
    """Refuse a report that cannot be written now: after the audit it would be too late."""
    for flag, option in REPORTS:
        path = getattr(config.option, option, None)
        if path:
            _insist(flag, Path(os.path.expandvars(path)).expanduser().absolute())


def _insist(flag: str, file: Path) -> None:
    existing = next(folder for folder in file.parents if folder.exists())
    if not existing.is_dir():
        raise pytest.UsageError(f"{flag} {file}: {existing} is not a folder")
    if file.is_dir():
        raise pytest.UsageError(f"{flag} {file}: that is a folder; name a file")
    if not os.access(file if file.exists() else existing, os.W_OK):
        raise pytest.UsageError(f"{flag} {file}: it cannot be written (permission denied)")


def evidence_spool(folder: Path) -> Spool:
    """Make the folder that evidence is kept in (0700), without what an earlier run observed."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in folder.iterdir():
            if OBSERVATION.fullmatch(file.name):
                file.unlink()
        (folder / ".writable").touch()
        (folder / ".writable").unlink()
    except OSError as error:
        raise pytest.UsageError(f"--audit-evidence {folder}: {error.strerror}") from error
    return Spool(folder)
