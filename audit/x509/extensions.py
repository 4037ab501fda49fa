"""Reads the extensions of a certificate, even if the library refuses a value that clients ignore.

Two values make the library refuse all extensions of a certificate: a TLS feature (RFC 7633) that it has no name for,
and a path length in a certificate that is not a CA's. They are left out of a copy, and the copy is read instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from audit.x509.der import Element, elements, encoded, read_oid
from audit.x509.loading import load_certificate
from audit.x509.raw import BASIC_CONSTRAINTS, TLS_FEATURE

_KNOWN_FEATURES: Final = frozenset(feature.value for feature in x509.TLSFeatureType)
_EMPTY: Final = b"\x30\x00"  # a SEQUENCE
_BOOLEAN, _INTEGER, _OCTETS, _SEQUENCE, _EXTENSIONS = 0x01, 0x02, 0x04, 0x30, 0xA3


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
