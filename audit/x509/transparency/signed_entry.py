"""Verifies SCTs: what a log signs about a certificate (RFC 6962 3.2), and its signature."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from audit.x509.der import elements, encoded, read_oid
from audit.x509.raw import SCTS
from audit.x509.transparency.log_list import CtLog
from audit.x509.transparency.sct import Sct

_SEQUENCE, _EXTENSIONS = 0x30, 0xA3
_V1, _CERTIFICATE_TIMESTAMP = b"\0", b"\0"
_X509_ENTRY, _PRECERT_ENTRY = b"\0\0", b"\0\1"
_ALGORITHMS: Final[dict[tuple[int, int], type[ec.EllipticCurvePublicKey | rsa.RSAPublicKey]]] = {
    (4, 3): ec.EllipticCurvePublicKey,
    (4, 1): rsa.RSAPublicKey,
}
"""SHA-256 with ECDSA or RSA by their numbers of TLS 1.2: the only algorithms of logs (RFC 6962 2.1.4)."""


@lru_cache(maxsize=4096)
def is_of_log(sct: Sct, log: CtLog, certificate: bytes, issuer_spki: bytes) -> bool:
    """Return whether a log signed an SCT of a certificate (DER) whose issuer has that key; raises ValueError."""
    if not isinstance(log.key, _ALGORITHMS.get(sct.algorithm, ())):
        return False
    signed = signed_octets(sct, certificate, issuer_spki)
    try:
        if isinstance(log.key, ec.EllipticCurvePublicKey):
            log.key.verify(sct.signature, signed, ec.ECDSA(SHA256()))
        else:
            log.key.verify(sct.signature, signed, padding.PKCS1v15(), SHA256())
    except (InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def signed_octets(sct: Sct, certificate: bytes, issuer_spki: bytes) -> bytes:
    """Return what the log signs: of an embedded SCT the precertificate, of every other one the certificate itself."""
    timestamp = sct.milliseconds.to_bytes(8)
    entry = _precertificate_entry(certificate, issuer_spki) if sct.is_embedded else _certificate_entry(certificate)
    extensions = len(sct.extensions).to_bytes(2) + sct.extensions
    return _V1 + _CERTIFICATE_TIMESTAMP + timestamp + entry + extensions


def _certificate_entry(certificate: bytes) -> bytes:
    return _X509_ENTRY + len(certificate).to_bytes(3) + certificate


def _precertificate_entry(certificate: bytes, issuer_spki: bytes) -> bytes:
    tbs = tbs_without(certificate, SCTS)
    return _PRECERT_ENTRY + hashlib.sha256(issuer_spki).digest() + len(tbs).to_bytes(3) + tbs


def tbs_without(certificate: bytes, oid: str) -> bytes:
    """Return the TBSCertificate of a certificate (DER) without an extension; raises ValueError.

    Without the list of SCTs it is the TBSCertificate of the precertificate without its poison: the log replaces the
    issuer of a precertificate that a signing certificate of its own issued by that of the certificate. All other bytes
    stay as they are. Without any extension the field is absent.
    """
    tbs = elements(elements(certificate)[0].content)[0]
    fields = (
        _field_without(field.content, oid) if field.tag == _EXTENSIONS else field.encoding
        for field in elements(tbs.content)
    )
    return encoded(_SEQUENCE, *fields)


def _field_without(content: bytes, oid: str) -> bytes:
    (listed,) = elements(content)
    kept = [part.encoding for part in elements(listed.content) if read_oid(elements(part.content)[0]) != oid]
    return encoded(_EXTENSIONS, encoded(_SEQUENCE, *kept)) if kept else b""
