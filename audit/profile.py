"""Reads policy profiles: TOML files of this package or of the user's, each value with its source.

It judges nothing. A profile extends another: what it does not say is as there.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from audit.profile_values import (
    THRESHOLDS,
    BadProfile,
    nearest,
    of_kind,
    remark,
    require_checks,
    require_known,
    severity,
    sourced,
    text,
    typed,
)
from audit.thresholds import NEEDED, Profile, Remark, Thresholds

__all__ = ["BadProfile", "builtin_profiles", "load_profile"]

_TOP: Final = ("title", "extends", "source", "thresholds", "severities", "disabled", "remarks")


def builtin_profiles() -> tuple[str, ...]:
    """Return the names of the profiles that come with this package."""
    files = resources.files("audit").joinpath("policies").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def load_profile(name_or_path: str) -> Profile:
    """Return a profile by its name, or by the path of a TOML file; raises BadProfile."""
    return _load(name_or_path, Path(), ())


@cache
def _load(name: str, folder: Path, extended_by: tuple[str, ...]) -> Profile:
    place, content = _read(name, folder)
    if place in extended_by:
        raise BadProfile(f"profile {place}: it extends itself by way of {' and '.join(extended_by)}")
    try:
        table = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise BadProfile(f"profile {place}: not TOML: {error}") from error
    require_known(table, _TOP, place)
    base = Profile("", "", Thresholds())
    if "extends" in table:
        base = _load(text(table["extends"], f"{place}, extends"), Path(place).parent, (*extended_by, place))
    profile = _extended(base, Path(place).stem, table, place)
    _require_enough(profile, place)
    return profile


def _read(name: str, folder: Path) -> tuple[str, str]:
    if name in builtin_profiles():
        return name, resources.files("audit").joinpath("policies", f"{name}.toml").read_text(encoding="utf-8")
    if not name.endswith(".toml"):
        known = builtin_profiles()
        raise BadProfile(f"no profile {name!r}{nearest(name, known)}; known are {', '.join(known)}, or a TOML file")
    file = folder / name
    try:
        return str(file), file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadProfile(f"profile {file}: {getattr(error, 'strerror', None) or error}") from error


def _extended(base: Profile, name: str, table: Mapping[str, Any], place: str) -> Profile:
    source = text(table["source"], f"{place}, source") if "source" in table else None
    given = _table(table, "thresholds", place)
    require_known(given, THRESHOLDS, f"{place}, [thresholds]")
    thresholds = _sourced(given, source, f"{place}, [thresholds]")
    values = {key: typed(key, value, f"{place}, [thresholds] {key}") for key, (value, _) in thresholds.items()}
    judged, disabled = _of_checks(table, "severities", place), _of_checks(table, "disabled", place)
    severities = _sourced(judged, source, f"{place}, [severities]")
    sources = {**base.sources, **{key: cited for key, (_, cited) in thresholds.items()}}
    return Profile(
        name,
        text(table["title"], f"{place}, title") if "title" in table else base.title,
        replace(base.thresholds, **values),
        sources,
        {
            **base.severities,
            **{check: severity(value, f"{place}, [severities] {check}") for check, (value, _) in severities.items()},
        },
        {**base.disabled, **{check: text(why, f"{place}, [disabled] {check}") for check, why in disabled.items()}},
        {**base.severity_sources, **{check: cited for check, (_, cited) in severities.items()}},
        {**base.remarks, **_remarks(table, place)},
    )


def _remarks(table: Mapping[str, Any], place: str) -> dict[str, Remark]:
    given = _of_checks(table, "remarks", place)
    return {check: remark(value, f"{place}, [remarks] {check}") for check, value in given.items()}


def _of_checks(table: Mapping[str, Any], key: str, place: str) -> Mapping[str, Any]:
    given = _table(table, key, place)
    require_checks(given, f"{place}, [{key}]")
    return given


def _sourced(given: Mapping[str, Any], source: str | None, place: str) -> dict[str, tuple[Any, str]]:
    return {key: sourced(value, source, f"{place} {key}") for key, value in given.items()}


def _require_enough(profile: Profile, place: str) -> None:
    """Refuse a profile of which a silence would be a rule: that nothing is admitted."""
    unsaid = [key for key in NEEDED if key not in profile.sources]
    if unsaid:
        raise BadProfile(f'profile {place}: say {", ".join(unsaid)} in [thresholds], or extends = "webpki"')


def _table(table: Mapping[str, Any], key: str, place: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = of_kind(dict, table.get(key, {}), f"{place}, [{key}]")
    return found
