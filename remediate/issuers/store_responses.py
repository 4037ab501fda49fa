"""Reads what a Store returns: orders and faults. Every byte of it is hostile input."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar, cast

from audit.json_codec import BadRecord, parse_time
from audit.probe.http.request import MAX_RETRY_AFTER_S
from audit.text import one_line
from remediate.issuers.base import FaultKind, IssuerFault, Order, OrderStatus
from remediate.issuers.http import JsonResponse
from remediate.pki.issued_chain import IssuedPem

T = TypeVar("T")

ORDER_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")  # it becomes a segment of a path
_MAX_TEXT: Final = 500  # characters of a text of the issuer that are passed on
_FAULTS: Final[Mapping[int, FaultKind]] = {
    400: "refused",
    401: "authentication",
    403: "authentication",
    404: "unknown",
    409: "conflict",
    422: "refused",
    429: "busy",
    503: "busy",
}
_MOST_DAYS: Final = 36_500
_SPOKEN_BY_OTHERS: Final = (401, 403, 429, 503)  # a gateway in front returns these as well, in HTML
_STATUSES: Final[Mapping[str, OrderStatus]] = {
    "pending-validation": "pending",
    "pending-review": "processing",
    "issued": "valid",
    "rejected": "invalid",
    "canceled": "canceled",
    "revoked": "revoked",
}
"""The Store's words, and the status of each."""


def read_fault(response: JsonResponse) -> IssuerFault:
    """Return what a response other than one of success means."""
    error = _error(response)
    if response.status in _FAULTS and (error is not None or response.status in _SPOKEN_BY_OTHERS):
        kind, detail = _FAULTS[response.status], f"HTTP {response.status}"
    elif 300 <= response.status < 400:
        kind, detail = (
            "broken",
            f"a redirect to {one_bounded_line(response.headers.get('location', 'nowhere'))}, not followed",
        )
    elif response.status >= 500:
        kind, detail = "unreachable", f"HTTP {response.status}: the Store or a proxy in front of it failed"
    else:
        kind, detail = "broken", f"HTTP {response.status} without an error of the Store: check base_url"
    words = one_bounded_line(f": {error.get('message') or error.get('type') or 'no reason given'}") if error else ""
    return IssuerFault(
        kind,
        detail + words,
        fields=_refused_fields(error or {}),
        retry_after_s=response.retry_after_s() if kind == "busy" else None,
        responded_at=response.date,
    )


def _error(response: JsonResponse) -> Mapping[str, Any] | None:
    try:
        return _member(_json(response), "error", dict)
    except BadRecord:
        return None


def _refused_fields(error: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the refused fields, one clause each; the Store names fields alone or each with the reason."""
    fields = error.get("fields")
    if isinstance(fields, dict):
        return tuple(one_bounded_line(f"{name}: {why}") for name, why in list(fields.items())[:20])
    return tuple(one_bounded_line(str(name)) for name in fields[:20]) if isinstance(fields, list) else ()


def read_orders(response: JsonResponse) -> tuple[Order, ...]:
    """Return the orders in a response; raises BadRecord."""
    items = _member(_json(response), "orders", list)
    return tuple(_to_order(item, response) for item in items)


def read_order(response: JsonResponse) -> Order:
    """Return the order in a response; raises BadRecord."""
    return _to_order(_json(response), response)


def _json(response: JsonResponse) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON of a response; raises BadRecord."""
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        kind = one_bounded_line(response.headers.get("content-type", "unknown type"))
        raise BadRecord(f"not JSON ({kind}), it begins {one_bounded_line(response.text(60))!r}") from error


def _to_order(value: Any, response: JsonResponse) -> Order:  # noqa: ANN401 - any JSON value
    """Return an order; raises BadRecord unless every field is as in the contract."""
    word = _word(_member(value, "status", str))
    certificate, bundle = _optional(value, "certificate", str), _optional(value, "ca_bundle", str)
    order = Order(
        id=_identifier(_member(value, "id", str)),
        status=_STATUSES[word],
        message=one_bounded_line(_optional(value, "status_message", str) or ""),
        created=_created(_member(value, "created", str)),
        retry_after_s=_seconds(_optional(value, "retry_after_s", (int, float))),
        issued=(IssuedPem(certificate, bundle),) if certificate is not None else (),
        own_word=word,
        lifetime=_days(value.get("lifetime_days")),
        responded_at=response.date,
    )
    if order.status == "valid" and not order.issued:
        raise BadRecord(f"the order {order.id} is issued and has no certificate")
    return order


def _member(value: Any, name: str, kind: type[T]) -> T:  # noqa: ANN401 - any JSON value
    """Return a member that must exist and have that type."""
    if not isinstance(value, dict):
        raise BadRecord(f"a JSON {type(value).__name__} where an object was expected")
    if not isinstance(value.get(name), kind):
        raise BadRecord(f"{name!r} is {value.get(name)!r:.60}, not a {kind.__name__}")
    return cast("T", value[name])


def _optional(value: Any, name: str, kind: type[T] | tuple[type[T], ...]) -> T | None:  # noqa: ANN401 - any JSON value
    """Return a member that must exist and may be null."""
    if name not in value:
        raise BadRecord(f"no {name!r}")
    member = value[name]
    if member is not None and (not isinstance(member, kind) or isinstance(member, bool)):
        raise BadRecord(f"{name!r} is {member!r:.60}")
    return member


def _identifier(text: str) -> str:
    if not ORDER_ID.fullmatch(text):
        raise BadRecord(f"the id {text!r:.60} is not 1 to 128 of A-Z a-z 0-9 . _ -")
    return text


def _word(text: str) -> str:
    if text not in _STATUSES:
        raise BadRecord(f"the status {text!r:.60} is not one of {', '.join(_STATUSES)}")
    return text


def _created(text: str) -> datetime:
    try:
        return parse_time(text)
    except BadRecord as error:
        raise BadRecord(f"created: {error}") from error


def _seconds(number: float | None) -> int | None:
    if number is None:
        return None
    if number < 0:
        raise BadRecord(f"retry_after_s is {number}")
    return math.ceil(min(number, MAX_RETRY_AFTER_S))


def _days(value: Any) -> timedelta | None:  # noqa: ANN401 - any JSON value
    """Return the days that the certificate will be valid for; a Store need not name them."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST_DAYS:
        raise BadRecord(f"lifetime_days is {value!r:.60}, not a whole number from 1 to {_MOST_DAYS}")
    return timedelta(days=value)


def one_bounded_line(text: str) -> str:
    """Return words of the issuer as one line of bounded length."""
    return one_line(text, _MAX_TEXT)
