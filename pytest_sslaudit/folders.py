"""The places a run writes to, tried before anything is observed."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Final

import pytest

from audit.config.private_files import create, own_directory, reserve, safe_path
from pytest_sslaudit.spool import CONTENT, Spool

_TRIAL: Final = ".writable"
REPORTS = (("--html", "htmlpath"), ("--junit-xml", "xmlpath"))
OBSERVATION = re.compile(r"[0-9a-f]{32}\.json")


def insist_on_reports(config: pytest.Config) -> None:
    """Refuse a report that cannot be written, or that another user could redirect, before anything is observed."""
    for flag, option in REPORTS:
        path = getattr(config.option, option, None)
        if path:
            _insist(flag, _place(path))
    html = getattr(config.option, "htmlpath", None)
    if html and not config.option.self_contained_html:
        _insist_on_assets(_place(html).parent / "assets")


def _place(path: str) -> Path:
    return Path(os.path.expandvars(path)).expanduser().absolute()


def _insist_on_assets(folder: Path) -> None:
    """Make the directory that pytest-html writes beside its report, so that no other user makes it first."""
    try:
        safe_path(folder).mkdir(exist_ok=True)
        reserve(folder / "style.css")
    except OSError as error:
        message = f"--html: its directory of styles, {folder}: {error.strerror}: or give --self-contained-html"
        raise pytest.UsageError(message) from error


def _insist(flag: str, file: Path) -> None:
    try:
        safe_path(file)
        file.parent.mkdir(parents=True, exist_ok=True)  # as the report itself would
        if file.is_dir():
            raise IsADirectoryError(0, "that is a folder; name a file")
        if not os.access(file if file.exists() else file.parent, os.W_OK):
            raise PermissionError(0, "it cannot be written (permission denied)")
        reserve(file)
    except FileExistsError as error:
        raise pytest.UsageError(f"{flag} {file}: {error.filename} is not a folder") from error
    except OSError as error:
        raise pytest.UsageError(f"{flag} {file}: {error.strerror}") from error


def evidence_spool(folder: Path) -> Spool:
    """Make the folder that evidence is kept in (0700), without what an earlier run observed."""
    try:
        own = own_directory(folder)
        for file in own.iterdir():
            if OBSERVATION.fullmatch(file.name) or CONTENT.fullmatch(file.name):
                file.unlink()
        (own / _TRIAL).unlink(missing_ok=True)
        os.close(create(own / _TRIAL))
        (own / _TRIAL).unlink()
    except OSError as error:
        raise pytest.UsageError(f"--audit-evidence {folder}: {error.strerror}") from error
    return Spool(own)


def passing_spool() -> Spool:
    """Make the directory of observations that are not kept (0700), in the system's directory for temporary files."""
    place = Path(tempfile.gettempdir())
    try:
        safe_path(place)
        return Spool(Path(tempfile.mkdtemp(prefix="sslaudit-", dir=place)))
    except OSError as error:
        raise pytest.UsageError(f"temporary files in {place}: {error.strerror}: set TMPDIR to another place") from error
