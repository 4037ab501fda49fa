"""Refuses files of reports that cannot be written, or that another user could redirect, before anything is observed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from audit.config.private_files import reserve, safe_path

_OPTIONS: Final = (("--html", "htmlpath"), ("--junit-xml", "xmlpath"))


def require_writable_reports(config: pytest.Config) -> None:
    """Raise pytest.UsageError for a report of pytest that cannot be written, or that another user could redirect."""
    for flag, option in _OPTIONS:
        path = getattr(config.option, option, None)
        if path:
            require_writable(flag, _place(path))


def _place(path: str) -> Path:
    return Path(os.path.expandvars(path)).expanduser().absolute()


def require_writable(flag: str, file: Path) -> None:
    """Raise pytest.UsageError for a file that cannot be written, or that another user could redirect."""
    try:
        safe_path(file)
        file.parent.mkdir(parents=True, exist_ok=True)  # as the report itself would
        if file.is_dir():
            raise IsADirectoryError(0, "it is a directory; give the name of a file")
        if not os.access(file if file.exists() else file.parent, os.W_OK):
            raise PermissionError(0, "it cannot be written (permission denied)")
        reserve(file)
    except FileExistsError as error:
        raise pytest.UsageError(f"{flag} {file}: {error.filename} is not a directory") from error
    except OSError as error:
        raise pytest.UsageError(f"{flag} {file}: {error.strerror}") from error
