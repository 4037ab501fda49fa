"""A CA in memory, and the certificates that hosts have from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from remediate.issuers import IssuerFault, Order, OrderRef, OrderRequest
from remediate.model.authorization import Challenge
from remediate.pki.csr import Csr, csr_hash_challenge
from remediate.pki.issued_chain import IssuedPem
from tests.support.store.issuance import Authority, Commission, deliver, found_authority, to_pem
from tests.support.x509.ca import Leaf, PrivateKey, issue

NOW = datetime.now(UTC).replace(microsecond=0)
AUTHORITY = found_authority(NOW)
DAY = timedelta(days=1)


@dataclass(slots=True)
class Ca:
    """A CA that issues at once, or if it is slow when a test calls `issue`.

    Each of `faults` is its response to an order that it takes all the same.
    """

    orders: dict[str, Order] = field(default_factory=dict)  # by the digest of the request
    faults: list[IssuerFault] = field(default_factory=list)
    placed: datetime = NOW
    is_slow: bool = False
    csrs: list[Csr] = field(default_factory=list)  # of the orders that were placed

    def find(self, csr: Csr) -> Order | None:
        """Return the order of a request."""
        return self.orders.get(csr.sha256)

    def challenges_for(self, csr: Csr, names: tuple[str, ...]) -> tuple[Challenge, ...]:
        """Return the file that proves control over each name."""
        return tuple(csr_hash_challenge(csr, name) for name in names)

    def place(self, request: OrderRequest) -> Order | IssuerFault:
        """Take an order; a second order for a CSR would be a bug."""
        csr = request.csr
        assert csr.sha256 not in self.orders
        self.csrs.append(csr)
        order = Order(f"o-{len(self.orders)}", "pending", "", self.placed, own_word="pending-validation")
        self.orders[csr.sha256] = order
        if not self.is_slow:
            order = self.issue(csr)
        return self.faults.pop() if self.faults else order

    def issue(self, csr: Csr) -> Order:
        """Issue an order."""
        issued = (issued_for(csr),)
        order = replace(self.orders[csr.sha256], status="valid", message="issued", issued=issued, own_word="issued")
        self.orders[csr.sha256] = order
        return order

    def fetch(self, ref: OrderRef) -> Order:
        """Return an order."""
        return next(order for order in self.orders.values() if order.id == ref.id)

    def accept(self, challenge: Challenge) -> None:
        """Do nothing: the CA does not validate."""

    def finalize(self, order: Order, csr: Csr) -> Order:
        """Return the order, which was placed with its CSR."""
        del csr
        return order

    def download(self, order: Order) -> tuple[IssuedPem, ...]:
        """Return what came with the order."""
        return order.issued

    def cancel(self, ref: OrderRef) -> None:
        """Cancel nothing: all is issued at once."""


def issued_for(csr: Csr, authority: Authority = AUTHORITY) -> IssuedPem:
    """Return a new certificate for the names of a CSR, as an issuer returns it."""
    key: Any = x509.load_pem_x509_csr(csr.pem.encode()).public_key()
    delivery = deliver(authority, Commission(key, csr.names, NOW, 90 * DAY))
    return IssuedPem(delivery.certificate, delivery.bundle)


def pems_of(leaf: Leaf, private_key: PrivateKey | None = None) -> tuple[str, str]:
    """Return a new certificate of the CA with its intermediate, and its key."""
    identity = issue(leaf, AUTHORITY.intermediate, key=private_key)
    return to_pem(identity.certificate, AUTHORITY.intermediate.certificate), key_pem(identity.key)


def key_pem(key: PrivateKey) -> str:
    """Return a key as PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def leaf_of(name: str, begins: int = -1, days: int = 60) -> Leaf:
    """Return a leaf for a name whose validity begins so many days from now."""
    return Leaf(name, (name,), NOW + begins * DAY, days * DAY)
