"""The tag, length and value of DER elements (X.690), for the few fields that are wanted as raw bytes.

It knows no meaning of any element and decodes none.
"""

from __future__ import annotations

from typing import NamedTuple

_VERSION = 0xA0  # [0] EXPLICIT: the version of a TBSCertificate, which version 1 leaves out
_SPKI = 5  # after serialNumber, signature, issuer, validity, subject (RFC 5280 4.1)


class Element(NamedTuple):
    """One element: its tag octet, its contents, and the whole of it."""

    tag: int
    content: bytes
    whole: bytes


def elements(contents: bytes) -> list[Element]:
    """Split contents into the elements they consist of; raises ValueError where they do not."""
    found, start = [], 0
    while start < len(contents):
        element = _at(contents, start)
        found.append(element)
        start += len(element.whole)
    return found


def spki_of(tbs_certificate: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a TBSCertificate as it stands there; raises ValueError."""
    fields = elements(_at(tbs_certificate, 0).content)
    if fields and fields[0].tag == _VERSION:
        del fields[0]
    if len(fields) <= _SPKI:
        raise ValueError("no SubjectPublicKeyInfo")
    return fields[_SPKI].whole


def _at(contents: bytes, begin: int) -> Element:
    """Return the element that begins there; what comes before and after it is not copied."""
    if len(contents) < begin + 2:
        raise ValueError("an element is cut short")
    size, start = contents[begin + 1], begin + 2
    if size >= 0x80:  # the long form: the low bits count the octets of the length
        octets = size & 0x7F
        size = int.from_bytes(contents[start : start + octets])
        start += octets
    end = start + size
    if end > len(contents):
        raise ValueError("an element is longer than what holds it")
    return Element(contents[begin], contents[start:end], contents[begin:end])
