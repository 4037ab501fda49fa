"""Looks a serial number up in a CRL at once: the library goes through all entries, some hundred thousand, each time.

It judges nothing and answers all else as the library does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any, cast

from cryptography import x509

from audit.crl import RevocationList


class _Indexed:
    """A list of the library's with an index of its serial numbers, made at the first look-up."""

    def __init__(self, parsed: x509.CertificateRevocationList) -> None:
        self._parsed = parsed

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the library has
        return getattr(self._parsed, name)

    def __iter__(self) -> Iterator[x509.RevokedCertificate]:
        return iter(self._parsed)

    @cached_property
    def _serials(self) -> frozenset[int]:
        return frozenset(entry.serial_number for entry in self._parsed)

    def get_revoked_certificate_by_serial_number(self, serial: int) -> x509.RevokedCertificate | None:
        if serial not in self._serials:
            return None
        return self._parsed.get_revoked_certificate_by_serial_number(serial)


@lru_cache(maxsize=64)
def indexed(crl: RevocationList) -> RevocationList:
    """Return a CRL in which certificates are looked up at once; always the same one for the same CRL."""
    return replace(crl, parsed=cast("x509.CertificateRevocationList", _Indexed(crl.parsed)))
