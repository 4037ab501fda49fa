"""What stands in a policy profile, as values: each of the type of its threshold, each with its source.

It knows no file: the place in one is the caller's, and stands in what is raised.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import UTC, date, datetime, time
from fractions import Fraction
from typing import Any, Final

from audit.checks import Severity
from audit.controls import CONTROLS_OF
from audit.thresholds import WORDS, DatedLimit, Remark, Thresholds
from audit.words import listing

THRESHOLDS: Final = tuple(threshold.name for threshold in fields(Thresholds))
_DATED: Final = ("validity_max", "revocation_exempt")
_LEAST: Final = {"rsa_bits_multiple": 1}
_MOST: Final = 999_999_999  # days that a timedelta holds
_KINDS: Final[Mapping[type, str]] = {
    bool: "true or false",
    int: "a whole number",
    str: "a text",
    list: "a list",
    dict: "a table",
    date: "a date",
}


class BadProfile(ValueError):
    """A profile that cannot be used; its message names file, key and, where one is near, the known key."""


def typed(key: str, value: Any, place: str) -> Any:  # noqa: ANN401 - any TOML value
    """Return a value in the type of that threshold; raises BadProfile."""
    default = getattr(Thresholds(), key)
    if key in _DATED:
        limits = [_dated(item, place) for item in of_kind(list, value, place)]
        return tuple(sorted(limits, key=lambda limit: limit.issued_from))
    if isinstance(default, tuple):
        return tuple(_word(key, item, place) for item in of_kind(list, value, place))
    if isinstance(default, Fraction):
        return _fraction(value, place)
    given = of_kind(type(default), value, place)
    if given < _LEAST.get(key, 0):
        raise BadProfile(f"profile {place}: {value!r} is less than {_LEAST[key]}")
    return given


def sourced(value: Any, default: str | None, place: str) -> tuple[Any, str]:  # noqa: ANN401 - any TOML value
    """Split `{ value = …, source = … }`, or take a plain value with the source of the whole file; raises BadProfile."""
    plain, source = value, default
    if isinstance(value, dict):
        require_known(value, ("value", "source"), place)
        if "value" not in value:
            raise BadProfile(f'profile {place}: it has no value; write {{ value = …, source = "…" }}')
        plain, source = value["value"], value.get("source", default)
    if source is None:
        raise BadProfile(
            f'profile {place}: it has no source; write {{ value = {_written(plain)}, source = "…" }}, or a '
            "`source` for the whole file"
        )
    return plain, text(source, f"{place}, source")


def severity(value: Any, place: str) -> Severity:  # noqa: ANN401 - any TOML value
    """Return the severity of that name; raises BadProfile."""
    return Severity(_one_of(value, tuple(level.value for level in Severity), place))


def remark(value: Any, place: str) -> Remark:  # noqa: ANN401 - any TOML value
    """Return what is told beside a result; raises BadProfile."""
    known = tuple(one.name for one in fields(Remark))
    given = of_kind(dict, value, place)
    require_known(given, known, place)
    unsaid = [name for name in known if name not in given]
    if unsaid:
        raise BadProfile(f"profile {place}: it has no {listing(unsaid)}; a remark is a sentence each, and a source")
    return Remark(*(text(given[name], f"{place}, {name}") for name in known))


def text(value: Any, place: str) -> str:  # noqa: ANN401 - any TOML value
    """Return a text that is not empty; raises BadProfile."""
    given: str = of_kind(str, value, place)
    if not given.strip():
        raise BadProfile(f"profile {place}: it is empty")
    return given


def of_kind(kind: type[Any], value: Any, place: str) -> Any:  # noqa: ANN401 - any TOML value
    """Return a value that is of that kind; raises BadProfile."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadProfile(f"profile {place}: {_written(value)} is not {_KINDS[kind]}")
    if isinstance(value, int) and not 0 <= value <= _MOST:
        raise BadProfile(f"profile {place}: {value!r} is {'negative' if value < 0 else f'more than {_MOST}'}")
    return value


def require_known(given: Iterable[str], known: Iterable[str], place: str) -> None:
    """Raise BadProfile for the first key that is not known, with the nearest that is."""
    for key in given:
        if key not in known:
            raise BadProfile(f"profile {place}: unknown key {key!r}{nearest(key, known)}")


def require_checks(given: Iterable[str], place: str) -> None:
    """Raise BadProfile for the first id that no check has: of a group of the built-in ones it must be one of them."""
    groups = {check.partition(".")[0] for check in CONTROLS_OF}
    for check in given:
        group, _, name = check.partition(".")
        if check not in CONTROLS_OF and (group in groups or not name):
            raise BadProfile(f"profile {place}: no check is called {check!r}{nearest(check, CONTROLS_OF)}")


def nearest(key: str, known: Iterable[str]) -> str:
    """Return a question that names the nearest of what is known; nothing where none is near."""
    near = difflib.get_close_matches(key, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _word(key: str, item: Any, place: str) -> str:  # noqa: ANN401 - any TOML value
    return _one_of(item, WORDS[key], place) if key in WORDS else text(item, place)


def _one_of(value: Any, known: tuple[str, ...], place: str) -> str:  # noqa: ANN401 - any TOML value
    word: str = of_kind(str, value, place)
    if word not in known:
        raise BadProfile(f"profile {place}: {word!r} is not one of {', '.join(known)}{nearest(word, known)}")
    return word


def _dated(item: Any, place: str) -> DatedLimit:  # noqa: ANN401 - any TOML value
    require_known(of_kind(dict, item, place), ("issued_from", "days"), place)
    if item.keys() != {"issued_from", "days"}:
        raise BadProfile(f"profile {place}: write {{ issued_from = 2026-03-15, days = 200 }}")
    start = datetime.combine(of_kind(date, item["issued_from"], place), time(), UTC)
    return DatedLimit(start, of_kind(int, item["days"], place))


def _fraction(value: Any, place: str) -> Fraction:  # noqa: ANN401 - any TOML value
    try:
        fraction = Fraction(str(value))
    except (ValueError, ZeroDivisionError) as error:
        raise BadProfile(f'profile {place}: {_written(value)} is not a fraction such as "1/3" or 0.15') from error
    if not 0 <= fraction <= 1:
        raise BadProfile(f"profile {place}: {value!r} is not between 0 and 1")
    return fraction


def _written(value: Any) -> str:  # noqa: ANN401 - any TOML value
    """Return a value about as it stands in the file, and not at any length."""
    shown = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"
