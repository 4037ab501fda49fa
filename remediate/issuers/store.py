"""The issuer `store`: orders over a small JSON interface that any broker in front of a CA can offer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from audit.config import ConfigSection, Secret
from audit.json_codec import BadRecord
from audit.text import duration
from remediate.issuers.base import (
    IssuerConfig,
    IssuerEndpoint,
    IssuerFault,
    IssuerRun,
    Order,
    OrderRef,
    OrderRequest,
    Request,
    lifetime_in_name,
)
from remediate.issuers.http import JsonRequest, JsonResponse, require_safe, send
from remediate.issuers.store_responses import ORDER_ID, one_bounded_line, read_fault, read_order, read_orders
from remediate.model.authorization import Challenge
from remediate.pki.csr import HTTP_CSR_HASH, Csr, csr_hash_challenge, unique_value
from remediate.pki.issued_chain import ROUNDING, IssuedPem

T = TypeVar("T")
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
        orders = self._send(_finding(csr), read_orders)
        return _preferred(orders) if isinstance(orders, tuple) else orders

    def place(self, request: OrderRequest) -> Order | IssuerFault:
        """Place an order, or return one with the same idempotency key or a certificate that is still valid."""
        return self._of_lifetime(self._send(_placing(request), read_order), request)

    def fetch(self, ref: OrderRef) -> Order | IssuerFault:
        """Return the order as it is now."""
        order = self._send(JsonRequest("GET", _path(ref.id)), read_order)
        if isinstance(order, Order) and order.id != ref.id:
            return IssuerFault("broken", f"requested the order {ref.id}, the response is about {order.id}")
        return self._of_lifetime(order, ref.request)

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

    def _of_lifetime(self, order: Order | IssuerFault, request: OrderRequest) -> Order | IssuerFault:
        """Return the order; cancel it if the Store says that its certificate will be valid for longer than ordered."""
        if isinstance(order, IssuerFault) or not order.is_pending or order.lifetime is None:
            return order
        if order.lifetime <= request.lifetime + ROUNDING:
            return order
        kept = self.cancel(OrderRef(order.id, request))
        ended = f"it could not be canceled ({kept})" if kept else "it was canceled"
        found = f"its certificate would be valid for {duration(order.lifetime)} (limit {duration(request.lifetime)})"
        return IssuerFault("refused", f"the order {order.id} of the product {request.product!r}: {found}; {ended}")

    def _send(self, request: JsonRequest, read: Callable[[JsonResponse], T]) -> T | IssuerFault:
        """Send a request, and read the response if it is one of success."""
        response = send(self._endpoint, request)
        if isinstance(response, IssuerFault):
            return response
        if response.status not in (200, 201, 204):
            return read_fault(response)
        try:
            return read(response)
        except BadRecord as error:
            return IssuerFault(
                "broken", f"HTTP {response.status}: {one_bounded_line(str(error))}", responded_at=response.date
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig(IssuerConfig):
    """`[issuer.NAME]` of the kind `store`."""

    base_url: str  # the URL of the API of the Store
    token: Secret  # the token that the Store accepts
    ca_file: str | None = None  # PEM file of the anchors to trust instead of Mozilla's

    @property
    def ordered_lifetime(self) -> timedelta | None:
        """How long a certificate of the product is valid."""
        return lifetime_in_name(self.product) or self.lifetime

    def lifetime_fault(self) -> str | None:
        """Return why a certificate of the product would be rejected after it is ordered, or why that is not known."""
        named = lifetime_in_name(self.product)
        if named is None and self.lifetime_days is None:
            return f"product {self.product!r} does not name its lifetime; write lifetime_days, the days it is valid for"
        if named is not None and named > self.lifetime + ROUNDING:
            why = f"product {self.product!r} is valid for longer than lifetime_days = {self.lifetime_days}"
            return f"{why}, so what was ordered would be rejected; remove lifetime_days, or write {named.days}"
        return IssuerConfig.lifetime_fault(self)

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
    if not ORDER_ID.fullmatch(order_id):
        raise ValueError(f"{order_id!r} is not the id of an order")
    return f"/v1/orders/{order_id}"


def _preferred(orders: tuple[Order, ...]) -> Order | None:
    """Return the order that got furthest, else the newest; a Store that keeps its contract returns one at most."""

    def rank(order: Order) -> tuple[int, float]:
        place = _PREFERENCE.index(order.status) if order.status in _PREFERENCE else len(_PREFERENCE)
        return place, -order.created.timestamp() if order.created else 0.0

    return min(orders, key=rank, default=None)
