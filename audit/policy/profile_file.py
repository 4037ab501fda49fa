"""Reads and validates a policy profile: each value of the type of its threshold, each with its source."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields, replace
from datetime import UTC, date, datetime, time
from fractions import Fraction
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from audit import json_codec
from audit.json_codec import BadRecord, as_written, nearest, table_of
from audit.policy.thresholds import NEEDED, WORDS, DatedLimit, PolicyNote, Profile, Thresholds
from audit.text import join_limited
from audit.verdict import Severity

THRESHOLDS: Final = tuple(threshold.name for threshold in fields(Thresholds))
_DATED: Final = ("validity_max", "revocation_exempt")
_LEAST: Final = {"rsa_bits_multiple": 1}
_MOST: Final = 999_999_999  # days that a timedelta holds
PROFILE_KEYS: Final[Mapping[str, str]] = {
    "title": "what the policy is for",
    "extends": "a built-in policy or a file; its values apply where this file has none",
    "source": "the source of every value that names none of its own",
    "thresholds": "table of limits: a value, or `{ value = …, source = … }`",
    "severities": "table of severities by the id of a check, with sources as above",
    "disabled": "table of reasons by the id of a check that is not judged",
    "notes": "table of notes by the id of a check: `legacy_rule`, `current_practice` and `source`",
}
"""The keys of a policy file, with their meaning."""


class BadProfile(ValueError):
    """A profile that cannot be used; its message names file, key and, where one is near, the known key."""


def typed(key: str, value: Any, place: str) -> Any:  # noqa: ANN401 - any TOML value
    """Return a value in the type of that threshold; raises BadProfile."""
    default = getattr(Thresholds(), key)
    if key in _DATED:
        limits = [_dated(item, place) for item in _of_kind(list, value, place)]
        return tuple(sorted(limits, key=lambda limit: limit.issued_from))
    if isinstance(default, tuple):
        return tuple(_word(key, item, place) for item in _of_kind(list, value, place))
    if isinstance(default, Fraction):
        return _fraction(value, place)
    given = _of_kind(type(default), value, place)
    if given < _LEAST.get(key, 0):
        raise BadProfile(f"profile {place}: {value!r} is less than {_LEAST[key]}")
    return given


def sourced(value: Any, default: str | None, place: str) -> tuple[Any, str]:  # noqa: ANN401 - any TOML value
    """Split `{ value = …, source = … }`, or take a plain value with the source of the whole file; raises BadProfile."""
    plain, source = value, default
    if isinstance(value, dict):
        _require_known(value, ("value", "source"), place)
        if "value" not in value:
            raise BadProfile(f'profile {place}: it has no value; write {{ value = …, source = "…" }}')
        plain, source = value["value"], value.get("source", default)
    if source is None:
        raise BadProfile(
            f'profile {place}: it has no source; write {{ value = {as_written(plain)}, source = "…" }}, or a '
            "`source` for the whole file"
        )
    return plain, text(source, f"{place}, source")


def severity(value: Any, place: str) -> Severity:  # noqa: ANN401 - any TOML value
    """Return the severity of that name; raises BadProfile."""
    return Severity(_one_of(value, tuple(level.value for level in Severity), place))


def policy_note(value: Any, place: str) -> PolicyNote:  # noqa: ANN401 - any TOML value
    """Return the note that is shown with a result; raises BadProfile."""
    known = tuple(field.name for field in fields(PolicyNote))
    given = _of_kind(dict, value, place)
    _require_known(given, known, place)
    absent = [name for name in known if name not in given]
    if absent:
        raise BadProfile(f"profile {place}: it has no {join_limited(absent)}; a note needs {join_limited(known)}")
    return PolicyNote(*(text(given[name], f"{place}, {name}") for name in known))


def text(value: Any, place: str) -> str:  # noqa: ANN401 - any TOML value
    """Return a text that is not empty; raises BadProfile."""
    given: str = _of_kind(str, value, place)
    if not given.strip():
        raise BadProfile(f"profile {place}: it is empty")
    return given


def _of_kind(kind: type[Any], value: Any, place: str) -> Any:  # noqa: ANN401 - any TOML value
    """Return a value that is of that kind; raises BadProfile."""
    try:
        json_codec.of_kind(kind, value)
    except BadRecord as error:
        raise BadProfile(f"profile {place}: {error}") from error
    if isinstance(value, int) and not 0 <= value <= _MOST:
        raise BadProfile(f"profile {place}: {value!r} is {'negative' if value < 0 else f'more than {_MOST}'}")
    return value


def _require_known(given: Iterable[str], known: Iterable[str], place: str) -> None:
    """Raise BadProfile for the first key that is not known, with the nearest that is."""
    for key in given:
        if key not in known:
            raise BadProfile(f"profile {place}: unknown key {key!r}{nearest(key, known)}")


_MISSPELT: Final = 0.75
"""How near the name of a group is to the one that it misspells: `crt` to `cert`; `corp` is not as near."""


def require_checks(profile: Profile, built_in: Collection[str], own: Collection[str] | None = None) -> None:
    """Raise BadProfile for the first id without a check; an id in a group of the built-in checks must be built in.

    `own` are the ids of the user's own checks, if they are known: then no other id may be in a group whose name is
    nearly that of a built-in group.
    """
    groups = {check.partition(".")[0] for check in built_in}
    known = {*built_in, *(own or ())}
    tables = {"severities": profile.severities, "disabled": profile.disabled, "notes": profile.notes}
    for table, check in ((table, check) for table, given in tables.items() for check in given):
        group, _, name = check.partition(".")
        is_misspelt = own is not None and bool(nearest(group, groups, _MISSPELT))
        if check not in known and (group in groups or not name or is_misspelt):
            place = f"profile {profile.name}, [{table}]"
            raise BadProfile(f"{place}: no check is called {check!r}{nearest(check, known)}")


def _word(key: str, item: Any, place: str) -> str:  # noqa: ANN401 - any TOML value
    return _one_of(item, WORDS[key], place) if key in WORDS else text(item, place)


def _one_of(value: Any, known: tuple[str, ...], place: str) -> str:  # noqa: ANN401 - any TOML value
    word: str = _of_kind(str, value, place)
    if word not in known:
        raise BadProfile(f"profile {place}: {word!r} is not one of {', '.join(known)}{nearest(word, known)}")
    return word


def _dated(item: Any, place: str) -> DatedLimit:  # noqa: ANN401 - any TOML value
    _require_known(_of_kind(dict, item, place), ("issued_from", "days"), place)
    if item.keys() != {"issued_from", "days"}:
        raise BadProfile(f"profile {place}: write {{ issued_from = 2026-03-15, days = 200 }}")
    start = datetime.combine(_of_kind(date, item["issued_from"], place), time(), UTC)
    return DatedLimit(start, _of_kind(int, item["days"], place))


def _fraction(value: Any, place: str) -> Fraction:  # noqa: ANN401 - any TOML value
    try:
        fraction = Fraction(str(value))
    except (ValueError, ZeroDivisionError) as error:
        raise BadProfile(f'profile {place}: {as_written(value)} is not a fraction such as "1/3" or 0.15') from error
    if not 0 <= fraction <= 1:
        raise BadProfile(f"profile {place}: {value!r} is not between 0 and 1")
    return fraction


def builtin_profiles() -> tuple[str, ...]:
    """Return the names of the profiles that come with this package."""
    files = resources.files("audit").joinpath("policy", "profiles").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def load_profile(name_or_path: str) -> Profile:
    """Return a profile by its name, or by the path of a TOML file; raises BadProfile.

    The ids of checks in it are not verified: `require_checks` does that.
    """
    return _load(name_or_path, Path(), ())


@cache
def _load(name: str, folder: Path, extended_by: tuple[str, ...]) -> Profile:
    place, content = _read(name, folder)
    if place in extended_by:
        raise BadProfile(f"profile {place}: it extends itself by way of {' and '.join(extended_by)}")
    try:
        table = table_of(content)
    except BadRecord as error:
        raise BadProfile(f"profile {place}: {error}") from error
    _require_known(table, PROFILE_KEYS, place)
    base = Profile("", "", Thresholds())
    if "extends" in table:
        base = _load(text(table["extends"], f"{place}, extends"), Path(place).parent, (*extended_by, place))
    profile = _extended(base, Path(place).stem, table, place)
    _require_enough(profile, place)
    return profile


def _read(name: str, folder: Path) -> tuple[str, bytes]:
    if name in builtin_profiles():
        return name, resources.files("audit").joinpath("policy", "profiles", f"{name}.toml").read_bytes()
    if not name.endswith(".toml"):
        known = builtin_profiles()
        raise BadProfile(f"no profile {name!r}{nearest(name, known)}; known are {', '.join(known)}, or a TOML file")
    file = folder / name
    try:
        return str(file), file.read_bytes()
    except OSError as error:
        raise BadProfile(f"profile {file}: {error.strerror or error}") from error


def _extended(base: Profile, name: str, table: Mapping[str, Any], place: str) -> Profile:
    source = text(table["source"], f"{place}, source") if "source" in table else None
    given = _table(table, "thresholds", place)
    _require_known(given, THRESHOLDS, f"{place}, [thresholds]")
    thresholds = _sourced(given, source, f"{place}, [thresholds]")
    values = {key: typed(key, value, f"{place}, [thresholds] {key}") for key, (value, _) in thresholds.items()}
    judged, disabled = _table(table, "severities", place), _table(table, "disabled", place)
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
        {**base.notes, **_notes(table, place)},
    )


def _notes(table: Mapping[str, Any], place: str) -> dict[str, PolicyNote]:
    given = _table(table, "notes", place)
    return {check: policy_note(value, f"{place}, [notes] {check}") for check, value in given.items()}


def _sourced(given: Mapping[str, Any], source: str | None, place: str) -> dict[str, tuple[Any, str]]:
    return {key: sourced(value, source, f"{place} {key}") for key, value in given.items()}


def _require_enough(profile: Profile, place: str) -> None:
    """Refuse a profile without a threshold whose default would allow nothing."""
    absent = [key for key in NEEDED if key not in profile.sources]
    if absent:
        raise BadProfile(f'profile {place}: write {", ".join(absent)} in [thresholds], or extends = "webpki"')


def _table(table: Mapping[str, Any], key: str, place: str) -> Mapping[str, Any]:
    section: Mapping[str, Any] = _of_kind(dict, table.get(key, {}), f"{place}, [{key}]")
    return section
