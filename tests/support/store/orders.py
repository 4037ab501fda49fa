"""The Store's book of orders: what may be ordered, what becomes of it, and one line on disk for every order placed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from audit.json_codec import format_time
from audit.x509.identifiers import host_name_faults
from tests.support.store.issuance import DELIVERIES, Authority, Commission, Delivery
from tests.support.store.validator import Challenge, Validator
from tests.support.x509.ca import PublicKey

Status = Literal["pending-validation", "pending-review", "issued", "rejected", "canceled", "revoked"]
Choose = Callable[[str, tuple[str, ...]], str | None]
"""Which of these misbehaviours, if any, is due for that order now."""

PRODUCTS: Final[Mapping[str, timedelta]] = {f"{days}-day": timedelta(days=days) for days in (47, 90, 199)}
_FIELDS: Final = {"csr", "names", "product", "dcv", "unique_value", "replaces"}
_CURVES: Final = ("secp256r1", "secp384r1")


class Refused(Exception):
    """What the Store answers instead of an order: the HTTP status, the kind of error, and which fields are why."""

    def __init__(self, status: int, kind: str, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.kind, self.fields = status, kind, fields or {}


@dataclass(frozen=True, slots=True)
class Content:
    """What an order is about; two orders of one content are one order."""

    csr_pem: str
    names: tuple[str, ...]
    product: str
    dcv: str
    unique_value: str
    replaces: str | None

    @property
    def csr(self) -> x509.CertificateSigningRequest:
        """The request, parsed."""
        return x509.load_pem_x509_csr(self.csr_pem.encode("ascii"))

    @property
    def csr_der(self) -> bytes:
        """The request in DER."""
        return self.csr.public_bytes(Encoding.DER)

    @property
    def csr_sha256(self) -> str:
        """The request's digest in hex."""
        return hashlib.sha256(self.csr_der).hexdigest()


@dataclass(slots=True)
class Placed:
    """An order as it stands."""

    id: str
    content: Content
    created: datetime
    status: Status = "pending-validation"
    message: str = "validation has not been tried yet"
    delivery: Delivery | None = None
    not_after: datetime | None = None
    days_more: int = 0  # than the product has: what a Store with a wrong catalogue announces

    def to_json(self, poll_s: int) -> dict[str, Any]:
        """Return it as the interface has it."""
        is_pending = self.status.startswith("pending")
        return {
            "id": self.id,
            "status": self.status,
            "status_message": self.message,
            "created": format_time(self.created),
            "retry_after_s": poll_s if is_pending else None,
            "certificate": self.delivery.certificate if self.delivery else None,
            "ca_bundle": self.delivery.bundle if self.delivery else None,
            "lifetime_days": PRODUCTS[self.content.product].days + self.days_more,
        }


@dataclass(slots=True)
class Book:
    """All orders of a Store. Used by several threads at once."""

    authority: Authority
    validator: Validator
    record: Path
    clock: Callable[[], datetime]
    choose: Choose
    _orders: dict[str, Placed] = field(default_factory=dict)
    _keys: dict[str, Placed] = field(default_factory=dict)  # by idempotency key
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def place(self, value: Any, key: str | None) -> tuple[Placed, bool]:  # noqa: ANN401 - any JSON value
        """Place an order, and return whether it is a new one; raises Refused."""
        if not key:
            raise Refused(400, "malformed", "the header Idempotency-Key is missing")
        content = _content(value)
        with self._lock:
            known = self._keys.get(key) or self._certified(content)
            if known is None:
                self._require_new(content)
                known, is_new = self._write(content, key), True
            elif key in self._keys and known.content != content:
                raise Refused(409, "conflict", f"the key {key} was used for another order")
            else:
                is_new = False
            self._keys.setdefault(key, known)
            return known, is_new

    def poll(self, order_id: str) -> Placed:
        """Return an order after another attempt at it, where it is pending; raises Refused."""
        with self._lock:
            order = self._known(order_id)
            if order.status.startswith("pending"):
                self._work_on(order)
            return order

    def find(self, csr_sha256: str) -> list[Placed]:
        """Return the orders of a request."""
        with self._lock:
            return [order for order in self._orders.values() if order.content.csr_sha256 == csr_sha256]

    def cancel(self, order_id: str) -> Placed:
        """Cancel an order that is not issued; raises Refused."""
        with self._lock:
            order = self._known(order_id)
            if order.status in ("issued", "revoked"):
                raise Refused(409, "conflict", f"the order {order_id} is {order.status}")
            if order.status.startswith("pending"):
                order.status, order.message = "canceled", "canceled by the customer"
            return order

    def _known(self, order_id: str) -> Placed:
        if order_id not in self._orders:
            raise Refused(404, "unknown-order", f"there is no order {order_id}")
        return self._orders[order_id]

    def _certified(self, content: Content) -> Placed | None:
        """Return the order that gave a certificate for this request which is still valid."""
        orders = self.find(content.csr_sha256)
        return next((order for order in orders if order.not_after and order.not_after > self.clock()), None)

    def _require_new(self, content: Content) -> None:
        if self.find(content.csr_sha256):
            raise Refused(422, "csr-refused", "a CSR is never used for two orders", {"csr": "used before"})

    def _write(self, content: Content, key: str) -> Placed:
        """Enter an order into the book, and one line for it into the record, on disk before the response is sent."""
        order = Placed(f"o-{len(self._orders) + 1:04d}", content, self.clock().replace(microsecond=0))
        order.days_more = 100 if self.choose(order.id, ("longer-product",)) else 0
        line = {
            "id": order.id,
            "at": format_time(order.created),
            "idempotency_key": key,
            "csr_sha256": content.csr_sha256,
            "names": content.names,
            "product": content.product,
            "dcv": content.dcv,
            "replaces": content.replaces,
        }
        with self.record.open("a", encoding="utf-8") as record:
            record.write(json.dumps(line) + "\n")
            record.flush()
            os.fsync(record.fileno())
        self._orders[order.id] = order
        return order

    def _work_on(self, order: Placed) -> None:
        due = self.choose(order.id, ("pending", "review", "rejected"))
        if due == "pending":
            order.message = "validation has not been tried yet"
        elif due == "review":
            order.status, order.message = "pending-review", "the CA reviews the order"
        elif due == "rejected":
            order.status, order.message = "rejected", "the names are on the list of high risks"
        elif faults := self._validate(order.content):
            order.status, order.message = "pending-validation", "validation failed: " + "; ".join(faults)
        else:
            self._issue(order)

    def _validate(self, content: Content) -> list[str]:
        challenge = Challenge(content.csr_der, content.unique_value)
        look = self.validator.file_faults if content.dcv == "http-csr-hash" else self.validator.cname_faults
        return list(look(challenge, content.names))

    def _issue(self, order: Placed) -> None:
        kind = self.choose(order.id, tuple(DELIVERIES)) or "good"
        public_key = _public_key(order.content.csr)
        lifetime = PRODUCTS[order.content.product]
        commission = Commission(public_key, order.content.names, self.clock().replace(microsecond=0), lifetime)
        order.delivery = DELIVERIES[kind](self.authority, commission)
        order.not_after = commission.leaf.not_before + lifetime
        order.status, order.message = "issued", "issued"


