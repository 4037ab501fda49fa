"""The suite that `python -m tests.support.store` runs: one Store at a URL, one canceled order a test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from remediate.issuers import IssuerEndpoint, IssuerFault, Order, OrderRef, OrderRequest
from remediate.issuers.store import Store
from tests.support.store.conformance import WithoutCertificate


class Recording(Store):
    """A client that keeps every order which it placed."""

    def __init__(self, endpoint: IssuerEndpoint) -> None:
        super().__init__(endpoint)
        self.placed: dict[str, OrderRequest] = {}

    def place(self, request: OrderRequest) -> Order | IssuerFault:
        order = super().place(request)
        if isinstance(order, Order):
            self.placed.setdefault(order.id, request)
        return order


@dataclass(frozen=True, slots=True)
class Remote:
    """A Store at a URL."""

    issuer: Recording
    intruder: Recording
    name: str
    product: str

    def count(self) -> int:
        """Return how many orders the Store returned for the requests of this test."""
        return len(self.issuer.placed.keys() | self.intruder.placed.keys())


def client(token: str) -> Recording:
    """Return a client with a token."""
    ca_file = os.environ["STORE_CA_FILE"] or None
    return Recording(IssuerEndpoint(os.environ["STORE_URL"], lambda: token, ca_file=ca_file))


class TestStore(WithoutCertificate):
    """The rules, at the URL."""

    @pytest.fixture
    def ca(self) -> Iterator[Remote]:
        issuer = client(os.environ["STORE_TOKEN"])
        yield Remote(issuer, client("wrong-token"), os.environ["STORE_NAME"], os.environ["STORE_PRODUCT"])
        for order_id, wanted in issuer.placed.items():
            fault = issuer.cancel(OrderRef(order_id, wanted))
            assert fault is None, f"the order {order_id} could not be canceled: {fault}"
