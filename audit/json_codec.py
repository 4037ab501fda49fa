"""Frozen dataclasses to JSON values and back, guided by their annotations, and the tables of a TOML file to them.

Dataclasses, tuples, mappings, enums, bytes (base64), aware times (RFC 3339, UTC) and JSON's own types are decoded.
Every other type, and every value that is not of the type of its field, is refused. `from_json` ignores keys that a
record does not have, because a later version may have written them; `from_table`, for what a user writes, refuses them.
"""

from __future__ import annotations

import base64
import difflib
import functools
import json
import re
import tomllib
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar

T = TypeVar("T")


class BadRecord(ValueError):
    """A JSON value of another type than the annotation; the message names the type and the value."""


_ENCODE: typing.Final = json.JSONEncoder(separators=(",", ":")).encode


def compact(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a JSON value as one short line. `json.dumps` makes an encoder for each call."""
    return _ENCODE(value)


@lru_cache(maxsize=1024)  # all results of an endpoint have the same times
def format_time(moment: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC with `Z`, to the second, or to the microsecond where it has any."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


@lru_cache(maxsize=1024)  # as above
def parse_time(text: str) -> datetime:
    """Return an RFC 3339 time as an aware time in UTC; raises BadRecord."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRecord(f"{text!r} is not an RFC 3339 time such as 2026-11-23T10:00:00Z") from error
    if moment.tzinfo is None:
        raise BadRecord(f"{text!r} has no time zone: write for example {text}Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise BadRecord(f"{text!r} is not between the years 1 and 9999 in UTC") from error


def to_json(value: Any) -> Any:  # noqa: ANN401 - a codec takes values of every type
    """Return the JSON value of a record."""
    return _encoder(type(value))(value)  # type: ignore[arg-type]  # every class can be hashed


@functools.cache
def _encoder(kind: type) -> Callable[[Any], Any]:
    """Return what encodes values of a type: it is looked into once."""
    if is_dataclass(kind):
        names = [field.name for field in fields(kind)]
        return lambda value: {name: to_json(getattr(value, name)) for name in names}
    if issubclass(kind, Enum):
        return lambda value: value.value
    if issubclass(kind, bytes):
        return lambda value: base64.b64encode(value).decode("ascii")
    if issubclass(kind, datetime):
        return format_time
    if issubclass(kind, tuple | list):
        return lambda value: [to_json(item) for item in value]
    if issubclass(kind, Mapping):
        return lambda value: {str(key): to_json(item) for key, item in value.items()}
    return lambda value: value


def from_json(kind: type[T], value: Any) -> T:  # noqa: ANN401 - as above
    """Return the record of that type; raises BadRecord where the value does not fit the annotations."""
    return typing.cast("T", _decoder(kind)(value))  # type: ignore[arg-type]  # every class can be hashed


def table_of(content: bytes) -> dict[str, Any]:
    """Return the table of a TOML file; raises BadRecord with the line, what is wrong, and what would be right."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadRecord(f"line {line}: it is not in UTF-8; save the file in UTF-8") from error
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise BadRecord("its tables and lists are nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        raise BadRecord(_located(str(error), text)) from error


_AT: typing.Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def _located(error: str, text: str) -> str:
    """Return the error of tomllib with the line first, and how a line of TOML looks."""
    where = _AT.search(error)
    line = where[1] if where and where[1] else len(text.splitlines())
    what = _AT.sub("", error)
    return (
        f'line {line}: {what[:1].lower()}{what[1:]}; in TOML a line is [a.table] or key = value, with text in "quotes"'
    )


def from_table(kind: type[T], table: Any) -> T:  # noqa: ANN401 - as above
    """Return the record that a table of a TOML file holds; raises BadRecord, also for a key that it does not have.

    A key is the name of a field without a trailing underscore. A field whose metadata has `was` had that key before,
    and a table with the old key is refused with the new one. A type with a class method `from_value` decodes itself.
    """
    return typing.cast("T", _decoder(kind, is_strict=True)(table))  # type: ignore[arg-type]  # as above


_KINDS: typing.Final[Mapping[type, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
    date: "a date",
}
"""The names of the types of TOML in messages."""


def of_kind(kind: type[T], value: Any) -> T:  # noqa: ANN401 - as above
    """Return a value of a TOML file if it is of that type; raises BadRecord in the words of TOML."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadRecord(f"{as_written(value)} is not {_KINDS.get(kind, f'a {kind.__name__}')}")
    return value


def as_written(value: Any) -> str:  # noqa: ANN401 - as above
    """Return a value about as it is written in the file, cut to 60 characters."""
    shown = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"


def nearest(key: str, known: Iterable[str], least: float = 0.6) -> str:
    """Return a question that names the nearest of the known keys, nothing if none is near.

    `least` is the ratio of `difflib` from which on a key is near.
    """
    near = difflib.get_close_matches(key, list(known), 1, least)
    return f"; did you mean {near[0]!r}?" if near else ""


def require_known(given: Iterable[str], known: Collection[str]) -> None:
    """Raise BadRecord for the first key that is not known, with the nearest one that is."""
    for key in given:
        if key not in known:
            hint = nearest(key, known) or f"; known are {', '.join(sorted(known))}"
            raise BadRecord(f"unknown key {key!r}{hint}")


Decode = Callable[[Any], Any]


@functools.cache
def _decoder(kind: Any, *, is_strict: bool = False) -> Decode:  # noqa: ANN401 - as above
    """Return what decodes values of a type: its annotations are looked into once."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    inner = functools.partial(_decoder, is_strict=is_strict)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments, inner)
    if origin is tuple:
        return (_numbered if is_strict else _tuple)(inner(arguments[0]))
    if origin is typing.Literal:
        return _literal(arguments)
    if origin is not None and issubclass(origin, Mapping):
        return (_named if is_strict else _mapping)(inner(arguments[1]))
    if is_strict and hasattr(kind, "from_value"):
        return typing.cast("Decode", kind.from_value)
    if is_dataclass(kind):
        return (_table if is_strict else _record)(typing.cast("type", kind))
    return _scalar(kind, of_kind if is_strict else _of)


def _union(options: tuple[Any, ...], inner: Callable[[Any], Decode]) -> Decode:
    is_optional = type(None) in options
    of_first = inner(next(option for option in options if option is not type(None)))

    def decode(value: Any) -> Any:  # noqa: ANN401 - as above
        if value is not None:
            return of_first(value)
        if is_optional:
            return None
        raise BadRecord(f"null where {options} was expected")

    return decode


def _tuple(of_item: Decode) -> Decode:
    return lambda value: tuple([of_item(item) for item in _of(list, value)])


def _mapping(of_item: Decode) -> Decode:
    return lambda value: {key: of_item(item) for key, item in _of(dict, value).items()}


def _numbered(of_item: Decode) -> Decode:
    return lambda value: tuple(
        [_placed(f"number {number}", of_item, item) for number, item in enumerate(of_kind(list, value), 1)]
    )


def _named(of_item: Decode) -> Decode:
    return lambda value: {key: _placed(repr(key), of_item, item) for key, item in of_kind(dict, value).items()}


def _placed(place: str, decode: Decode, value: Any) -> Any:  # noqa: ANN401 - as above
    """Return the decoded value; raises BadRecord whose message begins with the place."""
    try:
        return decode(value)
    except ValueError as error:
        raise BadRecord(f"{place}: {error}") from error


def _literal(options: tuple[Any, ...]) -> Decode:
    def decode(value: Any) -> Any:  # noqa: ANN401 - as above
        if value not in options:
            hint = nearest(value, options) if isinstance(value, str) else ""
            raise BadRecord(f"{value!r} is not one of {', '.join(map(repr, options))}{hint}")
        return value

    return decode


def _record(kind: type) -> Decode:
    hints = typing.get_type_hints(kind)
    decoders = {field.name: _decoder(hints[field.name]) for field in fields(kind)}
    required = [field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING]

    def decode(value: Any) -> Any:  # noqa: ANN401 - as above
        given = _of(dict, value)
        for name in required:
            if name not in given:
                raise BadRecord(f"a {kind.__name__} has no {name!r}")
        known = {}
        for name, of_field in decoders.items():
            if name in given:
                known[name] = _placed(name, of_field, given[name])
        return kind(**known)

    return decode


def _table(kind: type) -> Decode:
    """Return what decodes a record of which every key is checked first."""
    hints = typing.get_type_hints(kind)
    decoders = {_key(field): (field.name, _decoder(hints[field.name], is_strict=True)) for field in fields(kind)}
    renamed = {field.metadata["was"]: _key(field) for field in fields(kind) if "was" in field.metadata}
    required = [_key(item) for item in fields(kind) if item.default is MISSING and item.default_factory is MISSING]

    def decode(value: Any) -> Any:  # noqa: ANN401 - as above
        given = of_kind(dict, value)
        for key in given:
            if key in renamed:
                raise BadRecord(f"the key {key!r} is now called {renamed[key]!r}")
        require_known(given, decoders)
        missing = [key for key in required if key not in given]
        if missing:
            raise BadRecord(f"the key {missing[0]!r} is missing")
        return kind(**{decoders[key][0]: _placed(key, decoders[key][1], item) for key, item in given.items()})

    return decode


def _key(field: Field[Any]) -> str:
    return field.name.rstrip("_")


def _scalar(kind: Any, of: Callable[[Any, Any], Any]) -> Decode:  # noqa: ANN401 - as above
    if kind is Any:
        return lambda value: value
    if kind is datetime:
        return lambda value: parse_time(_of(str, value))
    if kind is bytes:
        return lambda value: base64.b64decode(_of(str, value), validate=True)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    if kind is float:
        return lambda value: float(value) if type(value) is int else of(float, value)
    return functools.partial(of, kind)


def _of(kind: type[T], value: Any) -> T:  # noqa: ANN401 - as above
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadRecord(f"{value!r} is not a {kind.__name__}")
    return value
