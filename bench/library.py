"""Counts what the library `cryptography` alone reads of certificates, for comparison with this project.

It reads every field that a linter needs, and counts the exceptions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Final

from cryptography import x509

from audit.x509.certificate import Certificate

FIELDS: Final[tuple[Callable[[x509.Certificate], object], ...]] = (
    lambda parsed: parsed.subject,
    lambda parsed: parsed.issuer,
    lambda parsed: parsed.serial_number,
    lambda parsed: (parsed.not_valid_before_utc, parsed.not_valid_after_utc),
    lambda parsed: parsed.public_key(),
    lambda parsed: parsed.signature_hash_algorithm,
    lambda parsed: parsed.extensions,
)


def reads(der: bytes) -> bool:
    """Return whether the library reads all these fields of a certificate."""
    return _reads_fields(der, *FIELDS)


def figures(certificates: Iterable[Certificate]) -> tuple[str, ...]:
    """Return lines that compare what the library reads with what this project reads."""
    known = list(certificates)
    loaded, full, keys = (
        sum(_reads_fields(certificate.der, *fields) for certificate in known)
        for fields in ((), FIELDS, (lambda parsed: parsed.public_key(),))
    )  # fmt: skip
    malformed = sum(bool(certificate.faults) for certificate in known)
    of_fields = (
        f"{len(known)} certificates: the library cannot load {len(known) - loaded}, and cannot read a field or "
        f"extension of {loaded - full} more; this project loads all, and cert.malformed finds {malformed}"
    )
    readable = sum(certificate.has_readable("key") for certificate in known)
    of_keys = f"keys: the library reads {keys}, this project {readable}"
    return of_fields, of_keys


def _reads_fields(der: bytes, *fields: Callable[[x509.Certificate], object]) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = x509.load_der_x509_certificate(der)
            for read in fields:
                read(parsed)
    except Exception:  # noqa: BLE001 - any exception means that the field is not read
        return False
    return True
