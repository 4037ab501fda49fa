"""The issuer `store`: orders over a small JSON interface that any broker in front of a CA can offer."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar, cast

from audit.config import ConfigSection, Secret
from audit.json_codec import BadRecord, parse_time
from audit.probe.http_request import MAX_RETRY_AFTER_S
from audit.text import one_line
from remediate.issuers.base import (
    FaultKind,
    IssuerConfig,
    IssuerEndpoint,
    IssuerFault,
    IssuerRun,
    Order,
    OrderRef,
    OrderRequest,
    OrderStatus,
    Request,
)
from remediate.issuers.http import JsonRequest, JsonResponse, require_safe, send
from remediate.model.authorization import Challenge
from remediate.pki.csr import HTTP_CSR_HASH, Csr, csr_hash_challenge, unique_value
from remediate.pki.issued_chain import IssuedPem

T = TypeVar("T")

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")  # it becomes a segment of a path
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
_PREFERENCE: Final = ("valid", "pending", "processing")  # of several orders for one CSR


class Store:
    """A Store at a base URL. Nothing is kept between calls."""

    def __init__(self, endpoint: IssuerEndpoint) -> None:
        """Take how it is reached; raises BadIssuer if the token would be sent in the clear."""
        require_safe(endpoint)
        self._endpoint = endpoint

    def __repr__(self) -> str:
        """Return the base URL; never the token."""
        return f"<Store {self._endpoint.base_url}>"

    def challenges_for(self, csr: Csr, names: tuple[str, ...]) -> tuple[Challenge, ...]:
        """Return the file that proves control over each name; it is the same file for all names of a CSR."""
        return tuple(csr_hash_challenge(csr, name) for name in names)

    def find(self, csr: Csr) -> Order | IssuerFault | None:
        """Return the order that was placed with this CSR, None if there is none."""
        orders = self._send(_finding(csr), _orders)
        return _preferred(orders) if isinstance(orders, tuple) else orders

    def place(self, request: OrderRequest) -> Order | IssuerFault:
        """Place an order, or return one with the same idempotency key or a certificate that is still valid."""
        return self._send(_placing(request), _order)

    def fetch(self, ref: OrderRef) -> Order | IssuerFault:
        """Return the order as it is now."""
        order = self._send(JsonRequest("GET", _path(ref.id)), _order)
        if isinstance(order, Order) and order.id != ref.id:
            return IssuerFault("broken", f"requested the order {ref.id}, the response is about {order.id}")
        return order

    def accept(self, challenge: Challenge) -> None:
        """Do nothing: the Store looks for the file by itself."""

    def finalize(self, order: Order, csr: Csr) -> Order:
        """Return the order: it was placed with its CSR."""
        del csr
        return order

    def download(self, order: Order) -> tuple[IssuedPem, ...]:
        """Return what came with the order."""
        return order.issued

    def cancel(self, ref: OrderRef) -> IssuerFault | None:
        """Cancel an order that is not issued."""
        done = self._send(JsonRequest("DELETE", _path(ref.id)), lambda response: response)
        return done if isinstance(done, IssuerFault) else None

    def to_find(self, csr: Csr) -> Request:
        """Return the request that `find` makes."""
        return self._request("look for an order of this CSR", _finding(csr))

    def to_place(self, request: OrderRequest) -> Request:
        """Return the request that `place` makes."""
        return self._request("place the order", _placing(request))

    def to_fetch(self, ref: OrderRef) -> Request:
        """Return the request that `fetch` makes."""
        return self._request("fetch the order", JsonRequest("GET", _path(ref.id)))

    def _request(self, why: str, request: JsonRequest) -> Request:
        url = self._endpoint.base_url.rstrip("/") + request.path
        return Request(why, request.method, url, request.body.decode("ascii"))

    def _send(self, request: JsonRequest, read: Callable[[JsonResponse], T]) -> T | IssuerFault:
        """Send a request, and read the response if it is one of success."""
        response = send(self._endpoint, request)
        if isinstance(response, IssuerFault):
            return response
        if response.status not in (200, 201, 204):
            return _fault(response)
        try:
            return read(response)
        except BadRecord as error:
            return IssuerFault("broken", f"HTTP {response.status}: {_line(str(error))}", responded_at=response.date)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig(IssuerConfig):
    """`[issuer.NAME]` of the kind `store`."""

    base_url: str
    token: Secret
    ca_file: str | None = None  # PEM file of the anchors to trust instead of Mozilla's

    def open(self, section: ConfigSection, run: IssuerRun) -> Store:
        """Return the Store; raises BadIssuer, and BadConfiguration if the token cannot be read."""
        token = section.secret("token", self.token)
        return Store(IssuerEndpoint(self.base_url, token, ca_file=section.path(self.ca_file), proxy=run.proxy))


def _finding(csr: Csr) -> JsonRequest:
    return JsonRequest("GET", f"/v1/orders?csr_sha256={csr.sha256}")


def _placing(request: OrderRequest) -> JsonRequest:
    content = {
        "csr": request.csr.pem,
        "names": list(request.names),
        "product": request.product,
        "dcv": HTTP_CSR_HASH,
        "unique_value": unique_value(request.csr),
        "replaces": request.replaces,
    }
    return JsonRequest("POST", "/v1/orders", json.dumps(content).encode("ascii"), request.idempotency_key)


def _path(order_id: str) -> str:
    if not _ID.fullmatch(order_id):
        raise ValueError(f"{order_id!r} is not the id of an order")
    return f"/v1/orders/{order_id}"


def _preferred(orders: tuple[Order, ...]) -> Order | None:
    """Return the order that got furthest, else the newest; a Store that keeps its contract returns one at most."""

    def rank(order: Order) -> tuple[int, float]:
        place = _PREFERENCE.index(order.status) if order.status in _PREFERENCE else len(_PREFERENCE)
        return place, -order.created.timestamp() if order.created else 0.0

    return min(orders, key=rank, default=None)


def _fault(response: JsonResponse) -> IssuerFault:
    """Return what a response other than one of success means."""
    error = _error(response)
    if response.status in _FAULTS and (error is not None or response.status in _SPOKEN_BY_OTHERS):
        kind, detail = _FAULTS[response.status], f"HTTP {response.status}"
    elif 300 <= response.status < 400:
        kind, detail = "broken", f"a redirect to {_line(response.headers.get('location', 'nowhere'))}, not followed"
    elif response.status >= 500:
        kind, detail = "unreachable", f"HTTP {response.status}: the Store or a proxy in front of it failed"
    else:
        kind, detail = "broken", f"HTTP {response.status} without an error of the Store: check base_url"
    words = _line(f": {error.get('message') or error.get('type') or 'no reason given'}") if error else ""
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
        return tuple(_line(f"{name}: {why}") for name, why in list(fields.items())[:20])
    return tuple(_line(str(name)) for name in fields[:20]) if isinstance(fields, list) else ()


def _orders(response: JsonResponse) -> tuple[Order, ...]:
    items = _member(_json(response), "orders", list)
    return tuple(_to_order(item, response) for item in items)


def _order(response: JsonResponse) -> Order:
    return _to_order(_json(response), response)


def _json(response: JsonResponse) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON of a response; raises BadRecord."""
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        kind = _line(response.headers.get("content-type", "unknown type"))
        raise BadRecord(f"not JSON ({kind}), it begins {_line(response.text(60))!r}") from error


