"""The interface of an issuer in the words of RFC 8555, and the values that it takes and returns."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Final, Literal, Protocol, TypeAlias, runtime_checkable

from audit.config import ConfigSection
from remediate.hosts.local_command import LocalCommand
from remediate.model.authorization import Authorization, Challenge
from remediate.pki.csr import Csr
from remediate.pki.issued_chain import IssuedPem


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


OrderStatus = Literal["pending", "ready", "processing", "valid", "invalid", "canceled", "revoked"]
"""The status of an order (RFC 8555 7.1.6); `canceled` and `revoked` are of issuers that can cancel and revoke."""
FaultKind = Literal[
    "authentication",  # the token is missing, wrong, or has no permission
    "refused",  # the names or the request itself; the same request will be refused again
    "unknown",  # the order does not exist
    "conflict",  # the same idempotency key with other content, or an order that cannot be changed any more
    "busy",  # try later: too many requests, or out of service for a while
    "unreachable",  # no whole response
    "broken",  # a response that cannot be understood
]

_IDEMPOTENCY_KEY: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")  # it is sent as a header field
_DAYS_IN_NAME: Final = re.compile(r"([1-9][0-9]{0,3})-days?")
_MOST_DAYS: Final = 36_500
_USUAL_LIFETIME: Final = timedelta(days=90)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What is ordered. The idempotency key derives from the case and the CSR: the same one gives the same order.

    `replaces` is the SHA-256 of the certificate that the new one replaces. Raises ValueError for a request that would
    be a bug of ours.
    """

    csr: Csr
    names: tuple[str, ...]
    case_id: str
    idempotency_key: str
    product: str = "90-day"
    lifetime: timedelta = timedelta(days=90)  # the longest that the certificate of the product may be valid
    replaces: str | None = None

    def __post_init__(self) -> None:
        """Refuse a request that no issuer can accept."""
        if not self.names or len(set(self.names)) != len(self.names):
            raise ValueError(f"names to order: {self.names!r}; at least one is required, and each once")
        if not _IDEMPOTENCY_KEY.fullmatch(self.idempotency_key):
            raise ValueError(f"the idempotency key {self.idempotency_key!r} is not 1 to 128 of A-Z a-z 0-9 . _ -")
        if self.replaces is not None and not _SHA256.fullmatch(self.replaces):
            raise ValueError(f"what it replaces, {self.replaces!r}, is not a SHA-256 in lower-case hex")


