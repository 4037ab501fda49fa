"""Splits DER into elements (X.690) and converts object identifiers, for fields that are needed as raw bytes."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

_VERSION = 0xA0  # [0] EXPLICIT: the version of a TBSCertificate, which version 1 leaves out
_OID = 0x06
_MAX_OID = 64  # octets
_SPKI = 5  # after serialNumber, signature, issuer, validity, subject (RFC 5280 4.1)


class Element(NamedTuple):
    """One element: its tag octet, its contents, and its encoding as a whole."""

    tag: int
    content: bytes
    encoding: bytes


def elements(contents: bytes) -> list[Element]:
    """Split contents into the elements they consist of; raises ValueError if they are malformed."""
    parsed, start = [], 0
    while start < len(contents):
        element = _at(contents, start)
        parsed.append(element)
        start += len(element.encoding)
    return parsed


def spki_of(tbs_certificate: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a TBSCertificate as encoded; raises ValueError."""
    return tbs_fields(tbs_certificate)[_SPKI].encoding


def tbs_fields(tbs_certificate: bytes) -> list[Element]:
    """Return the fields of a TBSCertificate from serialNumber to the last (RFC 5280 4.1); raises ValueError."""
    fields = elements(_at(tbs_certificate, 0).content)
    if fields and fields[0].tag == _VERSION:
        del fields[0]
    if len(fields) <= _SPKI:
        raise ValueError("no SubjectPublicKeyInfo")
    return fields


def encoded(tag: int, *contents: bytes) -> bytes:
    """Return an element of these contents."""
    content = b"".join(contents)
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(size))) + size + content


def read_oid(element: Element) -> str:
    """Return an OBJECT IDENTIFIER in dotted form (X.690 8.19); raises ValueError for any other element."""
    if element.tag != _OID:
        raise ValueError(f"tag {element.tag:#04x} instead of an OBJECT IDENTIFIER")
    return _dotted(element.content)


@lru_cache(maxsize=256)
def encode_oid(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER as a whole element (X.690 8.19)."""
    first, second, *rest = map(int, dotted.split("."))
    return encoded(_OID, *map(_base_128, (40 * first + second, *rest)))


def _base_128(arc: int) -> bytes:
    """Return an arc in groups of seven bits, the highest bit set in all but the last."""
    groups = range((max(arc.bit_length(), 1) + 6) // 7 - 1, -1, -1)
    return bytes((arc >> 7 * group & 0x7F) | (0x80 if group else 0) for group in groups)


@lru_cache(maxsize=1024)
def _dotted(content: bytes) -> str:
    arcs, arc = list[int](), 0
    for octet in content:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    if not arcs or content[-1] & 0x80 or len(content) > _MAX_OID:
        raise ValueError("an object identifier is empty, cut short or too long")
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def _at(contents: bytes, begin: int) -> Element:
    """Return the element that begins at an offset; nothing else is copied."""
    if len(contents) < begin + 2:
        raise ValueError("an element is cut short")
    size, start = contents[begin + 1], begin + 2
    if size >= 0x80:  # the long form: the low bits count the octets of the length
        octets = size & 0x7F
        size = int.from_bytes(contents[start : start + octets])
        start += octets
    end = start + size
    if end > len(contents):
        raise ValueError("an element is longer than the element around it")
    return Element(contents[begin], contents[start:end], contents[begin:end])
