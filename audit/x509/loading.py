"""Calls the library `cryptography`: without its warnings, and with one error for everything that it cannot read.

The filters of warnings belong to the whole process. No other module of the audit changes them, and the lock is here.

Two values make the library refuse all extensions of a certificate, though clients ignore them: a TLS feature (RFC 7633)
that it has no name for, and a path length in a certificate that is not a CA's. They are left out of a copy, and the
copy is read instead.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from audit.x509.der import Element, elements, encoded, read_oid
from audit.x509.raw import BASIC_CONSTRAINTS, TLS_FEATURE

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
_KNOWN_FEATURES: Final = frozenset(feature.value for feature in x509.TLSFeatureType)
_EMPTY: Final = b"\x30\x00"  # a SEQUENCE
_BOOLEAN, _INTEGER, _OCTETS, _SEQUENCE, _EXTENSIONS = 0x01, 0x02, 0x04, 0x30, 0xA3


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


def extensions_of(parsed: x509.Certificate) -> x509.Extensions:
    """Return the extensions of a certificate; raises an error of `LIBRARY_ERRORS` if they are malformed."""
    try:
        return parsed.extensions
    except (KeyError, ValueError) as error:
        try:
            return _simplified(parsed.public_bytes(Encoding.DER)).extensions
        except (KeyError, TypeError, ValueError):
            raise error from None  # the error about the certificate itself


def _simplified(der: bytes) -> x509.Certificate:
    """Return a certificate without the values that the library refuses; its signature is no longer valid."""
    tbs, *signature = elements(elements(der)[0].content)
    fields = [
        encoded(_EXTENSIONS, encoded(_SEQUENCE, *filter(None, map(_extension, _inner(_inner(field.encoding)[0])))))
        if field.tag == _EXTENSIONS
        else field.encoding
        for field in elements(tbs.content)
    ]
    return load_certificate(encoded(_SEQUENCE, encoded(_SEQUENCE, *fields), *(part.encoding for part in signature)))


def _inner(der: bytes) -> list[bytes]:
    return [element.encoding for element in _sequence(der)]


def _sequence(der: bytes) -> list[Element]:
    (sequence,) = elements(der)
    if sequence.tag not in (_SEQUENCE, _EXTENSIONS):
        raise ValueError("it is not a SEQUENCE")
    return elements(sequence.content)


def _extension(der: bytes) -> bytes:
    """Return an extension without values that the library refuses; nothing if it is then empty and not critical."""
    oid, *flag, value = _sequence(der)
    simplify = _SIMPLER.get(read_oid(oid))
    if simplify is None:
        return der
    simpler = simplify(value.content)
    if simpler == _EMPTY and read_oid(oid) == TLS_FEATURE and not flag:
        return b""
    return encoded(_SEQUENCE, oid.encoding, *(element.encoding for element in flag), encoded(_OCTETS, simpler))


def _features(value: bytes) -> bytes:
    features = _sequence(value)
    if not features:
        raise ValueError("the TLS features are empty")
    return encoded(
        _SEQUENCE, *(feature.encoding for feature in features if feature_number(feature.content) in _KNOWN_FEATURES)
    )


def feature_number(content: bytes) -> int:
    """Return the number of a TLS feature from the contents of its INTEGER."""
    return int.from_bytes(content, signed=True)


def _constraints(value: bytes) -> bytes:
    parts = _sequence(value)
    is_ca = any(part.tag == _BOOLEAN and part.content != b"\0" for part in parts)
    return encoded(_SEQUENCE, *(part.encoding for part in parts if is_ca or part.tag != _INTEGER))


_SIMPLER: Final[dict[str, Callable[[bytes], bytes]]] = {TLS_FEATURE: _features, BASIC_CONSTRAINTS: _constraints}
