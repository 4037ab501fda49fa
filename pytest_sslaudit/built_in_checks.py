"""The built-in checks: collected whatever a suite's configuration says of its own tests, and missed if they are not.

Only the command line itself leaves built-in checks out: neither `addopts` of a configuration file nor the environment
variable PYTEST_ADDOPTS does, because the next person who starts the audit sees neither of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Final

import pytest

from audit.checks import check_of
from audit.engine import built_in_checks
from pytest_sslaudit.activation import audit_folder, checks_folder, names_audit
from pytest_sslaudit.reports.totals import Tally
from pytest_sslaudit.run_state import STALE_WAIVER, Run

IGNORING: Final = ("ignore", "ignore_glob")
NARROWING: Final = (
    "keyword", "markexpr", "deselect", "lf", "failedfirst", "stepwise", "maxfail", "collectonly", "audit_check",
    *IGNORING,
)  # fmt: skip
"""The options with which not every test is run, as pytest calls them."""
_NAMED: Final = 3  # endpoints in the sentence


class BuiltInCollection:
    """The hooks that collect the built-in checks, in every process."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path, config: pytest.Config) -> bool | None:
        """Collect the folders and their files, unless `--ignore` or `--ignore-glob` stands on the command line."""
        if collection_path not in (audit_folder(), checks_folder()) and not is_built_in(collection_path):
            return None
        return None if ignores_files(config) else False

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
        """Make a module of a file of ours that `python_files` leaves out."""
        found = yield
        if found or not is_built_in(file_path):
            return found
        module = parent.ihook.pytest_pycollect_makemodule(module_path=file_path, parent=parent)
        return [module] if module is not None else []

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(
        self, collector: pytest.Collector, name: str, obj: object
    ) -> list[pytest.Item | pytest.Collector] | None:
        """Make tests of a check of ours, whatever `python_functions` says; a module that imports one is left alone."""
        is_ours = isinstance(collector, pytest.Module) and is_built_in(collector.path)
        if not is_ours or check_of(obj) is None:
            return None
        return list(collector._genfunctions(name, obj))  # type: ignore[attr-defined]  # noqa: SLF001 - as pytest does


def is_built_in(file: Path) -> bool:
    """Return whether a file holds built-in checks."""
    return file.name.startswith("test_") and file.suffix == ".py" and file.parent == checks_folder()


def follow_moved_checks(config: pytest.Config) -> None:
    """Let node ids of the time when the checks were files of `audit` itself name the files of `audit/checks`."""
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
    return bool(_options_given(command_line(config), IGNORING))


def names_tests(config: pytest.Config) -> bool:
    """Return whether the command line says what to collect."""
    return bool(getattr(command_line(config), "file_or_dir", None))


def is_restricted(config: pytest.Config) -> bool:
    """Return whether the command line itself leaves tests out."""
    given = command_line(config)
    places: list[str] = getattr(given, "file_or_dir", None) or []
    whole = any(names_audit(config, [place]) and _is_whole(place) for place in places)
    return bool(_options_given(given, NARROWING)) or (bool(places) and not whole)


def _is_whole(place: str) -> bool:
    return place == audit_folder().name or Path(place).absolute() == audit_folder()


def _options_given(options: argparse.Namespace, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if getattr(options, name, None))


def sentences_about_gaps(config: pytest.Config, run: Run, tally: Tally) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what fails the run because built-in checks have no result, and what a plugin left out."""
    if is_restricted(config):
        return (), ()
    elsewhere = _options_given(config.option, NARROWING)
    marks = [check for function in built_in_checks() if (check := check_of(function)) and check.id != STALE_WAIVER]
    gaps = [(check.id, str(endpoint)) for check in marks
            for endpoint in run.endpoints(check.scopes) if not tally.judged.has(check.id, str(endpoint))]  # fmt: skip
    left_out = [] if elsewhere else [gap for gap in gaps if gap in tally.left_out]
    missing = [gap for gap in gaps if elsewhere or gap not in tally.left_out]
    return (
        tuple(_missing(missing, elsewhere) for _ in missing[:1]),
        tuple(f"a plugin left out {_counted(left_out)}" for _ in left_out[:1]),
    )


def _missing(gaps: list[tuple[str, str]], elsewhere: tuple[str, ...]) -> str:
    cause = f"; addopts or PYTEST_ADDOPTS sets {', '.join(elsewhere)}: say so on the command line" if elsewhere else ""
    return f"the audit is incomplete: there is no result of {_counted(gaps)}{cause}"


def _counted(gaps: list[tuple[str, str]]) -> str:
    checks, endpoints = (list(dict.fromkeys(column)) for column in zip(*gaps, strict=True))
    more = f" and {len(endpoints) - _NAMED} more" if len(endpoints) > _NAMED else ""
    of_which = f"the check {checks[0]}" if len(checks) == 1 else f"{len(checks)} built-in checks, such as {checks[0]},"
    return f"{of_which} for {', '.join(endpoints[:_NAMED])}{more}"
