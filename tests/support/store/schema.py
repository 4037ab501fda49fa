"""Validates JSON by the schemas of docs/store-api.json: the keywords that they use, and no others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from tests.support.checkout import CHECKOUT

Schema = Mapping[str, Any]
DOCUMENT: Final[Schema] = json.loads((CHECKOUT / "docs" / "store-api.json").read_text(encoding="utf-8"))

_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "null": lambda value: value is None,
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
_KEYWORDS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "type": lambda value, names: any(_TYPES[name](value) for name in ([names] if isinstance(names, str) else names)),
    "enum": lambda value, allowed: value in allowed,
    "pattern": lambda value, pattern: not isinstance(value, str) or re.search(pattern, value) is not None,
    "minimum": lambda value, least: value is None or value >= least,
    "maximum": lambda value, most: value is None or value <= most,
    "minItems": lambda value, least: len(value) >= least,
    "uniqueItems": lambda value, is_unique: not is_unique or len(set(value)) == len(value),
    "required": lambda value, names: set(names) <= set(value),
    "format": lambda value, name: name == "date-time" and re.search(r"T.*(Z|[+-]\d\d:\d\d)$", value) is not None,
}


def violations(value: Any, schema: Schema, place: str = "") -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """Yield each place of a value that the schema does not allow, with the keyword."""
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for keyword in schema.keys() - {"properties", "items", "additionalProperties", "description"}:
        if not _KEYWORDS[keyword](value, schema[keyword]):
            yield f"{place}: {keyword}: {value!r:.80}"
    properties: Schema = schema.get("properties", {})
    if isinstance(value, dict):
        if schema.get("additionalProperties") is False and (unknown := value.keys() - properties.keys()):
            yield f"{place}: additionalProperties: {sorted(unknown)}"
        for name in value.keys() & properties.keys():
            yield from violations(value[name], properties[name], f"{place}/{name}")
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from violations(item, schema["items"], f"{place}/{number}")


def operation(method: str, path: str) -> Schema:
    """Return the operation of a request below the base URL."""
    template = "/v1/orders/{id}" if path.startswith("/v1/orders/") else "/v1/orders"
    found: Schema = DOCUMENT["paths"][template][method.lower()]
    return found


def schema_of(content: Schema) -> Schema:
    """Return the schema of the JSON of a request or a response."""
    found: Schema = content["content"]["application/json"]["schema"]
    return found
