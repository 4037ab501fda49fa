"""Calls the library `cryptography`: without its warnings, and with one error for everything that it cannot read.

The filters of warnings belong to the whole process. No other module of the audit changes them, and the lock is here.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

LIBRARY_ERRORS: Final = (
    ValueError,
    TypeError,  # a BIT STRING in a name
    KeyError,  # a TLS feature (RFC 7633) that the library has no name for
    UnsupportedAlgorithm,
    x509.InvalidVersion,  # not a ValueError
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for a certificate, a CRL or an OCSP response that it cannot read."""

_INVALID_DER: Final = "error parsing asn1 value"  # the rest names the types and fields of the library's parser
_FIELD: Final = re.compile(r'"\w+::([a-z]\w*)"')

_FILTERS: Final = threading.RLock()


class UnreadableField(ValueError):
    """A field of a certificate, a CRL or an OCSP response that cannot be read: its name in RFC 5280, and the reason."""

    def __init__(self, place: str, reason: str) -> None:
        """Keep both."""
        super().__init__(place, reason)
        self.place = place
        self.reason = reason

    def __str__(self) -> str:
        """Return both in one message."""
        return f"{self.place}: {self.reason}"


def as_unreadable_field(place: str, error: Exception) -> UnreadableField:
    """Return the fault of a field from what the library raised; the fault of a field within stays as it is."""
    return error if isinstance(error, UnreadableField) else UnreadableField(place, reason_of(error))


def reason_of(error: Exception) -> str:
    """Return in one line why something could not be read."""
    text = " ".join(str(error).split()) or type(error).__name__
    if text.startswith(_INVALID_DER):
        return f"{'.'.join(_FIELD.findall(text)) or 'it'} is not valid DER"
    return f"the library does not support the value {text}" if isinstance(error, KeyError) else text


@contextmanager
def unwarned() -> Iterator[None]:
    """Ignore warnings within; one thread at a time."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def load_certificate(der: bytes) -> x509.Certificate:
    """Parse a certificate from DER; raises an error of `LIBRARY_ERRORS`."""
    with unwarned():
        return x509.load_der_x509_certificate(der)
