"""Frozen dataclasses to JSON values and back, guided by their annotations.

It knows dataclasses, tuples, mappings, enums, bytes (base64), aware times (RFC 3339, UTC) and what JSON has itself; it
refuses every other type, and every value that is not of the type its field says.
"""

from __future__ import annotations

import base64
import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
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
    return typing.cast("T", _decode(kind, value))


@functools.cache
def _hints(kind: type) -> tuple[tuple[Field[Any], Any], ...]:
    hints = typing.get_type_hints(kind)
    return tuple((field, hints[field.name]) for field in fields(kind))


def _decode(kind: Any, value: Any) -> Any:  # noqa: ANN401 - as above
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(typing.get_args(kind), value)
    if origin is tuple:
        return tuple(_decode(typing.get_args(kind)[0], item) for item in _of(list, value))
    if origin is typing.Literal:
        return _literal(typing.get_args(kind), value)
    if origin is not None and issubclass(origin, Mapping):
        return {key: _decode(typing.get_args(kind)[1], item) for key, item in _of(dict, value).items()}
    if is_dataclass(kind):
        return _decode_dataclass(typing.cast("type", kind), _of(dict, value))
    return _decode_scalar(kind, value)


def _decode_union(options: tuple[Any, ...], value: Any) -> Any:  # noqa: ANN401 - as above
    if value is None:
        if type(None) in options:
            return None
        raise BadRecord(f"null where {options} was expected")
    return _decode(next(option for option in options if option is not type(None)), value)


def _literal(options: tuple[Any, ...], value: Any) -> Any:  # noqa: ANN401 - as above
    if value not in options:
        raise BadRecord(f"{value!r} is not one of {', '.join(map(repr, options))}")
    return value


def _decode_dataclass(kind: type, value: dict[str, Any]) -> Any:  # noqa: ANN401 - as above
    known = {}
    for field, hint in _hints(kind):
        if field.name in value:
            known[field.name] = _decode_field(field.name, hint, value[field.name])
        elif field.default is MISSING and field.default_factory is MISSING:
            raise BadRecord(f"a {kind.__name__} has no {field.name!r}")
    return kind(**known)


def _decode_field(name: str, hint: Any, value: Any) -> Any:  # noqa: ANN401 - as above
    try:
        return _decode(hint, value)
    except ValueError as error:
        raise BadRecord(f"{name}: {error}") from error


def _decode_scalar(kind: Any, value: Any) -> Any:  # noqa: ANN401 - as above
    if kind is Any:
        return value
    if kind is datetime:
        return parse_time(_of(str, value))
    if kind is bytes:
        return base64.b64decode(_of(str, value), validate=True)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return _of(kind, value)


def _of(kind: type[T], value: Any) -> T:  # noqa: ANN401 - as above
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadRecord(f"{value!r} is not a {kind.__name__}")
    return value
