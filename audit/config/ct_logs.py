"""Reads the list of certificate transparency logs that the configuration names, and installs a newer one."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from audit.config.private_files import create, read_regular, safe_path
from audit.config.schema import BadConfiguration, Configuration
from audit.x509.transparency.log_list import MAX_LIST_OCTETS, BadLogList, LogList, read_log_list

_KEY: Final = "[ct] log_list"
_SOURCE: Final = "https://www.gstatic.com/ct/log_list/v3/log_list.json"
_EXAMPLE: Final = 'log_list = "log_list.json" below [ct]'


def read_ct_logs(configuration: Configuration) -> LogList | None:
    """Read the log list of the configuration, None if it names none; raises BadConfiguration."""
    name = configuration.ct.log_list
    if name is None:
        return None
    fix = f"Download {_SOURCE} and run sslaudit update-ct-logs FILE."
    return read_log_list_file(configuration.path(name), f"{configuration.file}: {_KEY}", fix)


def read_log_list_file(file: Path, place: str, fix: str = "") -> LogList:
    """Read a log list; raises BadConfiguration that begins with the place and the file, and ends with the fix."""
    return _parsed(_content(file, place, fix), f"{place}: {file}", fix)


def install_ct_logs(file: Path, configuration: Configuration) -> tuple[LogList, Path]:
    """Put a log list where the configuration names one; return the list and the place. Raises BadConfiguration.

    A list that is older than the installed one is refused.
    """
    name = configuration.ct.log_list
    if name is None:
        raise BadConfiguration(f"{configuration.file or 'no configuration file'}: {_KEY} is not set; add {_EXAMPLE}")
    place, target = f"{configuration.file}: {_KEY}", configuration.path(name)
    content = _content(file, "update-ct-logs", "")
    logs = _parsed(content, f"update-ct-logs: {file}", "")
    installed = _installed(target, place)
    if installed is not None and installed.issued > logs.issued:
        reason = f"the {logs} is older than the installed {installed}"
        raise BadConfiguration(f"update-ct-logs: {file}: {reason}. Download {_SOURCE} again.")
    try:
        _replace(target, content)
    except OSError as error:
        raise BadConfiguration(f"{place}: {target}: {error.strerror}") from error
    return logs, target


def _installed(target: Path, place: str) -> LogList | None:
    """Return the list that is installed; None if there is none that can be read, which is then replaced."""
    with suppress(BadConfiguration):
        return read_log_list_file(target, place)
    return None


def _content(file: Path, place: str, fix: str) -> bytes:
    try:
        return read_regular(file.resolve(), MAX_LIST_OCTETS)
    except OSError as error:
        raise BadConfiguration(f"{place}: {file}: {error.strerror}. {fix}".rstrip(". ") + ".") from error


def _parsed(content: bytes, place: str, fix: str) -> LogList:
    try:
        return read_log_list(content)
    except BadLogList as error:
        raise BadConfiguration(f"{place}: {error}. {fix}".rstrip(". ") + ".") from error


def _replace(target: Path, content: bytes) -> None:
    """Write a file under a temporary name in its directory, and rename it; raises OSError."""
    real = safe_path(target)
    partial = real.with_name(f".{real.name}.{os.getpid()}.part")
    partial.unlink(missing_ok=True)
    with os.fdopen(create(partial, 0o644), "wb") as stream:
        stream.write(content)
    partial.replace(real)
