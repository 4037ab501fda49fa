"""The issuer `store` does what every issuer has to do, against the strict Store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from audit.x509.path.trust_store import TrustAnchors
from remediate.issuers import IssuerEndpoint, OrderRequest
from remediate.issuers.store import Store as Client
from tests.support.http.websites import Website, serving_website
from tests.support.sockets import bind
from tests.support.store.conformance import DEADLINE_S, Conformance, FindingIssuer
from tests.support.store.order_requests import NAME
from tests.support.store.server import Store, serving


@dataclass(frozen=True, slots=True)
class StoreAndClient:
    """The strict Store, and clients of it."""

    store: Store
    website: Website
    issuer: FindingIssuer
    intruder: FindingIssuer
    absent: FindingIssuer
    secret: str
    anchors: TrustAnchors
    name: str = NAME
    product: str = "90-day"

    def publish(self, order: OrderRequest) -> None:
        self.website.publish(order)

    def misbehave(self, what: str, *, times: int | None = None) -> None:
        self.store.misbehave(what, times=times)

    def behave(self) -> None:
        self.store.behave()

    def count(self) -> int:
        return len(self.store.orders())


class TestStore(Conformance):
    """The conformance suite, over HTTP on loopback."""

    @pytest.fixture
    def ca(self, tmp_path: Path) -> Iterator[StoreAndClient]:
        with serving_website() as website, serving(tmp_path, lambda _: [("127.0.0.1", website.port)]) as store:
            (closed,) = bind(("127.0.0.1",))  # bound, and not listening, so that no other program gets the port

            def client(url: str, token: str) -> Client:
                return Client(IssuerEndpoint(url, lambda: token, deadline_s=DEADLINE_S))

            root = store.authority.root.certificate.public_bytes(Encoding.DER)
            with closed:
                yield StoreAndClient(
                    store,
                    website,
                    issuer=client(store.base_url, store.token),
                    intruder=client(store.base_url, "someone-elses-token"),
                    absent=client(f"http://127.0.0.1:{closed.getsockname()[1]}", store.token),
                    secret=store.token,
                    anchors=TrustAnchors({"lab": [root]}),
                )
