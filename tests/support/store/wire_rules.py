"""The rules of a Store about single requests and responses, as docs/store-api.json describes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import pytest

from remediate.issuers import IssuerEndpoint, OrderRequest
from remediate.issuers.http import JsonRequest, JsonResponse, Method, send
from remediate.pki.csr import HTTP_CSR_HASH, unique_value
from tests.support.store.order_requests import csr_pem, request
from tests.support.store.schema import operation, schema_of, violations

CLOCK: Final = timedelta(minutes=5)


class Spoken(Protocol):
    """A Store at a URL, and what it sells: a product for a name that serves no validation file."""

    @property
    def endpoint(self) -> IssuerEndpoint:
        """How it is reached."""

    @property
    def name(self) -> str:
        """The name to order."""

    @property
    def product(self) -> str:
        """The product to order."""


def content_of(order: OrderRequest, product: str) -> dict[str, Any]:
    """Return the members of an order."""
    return {
        "csr": order.csr.pem,
        "names": list(order.names),
        "product": product,
        "dcv": HTTP_CSR_HASH,
        "unique_value": unique_value(order.csr),
        "replaces": None,
    }


def exchanged(store: Spoken, method: Method, path: str, content: Any = None, key: str | None = None) -> JsonResponse:  # noqa: ANN401 - any JSON
    """Send a request and return its response, which the document must allow."""
    body = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
    response = send(store.endpoint, JsonRequest(method, path, body, key))
    assert isinstance(response, JsonResponse), response
    described = operation(method, path.partition("?")[0])["responses"]
    assert str(response.status) in described, f"{method} {path}: {response.status} is not in the document"
    if response.status != 204:
        assert list(violations(response.json(), schema_of(described[str(response.status)]))) == []
    assert response.date is not None, "the header Date is missing"
    assert abs(response.date - datetime.now(UTC)) < CLOCK, f"the clock of the Store shows {response.date}"
    return response


REFUSED: Final[dict[str, dict[str, Any]]] = {
    "unknown product": {"product": "no-such-product"},
    "unknown validation": {"dcv": "by-telephone"},
    "long unique value": {"unique_value": "a" * 21},
    "no names": {"names": []},
    "names that are not those of the CSR": {"names": ["other.example"]},
    "no CSR": {"csr": "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"},
    "malformed digest": {"replaces": "AB"},
}
"""What no order can have, by what is wrong with it."""


class WireRules:
    """The rules. To be inherited by a class with a fixture `store`."""

    def test_every_response_about_an_order_is_as_the_document_says(self, store: Spoken) -> None:
        wanted = request(store.name)
        key, content = wanted.idempotency_key, content_of(wanted, store.product)
        placed = exchanged(store, "POST", "/v1/orders", content, key)
        order = placed.json()
        again = exchanged(store, "POST", "/v1/orders", content, key)
        path, search = f"/v1/orders/{order['id']}", f"/v1/orders?csr_sha256={wanted.csr.sha256}"
        found = exchanged(store, "GET", search).json()["orders"]
        fetched = exchanged(store, "GET", path).json()
        canceled = exchanged(store, "DELETE", path)
        assert (placed.status, again.status) == (201, 200)
        assert [one["id"] for one in (again.json(), *found, fetched)] == [order["id"]] * 3
        assert {one["created"] for one in (again.json(), *found, fetched)} == {order["created"]}
        assert canceled.status in (200, 204)
        assert exchanged(store, "GET", path).json()["status"] == "canceled"

    @pytest.mark.parametrize("wrong", REFUSED)
    def test_order_that_cannot_be_is_refused_with_an_error(self, store: Spoken, wrong: str) -> None:
        wanted = request(store.name)
        content = {**content_of(wanted, store.product), **REFUSED[wrong]}
        assert exchanged(store, "POST", "/v1/orders", content, wanted.idempotency_key).status in (400, 422)
        search = f"/v1/orders?csr_sha256={wanted.csr.sha256}"
        assert exchanged(store, "GET", search).json() == {"orders": []}

    def test_wildcard_is_not_validated_by_a_file(self, store: Spoken) -> None:
        wanted = request(f"*.{store.name}")
        content = content_of(wanted, store.product)
        assert exchanged(store, "POST", "/v1/orders", content, wanted.idempotency_key).status in (400, 422)

    def test_request_that_is_not_json_is_malformed(self, store: Spoken) -> None:
        assert exchanged(store, "POST", "/v1/orders", b"{", "a-key-of-no-order").status == 400

    def test_order_without_an_idempotency_key_is_malformed(self, store: Spoken) -> None:
        assert exchanged(store, "POST", "/v1/orders", content_of(request(store.name), store.product)).status == 400

    def test_search_without_a_digest_is_malformed(self, store: Spoken) -> None:
        assert exchanged(store, "GET", "/v1/orders?csr_sha256=ABC").status == 400

    def test_unknown_order_is_not_found(self, store: Spoken) -> None:
        assert exchanged(store, "GET", "/v1/orders/never-placed").status == 404
        assert exchanged(store, "DELETE", "/v1/orders/never-placed").status == 404

    def test_key_in_place_of_the_csr_is_refused(self, store: Spoken) -> None:
        wanted = request(store.name)
        content = {
            **content_of(wanted, store.product),
            "csr": csr_pem(store.name).replace("CERTIFICATE REQUEST", "PRIVATE KEY"),
        }
        response = send(
            store.endpoint, JsonRequest("POST", "/v1/orders", json.dumps(content).encode(), wanted.idempotency_key)
        )
        assert isinstance(response, JsonResponse), response
        assert response.status in (400, 422)
