"""Whether an audit is asked for: the one question that every pytest run has to answer.

It imports nothing of the audit, and reads a file only where there is one that may say yes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest


def is_asked(config: pytest.Config, options: Iterable[str]) -> bool:
    """Say whether `audit` is among the arguments, one of our options is given, or the configuration says enabled."""
    given = any(getattr(config.option, name, None) for name in options)
    return given or names_audit(config, config.args) or _is_enabled(config.rootpath)


def names_audit(config: pytest.Config, arguments: Sequence[str]) -> bool:
    """Say whether an argument names the package `audit` (with --pyargs), or its folder or a file in it."""
    return any(_names_audit(argument, pyargs=bool(config.option.pyargs)) for argument in arguments)


def _names_audit(argument: str, *, pyargs: bool) -> bool:
    place = argument.partition("::")[0].partition("[")[0]
    if pyargs and (place == "audit" or place.startswith("audit.")):
        return True
    folder = audit_folder()
    path = Path(place).absolute()
    return path == folder or folder in path.parents


def audit_folder() -> Path:
    """Return the folder of our package `audit`, which is installed beside this one."""
    return Path(__file__).absolute().parent.parent / "audit"


def checks_folder() -> Path:
    """Return the folder of the built-in checks."""
    return audit_folder() / "checks"


def _is_enabled(root: Path) -> bool:
    own, shared = root / "sslaudit.toml", root / "pyproject.toml"
    if own.is_file():
        return _says_enabled(own, ())
    return shared.is_file() and b"sslaudit" in shared.read_bytes() and _says_enabled(shared, ("tool", "sslaudit"))


def _says_enabled(file: Path, keys: tuple[str, ...]) -> bool:
    import tomllib  # noqa: PLC0415 - only where a file is there to be read

    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        if keys:  # a broken pyproject.toml is pytest's to report
            return False
        raise pytest.UsageError(f"{file}: {error}") from error
    for key in keys:
        table = table.get(key, {})
    return table.get("enabled") is True
