"""TLSA records (RFC 6698): which records bind the endpoints of a case, and which record a new key needs.

Clients that use DANE refuse a new certificate unless one record of the set matches it. The record of a new key is
always `3 1 1`, the SHA-256 of its SPKI: it is known once the key exists and before anything is ordered, it matches the
certificate of any CA and every renewal with that key, and it is valid beside records of any other usage (RFC 7671 5.1,
8.1). A record of the CA (usage 0 or 2) or of a whole certificate (selector 0) cannot be compared before the certificate
is issued, so it alone never permits an order.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.endpoint import to_address
from remediate.model.case import Case

SMTP_PORT: Final = 25
_PORT: Final = re.compile(r"://.+:(?P<port>\d+)(?:\+.*)?$")
_NAME: Final = re.compile(r"://(?P<name>[^\[\]:/+]+):\d+(?:\+.*)?$")


def questions(case: Case) -> tuple[str, ...]:
    """Return the owner names of the TLSA records of every name and port of a case: `_443._tcp.www.example.com`."""
    ports = sorted({int(match["port"]) for endpoint in case.endpoints if (match := _PORT.search(endpoint))})
    return tuple(f"_{port}._tcp.{name}" for name in dns_names(case) for port in ports)


def is_at_smtp_port(endpoint: str) -> bool:
    """Return whether an endpoint is at the port of mail servers."""
    match = _PORT.search(endpoint)
    return match is not None and int(match["port"]) == SMTP_PORT


def dns_names(case: Case) -> tuple[str, ...]:
    """Return the DNS names of a case, without addresses; a wildcard is replaced by the name below its `*.`."""
    served = (match["name"] for endpoint in case.endpoints if (match := _NAME.search(endpoint)))
    names = (name.removeprefix("*.").rstrip(".").lower() for name in (*case.names, *served))
    return tuple(sorted({name for name in names if "." in name and to_address(name) is None}))


def mail_servers(records: Iterable[str]) -> tuple[str, ...]:
    """Return the hosts that MX records name; `.` means that there is no mail (RFC 7505)."""
    hosts = (record.partition(" ")[2].strip().rstrip(".").lower() for record in records)
    return tuple(sorted({host for host in hosts if host}))


def record_of(owner: str, csr_pem: str) -> str:
    """Return the record that a new key needs, in the form of a zone file."""
    return f"{owner}. IN TLSA 3 1 1 {_digests(csr_pem)[1]}"


def is_matched(records: Iterable[str], csr_pem: str) -> bool:
    """Return whether one of these records matches every certificate with the key of this request.

    These are the records of an end entity (usage 1 or 3) that hold its SPKI (selector 1), whole or as a digest.
    """
    digests = _digests(csr_pem)
    return any(usage in (1, 3) and selector == 1 and data == digests.get(kind) for usage, selector, kind, data in
               _fields(records))  # fmt: skip


def _fields(records: Iterable[str]) -> Iterator[tuple[int, int, int, str]]:
    """Yield usage, selector, matching type and data of each record that can be read."""
    for record in records:
        usage, selector, kind, *data = record.split()
        if usage.isdigit() and selector.isdigit() and kind.isdigit():
            yield int(usage), int(selector), int(kind), "".join(data).lower()


def _digests(csr_pem: str) -> dict[int, str]:
    """Return by matching type what a record of the SPKI of a request holds."""
    request = x509.load_pem_x509_csr(csr_pem.encode("ascii"))
    spki = request.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {0: spki.hex(), 1: hashlib.sha256(spki).hexdigest(), 2: hashlib.sha512(spki).hexdigest()}
