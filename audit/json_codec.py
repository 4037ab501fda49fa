"""Frozen dataclasses to JSON values and back, guided by their annotations.

It knows dataclasses, tuples, mappings, enums, bytes (base64), aware times (RFC 3339, UTC) and what JSON has itself; it
refuses every other type, and every value that is not of the type its field says.
"""

from __future__ import annotations

import base64
import functools
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")


class BadRecord(ValueError):
    """A JSON value that is not what the annotation says; its message names the type and the value."""


def format_time(moment: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC with `Z`, to the second, or to the microsecond where it has any."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def parse_time(text: str) -> datetime:
    """Return an RFC 3339 time as an aware time in UTC; raises BadRecord."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRecord(f"{text!r} is not an RFC 3339 time such as 2026-11-23T10:00:00Z") from error
    if moment.tzinfo is None:
        raise BadRecord(f"{text!r} has no time zone: write for example {text}Z")
    return moment.astimezone(UTC)


def to_json(value: Any) -> Any:  # noqa: ANN401 - a codec takes values of every type
    """Return the JSON value of a record."""
    if is_dataclass(value):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    return value


def from_json(kind: type[T], value: Any) -> T:  # noqa: ANN401 - as above
    """Return the record of that type; raises BadRecord where the value does not fit the annotations."""
    return typing.cast("T", _decoder(kind)(value))  # type: ignore[arg-type]  # every class can be hashed


Decode = Callable[[Any], Any]


@functools.cache
def _decoder(kind: Any) -> Decode:  # noqa: ANN401 - as above
    """Return what decodes values of a type: its annotations are looked into once."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments)
    if origin is tuple:
        return _tuple(_decoder(arguments[0]))
    if origin is typing.Literal:
        return _literal(arguments)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(_decoder(arguments[1]))
    if is_dataclass(kind):
        return _record(typing.cast("type", kind))
    return _scalar(kind)


def _union(options: tuple[Any, ...]) -> Decode:
    is_optional = type(None) in options
    of_first = _decoder(next(option for option in options if option is not type(None)))

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


def _literal(options: tuple[Any, ...]) -> Decode:
    def decode(value: Any) -> Any:  # noqa: ANN401 - as above
        if value not in options:
            raise BadRecord(f"{value!r} is not one of {', '.join(map(repr, options))}")
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
                try:
                    known[name] = of_field(given[name])
                except ValueError as error:
                    raise BadRecord(f"{name}: {error}") from error
        return kind(**known)

    return decode


def _scalar(kind: Any) -> Decode:  # noqa: ANN401 - as above
    if kind is Any:
        return lambda value: value
    if kind is datetime:
        return lambda value: parse_time(_of(str, value))
    if kind is bytes:
        return lambda value: base64.b64decode(_of(str, value), validate=True)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    if kind is float:
        return lambda value: float(value) if type(value) is int else _of(float, value)
    return functools.partial(_of, kind)


def _of(kind: type[T], value: Any) -> T:  # noqa: ANN401 - as above
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadRecord(f"{value!r} is not a {kind.__name__}")
    return value
