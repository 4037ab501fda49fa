"""Certificate transparency logs for tests: they sign SCTs, and stand in a log list."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.x509.raw import SCTS
from audit.x509.transparency.log_list import LogList, read_log_list
from tests.support.x509.certificates import DAY, NOW, Draft, key_named, rsa_key
from tests.support.x509.paths import tlv

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LISTED: Final = NOW - DAY
"""The date of a list, unless a test gives another."""


def prefixed(octets: bytes, size: int = 2) -> bytes:
    """Return octets after their length."""
    return len(octets).to_bytes(size) + octets


@dataclass(frozen=True, slots=True)
class Log:
    """A log: by default usable for a year."""

    name: str
    operator: str
    state: str = "usable"
    since: datetime = NOW - 365 * DAY
    group: str = "logs"
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None
    previous: tuple[tuple[str, datetime], ...] = ()
    further: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def but(self, **changes: Any) -> Log:  # noqa: ANN401 - any field
        """Return it with other values, and the same key."""
        return replace(self, **{"key": self.private_key, **changes})

    @property
    def private_key(self) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
        """Its key."""
        return self.key or key_named(f"log {self.name}")

    @property
    def spki(self) -> bytes:
        """Its public key in DER."""
        return self.private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def log_id(self) -> bytes:
        """The SHA-256 of its key."""
        return hashlib.sha256(self.spki).digest()

    @property
    def entry(self) -> dict[str, Any]:
        """Its entry in a list."""
        return {
            "description": self.name,
            "log_id": base64.b64encode(self.log_id).decode(),
            "key": base64.b64encode(self.spki).decode(),
            "url": "https://ct.example.com/",
            "mmd": 86400,
            "state": {self.state: {"timestamp": f"{self.since:%Y-%m-%dT%H:%M:%SZ}"}},
            "previous_operators": [
                {"name": name, "end_time": f"{until:%Y-%m-%dT%H:%M:%SZ}"} for name, until in self.previous
            ],
            **self.further,
        }

    def sct(self, entry: bytes, at: datetime = NOW - 20 * DAY, extensions: bytes = b"") -> bytes:
        """Return an SCT of this log over an entry, which has its type and length before it (RFC 6962 3.2)."""
        moment = ((at - EPOCH) // timedelta(milliseconds=1)).to_bytes(8)
        signed = b"\0\0" + moment + entry + prefixed(extensions)
        key = self.private_key
        if isinstance(key, rsa.RSAPrivateKey):
            algorithm, signature = b"\4\1", key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        else:
            algorithm, signature = b"\4\3", key.sign(signed, ec.ECDSA(hashes.SHA256()))
        return b"\0" + self.log_id + moment + prefixed(extensions) + algorithm + prefixed(signature)


ARGON: Final = Log("argon", "Operator A")
XENON: Final = Log("xenon", "Operator A")
NESSIE: Final = Log("nessie", "Operator B")
TILED: Final = Log("tiled", "Operator C", group="tiled_logs")
EVERY: Final = (ARGON, XENON, NESSIE, TILED)


def listed(*scts: bytes) -> bytes:
    """Return a SignedCertificateTimestampList."""
    return prefixed(b"".join(map(prefixed, scts)))


def as_extension(octets: bytes, oid: str = SCTS) -> x509.UnrecognizedExtension:
    """Return the extension that holds a list of SCTs."""
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), tlv(4, octets))


def of_certificate(der: bytes) -> bytes:
    """Return the entry of a certificate itself."""
    return b"\0\0" + prefixed(der, 3)


def of_precertificate(draft: Draft) -> bytes:
    """Return the entry of the precertificate of a draft: what the library makes of it, without a list of SCTs."""
    assert draft.issuer
    issuer = x509.load_der_x509_certificate(draft.issuer.der).public_key()
    spki = issuer.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    placeholder = replace(draft, extra=(*draft.extra, as_extension(listed())))
    tbs = x509.load_der_x509_certificate(placeholder.der).tbs_precertificate_bytes
    return b"\0\1" + hashlib.sha256(spki).digest() + prefixed(tbs, 3)


@cache
def logged(draft: Draft, *logs: Log, at: datetime = NOW - 20 * DAY) -> Draft:
    """Return a draft with SCTs of these logs; its serial number is fixed, because they sign it."""
    draft = replace(draft, serial=draft.serial or 0x51)
    entry = of_precertificate(draft)
    return replace(draft, extra=(*draft.extra, as_extension(listed(*(log.sct(entry, at) for log in logs)))))


def list_json(*logs: Log, issued: datetime = LISTED, **further: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Return a log list as a file, by default of every log."""
    operators: dict[str, dict[str, Any]] = {}
    for log in logs or EVERY:
        empty = {"name": log.operator, "email": [], "logs": [], "tiled_logs": []}
        operators.setdefault(log.operator, empty)[log.group].append(log.entry)
    head = {"version": "71.4", "log_list_timestamp": f"{issued:%Y-%m-%dT%H:%M:%SZ}"}
    return json.dumps({**head, "operators": list(operators.values()), **further}).encode()


def log_list(*logs: Log, issued: datetime = LISTED) -> LogList:
    """Return a log list, by default of every log."""
    return read_log_list(list_json(*logs, issued=issued))


def changed(content: bytes, change: Iterable[str | int], value: object) -> bytes:
    """Return a list with the value at a place replaced; None removes the key."""
    document = json.loads(content)
    *way, last = change
    place = document
    for step in way:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return json.dumps(document).encode()


RSA_LOG: Final = Log("rsa", "Operator D", key=rsa_key(2048))
