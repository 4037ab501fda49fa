"""CRLs and OCSP responses that are signed again with SHA-1, which the library's builders refuse."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from audit.x509.der import elements, encode_oid
from tests.support.x509.paths import Made, tlv

_ECDSA_WITH_SHA1: Final = tlv(0x30, encode_oid("1.2.840.10045.4.1"))


def crl_by_sha1(der: bytes, issuer: Made) -> bytes:
    """Return a CRL of the same contents, signed with SHA-1."""
    version, _, *others = elements(elements(elements(der)[0].content)[0].content)
    body = tlv(0x30, version.encoding, _ECDSA_WITH_SHA1, *(field.encoding for field in others))
    return tlv(0x30, body, _ECDSA_WITH_SHA1, _signature(body, issuer))


def response_by_sha1(der: bytes, signer: Made) -> bytes:
    """Return an OCSP response of the same contents, signed with SHA-1."""
    status, wrapped = elements(elements(der)[0].content)
    kind, octets = elements(elements(wrapped.content)[0].content)
    data, _, _, *certificates = elements(elements(octets.content)[0].content)
    sent = (part.encoding for part in certificates)
    basic = tlv(0x30, data.encoding, _ECDSA_WITH_SHA1, _signature(data.encoding, signer), *sent)
    return tlv(0x30, status.encoding, tlv(0xA0, tlv(0x30, kind.encoding, tlv(0x04, basic))))


def _signature(body: bytes, signer: Made) -> bytes:
    key = signer.private_key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return tlv(0x03, b"\0", key.sign(body, ec.ECDSA(hashes.SHA1())))  # noqa: S303 - what the tests are about
