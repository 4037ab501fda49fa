"""Reads certificates from PEM text, and from files in PEM, DER or PKCS#7."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from audit.x509.der import Element, elements, encode_oid
from audit.x509.loading import LIBRARY_ERRORS, unwarned

MAX_CERTIFICATES: Final = 20  # of one file; a bundle of cross-certificates has some five

_BLOCK: Final = re.compile(
    r"-----BEGIN (?P<label>[A-Z0-9 ]+)-----(?P<body>.*?)(?:(?P<end>-----END (?P=label)-----)|(?=-----BEGIN ))",
    re.DOTALL,
)
_CERTIFICATE: Final = ("CERTIFICATE", "X509 CERTIFICATE")  # RFC 7468 5.1 and the older label
_PKCS7: Final = ("PKCS7", "CMS")  # RFC 7468 8 and 9
_LINE_ENDS: Final = (b"", b"\n", b"\r\n")
_SEQUENCE: Final = 0x30
_CONTEXT_0: Final = 0xA0
_SIGNED_DATA: Final = encode_oid("1.2.840.113549.1.7.2")


def certificate_blocks(text: str) -> tuple[bytes | None, ...]:
    """Return the DER of each PEM block of a certificate, in order; None if the block has no end or is not base64."""
    return _blocks(text, _CERTIFICATE)


def certificates_in(text: str) -> tuple[bytes, ...]:
    """Return the certificates of a PEM text in their order; raises ValueError if a block of one is broken."""
    return _complete(certificate_blocks(text))


def certificates_of(content: bytes) -> tuple[bytes, ...]:
    """Return the first `MAX_CERTIFICATES` certificates of a file in PEM, DER or PKCS#7; () for any other format."""
    try:
        if b"-----BEGIN" in content:
            blocks = _complete(_blocks(content.decode("ascii", "replace"), (*_CERTIFICATE, *_PKCS7)))
            return tuple(der for block in blocks for der in _of_der(block))[:MAX_CERTIFICATES]
        return _of_der(content)[:MAX_CERTIFICATES]
    except ValueError:
        return ()


def _blocks(text: str, labels: Collection[str]) -> tuple[bytes | None, ...]:
    return tuple(
        _decoded(match["body"]) if match["end"] else None for match in _BLOCK.finditer(text) if match["label"] in labels
    )


def _decoded(body: str) -> bytes | None:
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except ValueError:
        return None


def _complete(blocks: tuple[bytes | None, ...]) -> tuple[bytes, ...]:
    complete = tuple(block for block in blocks if block is not None)
    if len(complete) < len(blocks):
        raise ValueError("a PEM block has no end or is not base64")
    return complete


def _of_der(content: bytes) -> tuple[bytes, ...]:
    """Return the certificate or those of a SignedData; raises ValueError if the content is neither."""
    for read in (_by_library, _by_elements):
        with suppress(*LIBRARY_ERRORS):
            return _without_line_end(content, read)
    raise ValueError("neither a certificate nor PKCS#7")


def _by_library(content: bytes) -> tuple[bytes, ...]:
    """Return the certificates of a SignedData, in BER too; raises an error of `LIBRARY_ERRORS` if any is malformed."""
    if _SIGNED_DATA not in content[:32]:
        raise ValueError("not PKCS#7")
    with unwarned():
        return tuple(
            certificate.public_bytes(Encoding.DER) for certificate in pkcs7.load_der_pkcs7_certificates(content)
        )


def _by_elements(content: bytes) -> tuple[bytes, ...]:
    """Return the certificates, malformed ones too: one of them must not hide the others. Raises ValueError."""
    outer = elements(content)
    if len(outer) != 1 or outer[0].tag != _SEQUENCE:
        raise ValueError("neither a certificate nor PKCS#7")
    inner = elements(outer[0].content)
    if not inner or inner[0].encoding != _SIGNED_DATA:
        return (outer[0].encoding,)
    explicit = _first(inner[1:], _CONTEXT_0)
    (signed,) = elements(explicit.content)
    certificates = _first(elements(signed.content), _CONTEXT_0)
    return tuple(element.encoding for element in elements(certificates.content) if element.tag == _SEQUENCE)


def _without_line_end(content: bytes, read: Callable[[bytes], tuple[bytes, ...]]) -> tuple[bytes, ...]:
    """Read a file as it is, else without its last line break: some CAs add one, and a signature may end in one."""
    for end in _LINE_ENDS:
        if content.endswith(end):
            with suppress(*LIBRARY_ERRORS):
                return read(content.removesuffix(end))
    raise ValueError("not DER")


def _first(candidates: list[Element], tag: int) -> Element:
    """Return the first element of a tag; raises ValueError if there is none."""
    for element in candidates:
        if element.tag == tag:
            return element
    raise ValueError(f"no element of tag {tag:#x}")