def _content(value: Any) -> Content:  # noqa: ANN401 - any JSON value
    """Return what an order is about, every field of it checked; raises Refused."""
    if not isinstance(value, dict) or value.keys() != _FIELDS:
        raise Refused(400, "malformed", f"the members required are {', '.join(sorted(_FIELDS))}, and no other")
    texts = ("csr", "product", "dcv", "unique_value")
    names, replaces = value["names"], value["replaces"]
    if not all(isinstance(value[name], str) for name in texts) or not _are_texts(names):
        raise Refused(400, "malformed", "names is a list of texts, and the other members are texts")
    if replaces is not None and not (isinstance(replaces, str) and re.fullmatch(r"[0-9a-f]{64}", replaces)):
        raise Refused(400, "malformed", "replaces is null or a SHA-256 in lower-case hex")
    _require_known(value)
    _require_csr(value["csr"], names)
    _require_names(names, value["dcv"])
    return Content(value["csr"], tuple(names), value["product"], value["dcv"], value["unique_value"], value["replaces"])


def _are_texts(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _require_known(value: Mapping[str, str]) -> None:
    if value["product"] not in PRODUCTS:
        raise Refused(400, "malformed", f"product is one of {', '.join(PRODUCTS)}")
    if value["dcv"] not in ("http-csr-hash", "cname-csr-hash"):
        raise Refused(400, "malformed", "dcv is http-csr-hash or cname-csr-hash")
    if not re.fullmatch(r"[A-Za-z0-9]{1,20}", value["unique_value"]):
        raise Refused(400, "malformed", "unique_value is 1 to 20 characters of a-z, A-Z and 0-9")


def _require_csr(pem: str, names: list[str]) -> None:
    """Refuse a CSR that cannot be parsed, is not signed by its own key, has a weak key, or asks for other names."""
    if "PRIVATE KEY" in pem:
        raise Refused(422, "csr-refused", "that is a private key", {"csr": "a private key"})
    try:
        csr = x509.load_pem_x509_csr(pem.encode())
        is_own = csr.is_signature_valid
        san = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise Refused(422, "csr-refused", "the CSR cannot be read, or names nothing", {"csr": str(error)}) from error
    if not is_own:
        raise Refused(422, "csr-refused", "the CSR is not signed by its own key", {"csr": "signature"})
    _public_key(csr)
    if set(san.get_values_for_type(x509.DNSName)) != set(names):
        raise Refused(422, "csr-refused", "the CSR asks for other names", {"csr": "names", "names": "not the CSR's"})


def _public_key(csr: x509.CertificateSigningRequest) -> PublicKey:
    key = csr.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return key
    raise Refused(422, "csr-refused", "the key is weak or of an unknown kind", {"csr": "key"})


def _require_names(names: list[str], dcv: str) -> None:
    bad = {name: "; ".join(host_name_faults(name.removeprefix("*."))) for name in names}
    if dcv == "http-csr-hash":
        bad |= {name: "a wildcard cannot be validated by a file" for name in names if name.startswith("*.")}
    fields = {f"names[{name}]": why for name, why in bad.items() if why}
    if not names or len(set(names)) != len(names):
        fields["names"] = "at least one, and each once"
    if fields:
        raise Refused(422, "names-refused", "not all names can be ordered", fields)
