"""Reads from the command line whether an audit is requested, and which of its checks are left out.

Every pytest run imports this module. It imports nothing of the audit, and reads a file only if it may enable an audit.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

ADDED_CHECKS: Final = pytest.StashKey[Mapping[Path, tuple[Callable[..., None], ...]]]()
"""The checks of other distributions that the configuration names, by the file of their module."""
IGNORING: Final = ("ignore", "ignore_glob")
NARROWING: Final = (
    "keyword", "markexpr", "deselect", "lf", "failedfirst", "stepwise", "maxfail", "collectonly", "audit_check",
    *IGNORING,
)  # fmt: skip
"""The options that leave tests out, as pytest names them."""


def is_requested(config: pytest.Config, options: Iterable[str]) -> bool:
    """Return whether an argument names `audit`, an option of the plugin is given, or the configuration enables it."""
    given = any(getattr(config.option, name, None) for name in options)
    return given or names_audit(config, config.args) or _is_enabled(config.rootpath)


def names_audit(config: pytest.Config, arguments: Sequence[str]) -> bool:
    """Return whether an argument names the package `audit` (with --pyargs), its directory, or a file in it."""
    return any(_is_in_audit(argument, pyargs=bool(config.option.pyargs)) for argument in arguments)


def _is_in_audit(argument: str, *, pyargs: bool) -> bool:
    place = argument.partition("::")[0].partition("[")[0]
    if pyargs and (place == "audit" or place.startswith("audit.")):
        return True
    folder = audit_folder()
    path = Path(place).absolute()
    return path == folder or folder in path.parents


def audit_folder() -> Path:
    """Return the directory of the package `audit`, which is installed beside this one."""
    return Path(__file__).absolute().parent.parent / "audit"


def require_own_packages() -> None:
    """Raise pytest.UsageError if Python finds a module of the user in place of a package of this distribution."""
    for name in ("audit", "remediate"):
        own, spec = audit_folder().parent / name, importlib.util.find_spec(name)
        found = [*(spec.submodule_search_locations or ()), spec.origin] if spec else [None]
        if str(own) != str(found[0]):
            raise pytest.UsageError(
                f"the module `{name}` that Python finds is {found[0]}, not that of this plugin ({own}): rename it, or "
                "start pytest in another directory (python -m pytest searches the current one first, pytest does not)"
            )


def checks_folder() -> Path:
    """Return the directory of the built-in checks."""
    return audit_folder() / "checks"


def is_built_in(file: Path) -> bool:
    """Return whether a file holds built-in checks."""
    return file.name.startswith("test_") and file.suffix == ".py" and file.parent == checks_folder()


def is_added(file: Path, config: pytest.Config) -> bool:
    """Return whether a file holds checks of another distribution that the configuration names."""
    return file in config.stash.get(ADDED_CHECKS, {})


def _is_enabled(root: Path) -> bool:
    own, shared = root / "sslaudit.toml", root / "pyproject.toml"
    if own.is_file():
        return _enables_audit(own, ())
    return shared.is_file() and b"sslaudit" in shared.read_bytes() and _enables_audit(shared, ("tool", "sslaudit"))


def _enables_audit(file: Path, keys: tuple[str, ...]) -> bool:
    require_own_packages()
    from audit.json_codec import table_of  # noqa: PLC0415 - only if there is a file to read

    try:
        table = table_of(file.read_bytes())
    except ValueError as error:
        if keys:  # pytest reports a broken pyproject.toml
            return False
        raise pytest.UsageError(f"{file}: {error}") from error
    for key in keys:
        table = table.get(key, {})
    return table.get("enabled") is True


def follow_moved_checks(config: pytest.Config) -> None:
    """Replace node ids of earlier versions, whose checks were files of `audit`, by those of `audit/checks`."""
    config.args[:] = [_moved(argument) for argument in config.args]
    deselected = config.option.deselect
    if deselected:
        config.option.deselect = [*deselected, *(_moved(prefix) for prefix in deselected)]


def _moved(node: str) -> str:
    place, separator, test = node.partition("::")
    file = Path(place)
    if place.startswith("audit.test_"):
        return f"audit.checks.{place.removeprefix('audit.')}{separator}{test}"
    if file.exists() or not (checks_folder() / file.name).is_file() or file.parent.name not in ("", "audit"):
        return node
    return f"{file.parent / checks_folder().name / file.name}{separator}{test}"


def command_line(config: pytest.Config) -> argparse.Namespace:
    """Return the options and arguments of the command line alone."""
    given = [str(word) for word in config.invocation_params.args]
    return config._parser.parse_known_args(given, argparse.Namespace())  # noqa: SLF001 - pytest has no public way


def ignores_files(config: pytest.Config) -> bool:
    """Return whether the command line leaves out files by name."""
    if hasattr(config, "workerinput"):
        return bool(config.workerinput["sslaudit"]["ignores_files"])
    return bool(options_given(command_line(config), IGNORING))


def names_tests(config: pytest.Config) -> bool:
    """Return whether the command line names tests to collect."""
    return bool(getattr(command_line(config), "file_or_dir", None))


def is_restricted(config: pytest.Config) -> bool:
    """Return whether the command line itself leaves tests out."""
    given = command_line(config)
    places: list[str] = getattr(given, "file_or_dir", None) or []
    has_all = any(names_audit(config, [place]) and is_full_audit(place) for place in places)
    return bool(options_given(given, NARROWING)) or (bool(places) and not has_all)


def is_full_audit(place: str) -> bool:
    """Return whether an argument names the whole audit: the package, or its folder."""
    return place == audit_folder().name or Path(place).absolute() == audit_folder()


def options_given(options: argparse.Namespace, names: Iterable[str]) -> tuple[str, ...]:
    """Return which of these options are set."""
    return tuple(name for name in names if getattr(options, name, None))
