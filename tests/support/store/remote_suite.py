"""The suite that `python -m tests.support.store` runs against one Store at a URL.

Each test but those of `TestIssuing` ends with a canceled order, or with none.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from audit.config.trust_sources import read_anchors
from audit.x509.path.trust_store import TrustAnchors
from remediate.issuers import IssuerEndpoint, IssuerFault, Order, OrderRef, OrderRequest
from remediate.issuers.store import Store
from remediate.pki.csr import csr_hash_challenge
from tests.support.store.conformance import Certified, WithCertificate, WithoutCertificate, order_for, placed, ref
from tests.support.store.wire_rules import WireRules

_FOLDER: Final = ".well-known/pki-validation"
_POLL_S: Final = 60.0  # at most between two requests for an order


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

    endpoint: IssuerEndpoint
    issuer: Recording
    intruder: Recording
    name: str
    product: str

    def count(self) -> int:
        """Return how many orders the Store returned for the requests of this test."""
        return len(self.issuer.placed.keys() | self.intruder.placed.keys())

    @property
    def anchors(self) -> TrustAnchors:
        """What the certificates lead to."""
        return read_anchors([os.environ["STORE_TRUST"]])


def reached(token: str) -> IssuerEndpoint:
    """Return how the Store is reached with a token."""
    return IssuerEndpoint(os.environ["STORE_URL"], lambda: token, ca_file=os.environ["STORE_CA_FILE"] or None)


def remote(name: str) -> Remote:
    """Return the Store, with a name to order."""
    right, wrong = reached(os.environ["STORE_TOKEN"]), reached("wrong-token")
    return Remote(right, Recording(right), Recording(wrong), name, os.environ["STORE_PRODUCT"])


class TestStore(WithoutCertificate):
    """The rules of which a test needs no certificate, at the URL."""

    @pytest.fixture
    def ca(self) -> Iterator[Remote]:
        opened = remote(os.environ["STORE_NAME"])
        yield opened
        for order_id, wanted in opened.issuer.placed.items():
            fault = opened.issuer.cancel(OrderRef(order_id, wanted))
            assert fault is None, f"the order {order_id} could not be canceled: {fault}"


class TestWire(WireRules):
    """The rules about single requests and responses, at the URL."""

    @pytest.fixture
    def store(self) -> Remote:
        return remote(os.environ["STORE_NAME"])


@pytest.fixture(scope="module")
def ca() -> Remote:
    """Return the Store, with a name that can be validated."""
    return remote(os.environ["STORE_VALID_NAME"])


@pytest.fixture(scope="module")
def certified(ca: Remote) -> Iterator[Certified]:
    """Have one certificate issued for all tests."""
    wanted = order_for(ca)
    challenge = csr_hash_challenge(wanted.csr, ca.name)
    file = Path(os.environ["STORE_DOCROOT"], _FOLDER, challenge.token)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{challenge.content}\n", encoding="ascii")
    file.chmod(0o644)
    yield Certified(wanted, obtained(ca, wanted))
    file.unlink()


@pytest.mark.skipif(
    not os.environ.get("STORE_DOCROOT"), reason="needs --valid-name and --docroot; one certificate is issued"
)
class TestIssuing(WithCertificate):
    """The rules about an issued certificate, at the URL."""


def obtained(ca: Remote, wanted: OrderRequest) -> Order:
    """Place an order, and return it once it is not pending any more or the time is over."""
    order, deadline = placed(ca.issuer.place(wanted)), time.monotonic() + float(os.environ["STORE_WAIT_S"])
    while order.is_pending and time.monotonic() < deadline:
        time.sleep(min(order.retry_after_s or 1, _POLL_S))
        order = placed(ca.issuer.fetch(ref(order, wanted)))
    return order
