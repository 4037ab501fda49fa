"""Finds and parses the configuration file, and checks every key of the audit and who can change the file.

A wrong key or value raises BadConfiguration that names the key, the place and the nearest known key. Sections that the
audit does not own are handed on as they are.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

from audit.checks import check_ids
from audit.config.ownership import require_own_configuration
from audit.config.schema import HANDED_ON, BadConfiguration, Configuration
from audit.evaluation.waivers import BadWaivers, Waiver, parse_waivers
from audit.json_codec import BadRecord, from_table, require_known, table_of
from audit.policy import Profile, load_profile, require_checks
from audit.redaction import without_password

_OWN: Final = tuple(field.name for field in fields(Configuration) if field.name not in ("file", "handed_on"))


def read_configuration(root: Path, named: str | None) -> Configuration:
    """Read the named file, or `sslaudit.toml` or `[tool.sslaudit]` of `pyproject.toml` in the root folder.

    Raises BadConfiguration.
    """
    if named is not None:
        return _parse(Path(named).expanduser(), _tables(Path(named).expanduser()))
    own, shared = root / "sslaudit.toml", root / "pyproject.toml"
    if _is_file(own):
        return _parse(own, _tables(own))
    if _is_file(shared):
        table = _tables(shared).get("tool", {}).get("sslaudit")
        if table is not None:
            return _parse(shared, table)
    return Configuration()


def read_waivers(file: Path) -> tuple[Waiver, ...]:
    """Read the waivers file; raises BadWaivers that names file, waiver and field."""
    place = f"waivers {file}"
    return parse_waivers(_load(file, place, BadWaivers), place)


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError as error:
        raise BadConfiguration(f"configuration {file}: {error.strerror}") from error


def _load(file: Path, place: str, bad: type[Exception]) -> dict[str, Any]:
    """Return the tables of a TOML file; raises `bad` with the place."""
    try:
        return table_of(file.read_bytes())
    except OSError as error:
        raise bad(f"{place}: {error.strerror}") from error
    except BadRecord as error:
        raise bad(f"{place}: {error}") from error


def _tables(file: Path) -> dict[str, Any]:
    return _load(file, f"configuration {file}", BadConfiguration)


def _parse(file: Path, table: dict[str, Any]) -> Configuration:
    handed_on = {key: table[key] for key in HANDED_ON if key in table}
    try:
        require_known(table, (*_OWN, *HANDED_ON))
        if isinstance(listed := handed_on.get("notify"), list):
            handed_on["notify"] = _by_name(listed)
        parsed = from_table(Configuration, {key: item for key, item in table.items() if key in _OWN})
    except BadRecord as error:
        raise BadConfiguration(f"{file}: {without_password(str(error))}") from None
    configuration = replace(parsed, file=file.absolute(), handed_on=handed_on)
    require_own_configuration(configuration)
    return configuration


def _by_name(listed: list[Any]) -> dict[str, Any]:
    """Return the tables of `[[notify]]` as `[notify.NAME]`; without the key `name` the kind is the name.

    Raises BadRecord.
    """
    tables: dict[str, Any] = {}
    for number, table in enumerate(listed, 1):
        if not isinstance(table, dict):
            raise BadRecord(f"notify: item {number} is not a table; write [[notify]] above its keys")
        name = table.get("name", table.get("kind"))
        if not isinstance(name, str):
            raise BadRecord(f"[[notify]] {number}: it has no kind")
        if name in tables:
            raise BadRecord(
                f'[[notify]] {number}: the name {name!r} is used twice; write name = "..." with another one'
            )
        tables[name] = {key: value for key, value in table.items() if key != "name"}
    return tables


def profile_named(name: str, configuration: Configuration) -> Profile:
    """Return the profile of that name, or in that file, which is relative to the configuration's; raises BadProfile."""
    profile = load_profile(str(configuration.path(name)) if name.endswith(".toml") else name)
    require_checks(profile, check_ids())
    return profile
