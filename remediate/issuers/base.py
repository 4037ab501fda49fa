"""The interface of an issuer, and the values that it takes and returns."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol, runtime_checkable

from audit.config import ConfigSection
from remediate.pki.csr import Csr


@dataclass(frozen=True, slots=True)
class Request:
    """A request to an issuer, to be shown; the token is not in it."""

    why: str
    method: str
    url: str
    body: str = ""

    def __str__(self) -> str:
        """Return the request line."""
        return f"{self.method} {self.url}"


Status = Literal["pending-validation", "pending-review", "issued", "rejected", "canceled", "revoked"]
Dcv = Literal["http-csr-hash", "cname-csr-hash"]
FaultKind = Literal[
    "authentication",  # the token is missing, wrong, or has no permission
    "refused",  # the names or the request itself; the same request will be refused again
    "unknown",  # there is no such order
    "conflict",  # the same idempotency key with other content, or an order that cannot be changed any more
    "busy",  # try later: too many requests, or out of service for a while
    "unreachable",  # no whole response
    "broken",  # a response that cannot be understood
]

_UNIQUE_VALUE: Final = re.compile(r"[A-Za-z0-9]{1,20}")
_IDEMPOTENCY_KEY: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")  # it is sent as a header field
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What is ordered. The idempotency key derives from the case and the CSR: the same one gives the same order.

    `replaces` is the SHA-256 of the certificate that the new one replaces. Raises ValueError for a request that would
    be a bug of ours.
    """

    csr: Csr
    names: tuple[str, ...]
    idempotency_key: str
    unique_value: str
    product: str = "90-day"
    dcv: Dcv = "http-csr-hash"
    replaces: str | None = None

    def __post_init__(self) -> None:
        """Refuse a request that no issuer can accept."""
        if not self.names or len(set(self.names)) != len(self.names):
            raise ValueError(f"names to order: {self.names!r}; at least one is required, and each once")
        if not _IDEMPOTENCY_KEY.fullmatch(self.idempotency_key):
            raise ValueError(f"the idempotency key {self.idempotency_key!r} is not 1 to 128 of A-Z a-z 0-9 . _ -")
        if not _UNIQUE_VALUE.fullmatch(self.unique_value):
            raise ValueError(f"the unique value {self.unique_value!r} is not 1 to 20 characters of a-z, A-Z and 0-9")
        if self.replaces is not None and not _SHA256.fullmatch(self.replaces):
            raise ValueError(f"what it replaces, {self.replaces!r}, is not a SHA-256 in lower-case hex")


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the issuer returns it. `certificate_pem` and `ca_bundle_pem` are untrusted until they are checked."""

    id: str
    status: Status
    message: str
    created: datetime
    retry_after_s: int | None = None
    certificate_pem: str | None = field(default=None, repr=False)
    ca_bundle_pem: str | None = field(default=None, repr=False)
    answered_at: datetime | None = field(default=None, compare=False)  # by the issuer's own clock

    @property
    def is_pending(self) -> bool:
        """Whether the issuer has not decided yet."""
        return self.status in ("pending-validation", "pending-review")


@dataclass(frozen=True, slots=True)
class IssuerFault:
    """Why an issuer did not do what was requested: the kind, a line for a person, and what belongs to the kind.

    `fields` are the refused fields, one clause each; `retry_after_s` is when a busy issuer accepts the next request.
    """

    kind: FaultKind
    detail: str
    fields: tuple[str, ...] = ()
    retry_after_s: int | None = None
    answered_at: datetime | None = field(default=None, compare=False)

    @property
    def leaves_unknown(self) -> bool:
        """Whether the request may have been carried out: find the order before it is placed again."""
        return self.kind in ("unreachable", "broken")

    def __str__(self) -> str:
        """Return the fault in one line."""
        named = f" ({'; '.join(self.fields)})" if self.fields else ""
        return f"{self.kind}: {self.detail}{named}"


class Issuer(Protocol):
    """A certification authority, or a broker in front of one. Faults there are returned, never raised."""

    def find(self, csr: Csr) -> Order | IssuerFault | None:
        """Return the order that was placed with this CSR, None if there is none."""

    def order(self, request: OrderRequest) -> Order | IssuerFault:
        """Place an order, or return one with the same idempotency key or a certificate that is still valid."""

    def collect(self, order_id: str) -> Order | IssuerFault:
        """Return the order as it is now."""

    def cancel(self, order_id: str) -> IssuerFault | None:
        """Cancel an order that is not issued."""


@runtime_checkable
class PreviewsRequests(Protocol):
    """An issuer that can return its requests without sending them. No dry run prints those of another issuer."""

    def to_find(self, csr: Csr) -> Request:
        """Return the request that `find` makes."""

    def to_order(self, request: OrderRequest) -> Request:
        """Return the request that `order` makes."""

    def to_collect(self, order_id: str) -> Request:
        """Return the request that `collect` makes."""


class BadIssuer(ValueError):
    """An issuer that cannot be used as it is configured; its message names the fix."""


@dataclass(frozen=True, slots=True)
class IssuerEndpoint:
    """How an issuer is reached. The token is read each time it is needed, and never kept.

    `ca_file` is a PEM file of the anchors to trust instead of Mozilla's, `proxy` the URL of an HTTP proxy; nothing of
    either is taken from the environment. `deadline_s` bounds one exchange from the first to the last byte.
    """

    base_url: str
    token: Callable[[], str] = field(repr=False)
    ca_file: str | None = None
    proxy: str | None = field(default=None, repr=False)  # may hold a password
    deadline_s: float = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerConfig:
    """The keys that every section `[issuer.NAME]` has. Each kind of issuer adds its own in a subclass."""

    kind: str
    key: Literal["rsa-2048", "rsa-3072", "rsa-4096", "ecdsa-p256", "ecdsa-p384"] = "ecdsa-p256"
    product: str = "90-day"

    def open(self, section: ConfigSection, proxy: str | None) -> Issuer:
        """Return the issuer; raises BadIssuer, and BadConfiguration if a secret cannot be read."""
        raise NotImplementedError
