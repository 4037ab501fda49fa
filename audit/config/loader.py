"""Finds and parses the configuration file, checks every key, and who can change the file.

A wrong key or value raises BadConfiguration that names the key, the place and the nearest known key.
"""

from __future__ import annotations

import difflib
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from audit.config.ownership import require_own_configuration
from audit.config.schema import REFERENCE, BadConfiguration, Configuration, Secret
from audit.json_codec import BadRecord, from_json
from audit.policy import Profile, load_profile
from audit.redaction import without_password


def read_configuration(root: Path, named: str | None) -> Configuration:
    """Read the named file, or `sslaudit.toml` or `[tool.sslaudit]` of `pyproject.toml` in the root folder.

    Raises BadConfiguration.
    """
    if named is not None:
        return _parse(Path(named).expanduser(), _load(Path(named).expanduser()))
    own, shared = root / "sslaudit.toml", root / "pyproject.toml"
    if _is_file(own):
        return _parse(own, _load(own))
    if _is_file(shared):
        table = _load(shared).get("tool", {}).get("sslaudit")
        if table is not None:
            return _parse(shared, table)
    return Configuration()


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError as error:
        raise BadConfiguration(f"configuration {file}: {error.strerror}") from error


def _load(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadConfiguration(f"configuration {file}: {error.strerror}") from error
    except ValueError as error:
        raise BadConfiguration(f"configuration {file}: {error}") from error


def _parse(file: Path, table: dict[str, Any]) -> Configuration:
    if "file" in table:
        raise BadConfiguration(f"{file}: unknown key 'file'")
    _check_keys(Configuration, table, f"{file}: ")
    renamed = {**table}
    if isinstance(renamed.get("mail"), dict):
        renamed["mail"] = {_field_of(key): value for key, value in renamed["mail"].items()}
    try:
        parsed = from_json(Configuration, renamed)
    except BadRecord as error:
        raise BadConfiguration(f"{file}: {without_password(str(error))}") from None
    values = {item.name: getattr(parsed, item.name) for item in fields(parsed)}
    configuration = Configuration(**{**values, "file": file.absolute()})
    require_own_configuration(configuration)
    return configuration


def _is_reference(value: Any) -> bool:  # noqa: ANN401 - what TOML holds
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _field_of(key: str) -> str:
    return "from_" if key == "from" else key


def _check_keys(kind: type, table: Mapping[str, Any], place: str) -> None:
    """Refuse every key that the schema does not have, with the nearest one that it has."""
    hints = typing.get_type_hints(kind)
    known = {name.rstrip("_"): hint for name, hint in hints.items()}
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            meant = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(known))}"
            raise BadConfiguration(f"{without_password(place)}unknown key {key!r}{meant}")
        _check_nested(known[key], value, f"{place}{key}.")


def _check_nested(hint: Any, value: Any, place: str) -> None:  # noqa: ANN401 - an annotation and what TOML holds
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        hint = next(item for item in inner if item is not type(None))
    if hint is Secret and not _is_reference(value):
        raise BadConfiguration(f"{without_password(place[:-1])}: {REFERENCE}; a secret itself never stands in the file")
    if is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        _check_keys(hint, value, place)
    elif origin is tuple and is_dataclass(inner[0]) and isinstance(value, list):
        for number, item in enumerate(value, 1):
            _check_nested(inner[0], item, f"{place}{number}.")
    elif origin is not None and inner and inner[-1:] and is_dataclass(inner[-1]) and isinstance(value, dict):
        for key, item in value.items():
            _check_nested(inner[-1], item, f"{place}{key!r}.")


def profile_named(name: str, configuration: Configuration) -> Profile:
    """Return the profile of that name, or in that file, which is relative to the configuration's; raises BadProfile."""
    return load_profile(str(configuration.path(name)) if name.endswith(".toml") else name)
