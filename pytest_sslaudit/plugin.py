"""The hooks that are always there: the options, and the question whether an audit is asked for.

Cheap on purpose: nothing of the audit is imported, and nothing changes in a run, until the answer is yes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX: Final = "audit_"
OPTIONS: Final[tuple[tuple[str, str | None, bool, str], ...]] = (
    # flag, metavar, repeatable, help
    ("endpoint", "URL", True, "audit this endpoint from outside: https://h, tls://h:port, smtp://h, imaps://h, …"),
    ("endpoints", "FILE", True, "the same, one a line; # comments; - for standard input"),
    ("trust", "SOURCE", True, "trust anchors: mozilla (default), system, or a PEM file"),
    ("policy", "NAME", True, "policy profile, applied to every endpoint; the strictest of several applies"),
    ("fail-on", "LEVEL", False, "lowest severity that fails the run: low, medium (default), high, critical"),
    ("inconclusive", "MODE", False, "what an inconclusive verdict does: fail (default) or report"),
    ("waivers", "FILE", False, "TOML file of [[waiver]] tables: check, endpoint, reason, owner, expires"),
    ("results", "FILE", False, "write the results there, one JSON object a line"),
    ("evidence", "DIR", False, "keep what was observed there"),
    ("from-evidence", "DIR", False, "judge what was kept there, with no network"),
    ("timeout", "S", False, "deadline of one probe in seconds (default 10)"),
    ("concurrency", "N", False, "probes at once (default 64)"),
    ("per-address", "N", False, "connections at once to one address (default 2)"),
    ("now", "TIME", False, "judge as of that instant (RFC 3339)"),
    ("state", "DIR", False, "where the state lies that outlives a run"),
    ("config", "FILE", False, "the configuration file (default: sslaudit.toml, or [tool.sslaudit] in pyproject.toml)"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the group `sslaudit`."""
    group = parser.getgroup("sslaudit", "sslaudit: audit TLS endpoints and certificates")
    for flag, metavar, repeatable, text in OPTIONS:
        dest = PREFIX + flag.replace("-", "_")
        action = "append" if repeatable else "store"
        group.addoption(f"--audit-{flag}", action=action, dest=dest, metavar=metavar, default=None, help=text)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Bring the audit in where one is asked for."""
    if not is_asked(config):
        return
    from pytest_sslaudit.session import start  # noqa: PLC0415 - a run without an audit must not pay for it

    start(config)


def is_asked(config: pytest.Config) -> bool:
    """Say whether `audit` is among the arguments, an `--audit-*` option is given, or the configuration says enabled."""
    given = any(getattr(config.option, PREFIX + flag.replace("-", "_"), None) for flag, *_ in OPTIONS)
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
