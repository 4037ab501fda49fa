"""Reads policy profiles: TOML files of this package or of the user's, each value with its source.

It judges nothing. A profile extends another: what it does not say is as there.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import UTC, date, datetime, time
from fractions import Fraction
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from audit.checks import Severity
from audit.thresholds import DatedLimit, Profile, Thresholds

_DATED: Final = ("validity_max", "revocation_exempt")
_TOP: Final = ("title", "extends", "source", "thresholds", "severities", "disabled")


class BadProfile(ValueError):
    """A profile that cannot be used; its message names file, key and, where one is near, the known key."""


def builtin_profiles() -> tuple[str, ...]:
    """Return the names of the profiles that come with this package."""
    files = resources.files("audit").joinpath("policies").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def load_profile(name_or_path: str) -> Profile:
    """Return a profile by its name, or by the path of a TOML file; raises BadProfile."""
    return _load(name_or_path, Path(), ())


@cache
def _load(name: str, folder: Path, extended_by: tuple[str, ...]) -> Profile:
    place, text = _read(name, folder)
    if place in extended_by:
        raise BadProfile(f"profile {place}: it extends itself by way of {' and '.join(extended_by)}")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadProfile(f"profile {place}: not TOML: {error}") from error
    _known(table, _TOP, place)
    base = Profile("", "", Thresholds())
    if "extends" in table:
        base = _load(str(table["extends"]), Path(place).parent, (*extended_by, place))
    return _extended(base, Path(place).stem, table, place)


def _read(name: str, folder: Path) -> tuple[str, str]:
    if name in builtin_profiles():
        return name, resources.files("audit").joinpath("policies", f"{name}.toml").read_text(encoding="utf-8")
    if not name.endswith(".toml"):
        known = builtin_profiles()
        raise BadProfile(f"no profile {name!r}{_nearest(name, known)}; known are {', '.join(known)}, or a TOML file")
    file = folder / name
    try:
        return str(file), file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadProfile(f"profile {file}: {getattr(error, 'strerror', None) or error}") from error


def _extended(base: Profile, name: str, table: Mapping[str, Any], place: str) -> Profile:
    given = _table(table, "thresholds", place)
    _known(given, [known.name for known in fields(Thresholds)], f"{place}, [thresholds]")
    default_source = str(table.get("source", place))
    values, sources = dict[str, Any](), dict(base.sources)
    for key, value in given.items():
        plain, sources[key] = _sourced(value, default_source)
        values[key] = _typed(key, plain, f"{place}, [thresholds] {key}")
    severities = {
        check: _severity(_sourced(value, "")[0], f"{place}, [severities] {check}")
        for check, value in _table(table, "severities", place).items()
    }
    return Profile(
        name,
        str(table.get("title", base.title)),
        replace(base.thresholds, **values),
        sources,
        {**base.severities, **severities},
        {**base.disabled, **{check: str(why) for check, why in _table(table, "disabled", place).items()}},
    )


def _sourced(value: Any, default: str) -> tuple[Any, str]:  # noqa: ANN401 - any TOML value
    """Split `{ value = …, source = … }`, or take a plain value with the default source."""
    if isinstance(value, dict) and value.keys() == {"value", "source"}:
        return value["value"], str(value["source"])
    return value, default


def _typed(key: str, value: Any, place: str) -> Any:  # noqa: ANN401 - any TOML value
    """Return a value in the type of that threshold; raises BadProfile."""
    default = getattr(Thresholds(), key)
    if key in _DATED:
        return tuple(_dated(item, place) for item in _of(list, value, place))
    if isinstance(default, tuple):
        return tuple(_of(str, item, place) for item in _of(list, value, place))
    if isinstance(default, Fraction):
        return _fraction(value, place)
    return _of(type(default), value, place)


def _dated(item: Any, place: str) -> DatedLimit:  # noqa: ANN401 - any TOML value
    _known(_of(dict, item, place), ("issued_from", "days"), place)
    if item.keys() != {"issued_from", "days"}:
        raise BadProfile(f"profile {place}: write {{ issued_from = 2026-03-15, days = 200 }}")
    start = datetime.combine(_of(date, item["issued_from"], place), time(), UTC)
    return DatedLimit(start, _of(int, item["days"], place))


def _fraction(value: Any, place: str) -> Fraction:  # noqa: ANN401 - any TOML value
    try:
        fraction = Fraction(str(value))
    except (ValueError, ZeroDivisionError) as error:
        raise BadProfile(f'profile {place}: {value!r} is not a fraction such as "1/3" or 0.15') from error
    if not 0 <= fraction <= 1:
        raise BadProfile(f"profile {place}: {value!r} is not between 0 and 1")
    return fraction


def _severity(value: Any, place: str) -> Severity:  # noqa: ANN401 - any TOML value
    if value not in list(Severity):
        raise BadProfile(f"profile {place}: {value!r} is not one of {', '.join(Severity)}")
    return Severity(value)


def _of(kind: type, value: Any, place: str) -> Any:  # noqa: ANN401 - any TOML value
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadProfile(f"profile {place}: {value!r} is not a {kind.__name__}")
    if isinstance(value, int) and value < 0:
        raise BadProfile(f"profile {place}: {value!r} is negative")
    return value


def _table(table: Mapping[str, Any], key: str, place: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = _of(dict, table.get(key, {}), f"{place}, [{key}]")
    return found


def _known(given: Iterable[str], known: Iterable[str], place: str) -> None:
    for key in given:
        if key not in known:
            raise BadProfile(f"profile {place}: unknown key {key!r}{_nearest(key, known)}")


def _nearest(key: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""
