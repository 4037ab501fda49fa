"""The places a run writes to, tried before anything is observed."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pytest_sslaudit.spool import CONTENT, Spool

REPORTS = (("--html", "htmlpath"), ("--junit-xml", "xmlpath"))
OBSERVATION = re.compile(r"[0-9a-f]{32}\.json")


def insist_on_reports(config: pytest.Config) -> None:
    """Refuse a report that cannot be written now: after the audit it would be too late."""
    for flag, option in REPORTS:
        path = getattr(config.option, option, None)
        if path:
            _insist(flag, Path(os.path.expandvars(path)).expanduser().absolute())


def _insist(flag: str, file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)  # as the report itself would
        if file.is_dir():
            raise IsADirectoryError(0, "that is a folder; name a file")
        if not os.access(file if file.exists() else file.parent, os.W_OK):
            raise PermissionError(0, "it cannot be written (permission denied)")
    except FileExistsError as error:
        raise pytest.UsageError(f"{flag} {file}: {error.filename} is not a folder") from error
    except OSError as error:
        raise pytest.UsageError(f"{flag} {file}: {error.strerror}") from error


def evidence_spool(folder: Path) -> Spool:
    """Make the folder that evidence is kept in (0700), without what an earlier run observed."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in folder.iterdir():
            if OBSERVATION.fullmatch(file.name) or CONTENT.fullmatch(file.name):
                file.unlink()
        (folder / ".writable").touch()
        (folder / ".writable").unlink()
    except OSError as error:
        raise pytest.UsageError(f"--audit-evidence {folder}: {error.strerror}") from error
    return Spool(folder)