def _to_order(value: Any, response: JsonResponse) -> Order:  # noqa: ANN401 - any JSON value
    """Return an order; raises BadRecord unless every field is as in the contract."""
    word = _word(_member(value, "status", str))
    certificate, bundle = _optional(value, "certificate", str), _optional(value, "ca_bundle", str)
    order = Order(
        id=_identifier(_member(value, "id", str)),
        status=_STATUSES[word],
        message=_line(_optional(value, "status_message", str) or ""),
        created=_created(_member(value, "created", str)),
        retry_after_s=_seconds(_optional(value, "retry_after_s", (int, float))),
        issued=(IssuedPem(certificate, bundle),) if certificate is not None else (),
        own_word=word,
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
    if not _ID.fullmatch(text):
        raise BadRecord(f"the id {text!r:.60} is not 1 to 128 of A-Z a-z 0-9 . _ -")
    return text


def _word(text: str) -> str:
    if text not in _STATUSES:
        raise BadRecord(f"the status {text!r:.60} is not one of {', '.join(_STATUSES)}")
    return text


def _created(text: str) -> datetime:
    try:
        return parse_time(text)
    except OverflowError as error:  # a time zone before year 1
        raise BadRecord(f"created: {text!r:.60}") from error


def _seconds(number: float | None) -> int | None:
    if number is None:
        return None
    if number < 0:
        raise BadRecord(f"retry_after_s is {number}")
    return math.ceil(min(number, MAX_RETRY_AFTER_S))


def _line(text: str) -> str:
    """Return words of the issuer as one line of bounded length."""
    return one_line(text, _MAX_TEXT)
