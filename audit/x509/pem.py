"""PEM and PKCS#7 texts to DER certificates."""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from typing import Final

from audit.x509.der import Element, elements

_BLOCK: Final = re.compile(r"-----BEGIN CERTIFICATE-----(?P<body>.*?)-----END CERTIFICATE-----", re.DOTALL)


def certificates_in(text: str) -> tuple[bytes, ...]:
    """Return the certificates in their order, whatever stands between them; raises ValueError for what is no base64."""
    return tuple(base64.b64decode("".join(match["body"].split()), validate=True) for match in _BLOCK.finditer(text))


MAX_CERTIFICATES: Final = 20  # of one file; a bundle of cross-certificates has some five

_LINE_ENDS: Final = (b"", b"\n", b"\r\n")
_SEQUENCE: Final = 0x30
_OID: Final = 0x06
_CONTEXT_0: Final = 0xA0
_SIGNED: Final = bytes.fromhex("2a864886f70d010702")  # 1.2.840.113549.1.7.2, id-signedData


def certificates_of(content: bytes) -> tuple[bytes, ...]:
    """Return what may be certificates in the content of a file, at most so many; none where it holds none."""
    try:
        if b"-----BEGIN" in content:
            return _of_pem(content.decode("ascii", "replace"))
        return _of_der(content)[:MAX_CERTIFICATES]
    except ValueError:
        return ()


def _of_pem(text: str) -> tuple[bytes, ...]:
    """Return the certificates of a text; where a block of it is PKCS#7, those in it."""
    signed = certificates_in(text.replace(" PKCS7-----", " CERTIFICATE-----").replace(" CMS-----", " CERTIFICATE-----"))
    return tuple(each for der in signed for each in _of_der(der))[:MAX_CERTIFICATES]


def _of_der(content: bytes) -> tuple[bytes, ...]:
    """Return the one certificate that this is, or those of a SignedData; raises ValueError."""
    outer = _outermost(content)
    if len(outer) != 1 or outer[0].tag != _SEQUENCE:
        raise ValueError("neither a certificate nor PKCS#7")
    inner = elements(outer[0].content)
    if not (inner and inner[0].tag == _OID and inner[0].content == _SIGNED):
        return (outer[0].whole,)
    explicit = _only(inner[1:], _CONTEXT_0)
    (signed,) = elements(explicit.content)
    certificates = _only(elements(signed.content), _CONTEXT_0)
    return tuple(one.whole for one in elements(certificates.content) if one.tag == _SEQUENCE)


def _outermost(content: bytes) -> list[Element]:
    """Return what a file consists of; some CAs end theirs with a line break, and so does one signature in a hundred."""
    for end in _LINE_ENDS:
        if content.endswith(end):
            with suppress(ValueError):
                return elements(content.removesuffix(end))
    raise ValueError("not DER")


def _only(found: list[Element], tag: int) -> Element:
    """Return the first element of that tag; raises ValueError where there is none."""
    for one in found:
        if one.tag == tag:
            return one
    raise ValueError(f"no element of tag {tag:#x}")