@dataclass(frozen=True, slots=True)
class OrderRef:
    """A placed order: the id that the issuer gave it, such as a number or a URL, and the request that placed it."""

    id: str
    request: OrderRequest


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the issuer returns it. What was issued is untrusted until it is checked.

    `own_word` is the issuer's own word for the status, if it has one; `issued` is what came with the order, or empty if
    `download` requests it.
    """

    id: str
    status: OrderStatus
    message: str = ""
    created: datetime | None = None
    retry_after_s: int | None = None
    authorizations: tuple[Authorization, ...] = ()
    issued: tuple[IssuedPem, ...] = field(default=(), repr=False)
    own_word: str = ""
    responded_at: datetime | None = field(default=None, compare=False)  # by the issuer's own clock
    lifetime: timedelta | None = None  # of the certificate that will be issued, if the issuer names it

    @property
    def word(self) -> str:
        """The word for the status, for users and the journal."""
        return self.own_word or self.status

    @property
    def is_pending(self) -> bool:
        """Whether the issuer has not decided yet."""
        return self.status in ("pending", "ready", "processing")


@dataclass(frozen=True, slots=True)
class IssuerFault:
    """Why an issuer did not do what was requested: the kind, a line for a person, and what belongs to the kind.

    `fields` are the refused fields, one clause each; `retry_after_s` is when a busy issuer accepts the next request.
    """

    kind: FaultKind
    detail: str
    fields: tuple[str, ...] = ()
    retry_after_s: int | None = None
    responded_at: datetime | None = field(default=None, compare=False)

    @property
    def leaves_unknown(self) -> bool:
        """Whether the request may have been carried out: find the order before it is placed again."""
        return self.kind in ("unreachable", "broken")

    def __str__(self) -> str:
        """Return the fault in one line."""
        named = f" ({'; '.join(self.fields)})" if self.fields else ""
        return f"{self.kind}: {self.detail}{named}"


class Issuer(Protocol):
    """A certification authority, or a broker in front of one. Faults there are returned, never raised.

    An order is placed; its pending challenges are presented and accepted; when it is ready, it is finalized; when it is
    valid, its certificate is downloaded.
    """

    def place(self, request: OrderRequest) -> Order | IssuerFault:
        """Place an order, or return one with the same idempotency key or a certificate that is still valid."""

    def fetch(self, ref: OrderRef) -> Order | IssuerFault:
        """Return the order as it is now, with its authorizations."""

    def accept(self, challenge: Challenge) -> IssuerFault | None:
        """Request the validation of a challenge that is presented; this may be repeated."""

    def finalize(self, order: Order, csr: Csr) -> Order | IssuerFault:
        """Request the certificate of an order that is ready."""

    def download(self, order: Order) -> tuple[IssuedPem, ...] | IssuerFault:
        """Return the chain of a valid order, and then the alternate chains of the same leaf."""

    def cancel(self, ref: OrderRef) -> IssuerFault | None:
        """Cancel an order that is not issued."""


@runtime_checkable
class KnowsChallengesBefore(Protocol):
    """An issuer whose challenges derive from the CSR: they are presented and tested before anything is ordered."""

    def challenges_for(self, csr: Csr, names: tuple[str, ...]) -> tuple[Challenge, ...]:
        """Return the challenge of each name, in their order."""


@runtime_checkable
class FindsByCsr(Protocol):
    """An issuer that returns the order of a CSR, so that an order whose response was lost is not placed again."""

    def find(self, csr: Csr) -> Order | IssuerFault | None:
        """Return the order that was placed with this CSR, None if there is none."""


IssuerAction: TypeAlias = Request | LocalCommand
"""What an issuer does, as a value: a request over the network, or a program that it runs."""


@runtime_checkable
class PreviewsRequests(Protocol):
    """An issuer that can return its requests without sending them. No dry run prints those of another issuer."""

    def to_find(self, csr: Csr) -> IssuerAction | None:
        """Return the request that `find` makes; None if the issuer finds no order by its CSR."""

    def to_place(self, request: OrderRequest) -> IssuerAction:
        """Return the request that `place` makes."""

    def to_fetch(self, ref: OrderRef) -> IssuerAction | None:
        """Return the request that `fetch` makes; None if `place` usually returns the certificate."""


class BadIssuer(ValueError):
    """The configuration of an issuer is invalid; the message names the fix."""


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


@dataclass(frozen=True, slots=True)
class IssuerRun:
    """What an issuer uses of the run: the URL of an HTTP proxy, and the event that stops the run."""

    proxy: str | None = field(default=None, repr=False)  # may hold a password
    stop: threading.Event = field(default_factory=threading.Event)


def lifetime_in_name(product: str) -> timedelta | None:
    """Return the lifetime that the name of a product has: `199-day`; None if it has none."""
    match = _DAYS_IN_NAME.fullmatch(product)
    return timedelta(days=int(match[1])) if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerConfig:
    """The keys that every section `[issuer.NAME]` has. Each kind of issuer adds its own in a subclass."""

    validates_by_file: ClassVar[bool] = True  # its CA fetches a file from every address of each name
    kind: str  # the kind of issuer
    key: Literal[  # the type of new keys
        "rsa-2048", "rsa-3072", "rsa-4096", "ecdsa-p256", "ecdsa-p384", "ml-dsa-44", "ml-dsa-65", "ml-dsa-87"
    ] = "ecdsa-p256"
    product: str = "90-day"  # the product that is ordered, of a Store
    lifetime_days: int | None = None  # a longer validity is rejected; None: what the product names

    @property
    def lifetime(self) -> timedelta:
        """The longest lifetime of a certificate that is accepted."""
        named = lifetime_in_name(self.product) or _USUAL_LIFETIME
        return named if self.lifetime_days is None else timedelta(days=self.lifetime_days)

    @property
    def ordered_lifetime(self) -> timedelta | None:
        """How long the ordered certificate is valid; None if only the CA decides."""
        return None

    @property
    def promised_lifetime(self) -> timedelta | None:
        """How long a certificate should be valid; None if nothing in the section says it."""
        return self.ordered_lifetime or (self.lifetime if self.lifetime_days is not None else None)

    def lifetime_fault(self) -> str | None:
        """Return why the lifetime cannot be used, with the fix."""
        if self.lifetime_days is None or 1 <= self.lifetime_days <= _MOST_DAYS:
            return None
        return f"lifetime_days is {self.lifetime_days}; write 1 to {_MOST_DAYS} days"

    def open(self, section: ConfigSection, run: IssuerRun) -> Issuer:
        """Return the issuer; raises BadIssuer, and BadConfiguration if a secret cannot be read."""
        raise NotImplementedError
