"""OCSP (RFC 6960): the request about a certificate, and the status in a response, from bytes alone.

A response counts only if it is about the certificate and an authorized responder signed it. Nothing here raises for any
bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from audit.x509.certificate import Certificate, read_certificate
from audit.x509.der import Element, elements, read_oid
from audit.x509.fields import CanonicalName, canonical
from audit.x509.loading import LIBRARY_ERRORS, UnreadableField, unwarned
from audit.x509.raw import octets_in
from audit.x509.revocation.basis import Tolerance
from audit.x509.signatures import Signature
from audit.x509.violation import Violation

MAX_OCSP_OCTETS: Final = 256 * 1024  # a response has some 500 bytes, with the signer's certificate some 2,000
_MAX_CERTIFICATES: Final = 8
_MAX_RESPONSES: Final = 256
_SCTS: Final = "1.3.6.1.4.1.11129.2.4.5"
_NONCE: Final = "1.3.6.1.5.5.7.48.1.2"  # id-pkix-ocsp-nonce (RFC 9654)
_EXTENSIONS: Final = 0xA1  # [1]: of the response as a whole, and of each single response
_REQUEST_EXTENSIONS: Final = 0xA2  # [2] of a TBSRequest
_OCTET_STRING: Final = 0x04
_DIGESTS: Final = ("sha1", "sha256", "sha384", "sha512")
_STATUSES: Final = {
    ocsp.OCSPResponseStatus.MALFORMED_REQUEST: "malformedRequest: the responder cannot parse the request",
    ocsp.OCSPResponseStatus.INTERNAL_ERROR: "internalError: the responder has an internal error",
    ocsp.OCSPResponseStatus.TRY_LATER: "tryLater: the responder has no response now",
    ocsp.OCSPResponseStatus.SIG_REQUIRED: "sigRequired: the responder requires signed requests",
    ocsp.OCSPResponseStatus.UNAUTHORIZED: "unauthorized: the responder does not serve this certificate",
}


@dataclass(frozen=True, slots=True)
class SingleResponse:
    """The status of one certificate, which is identified by digests of its issuer's name and key."""

    digest: str
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    serial: int
    status: ocsp.OCSPCertStatus
    this_update: datetime
    next_update: datetime | None
    revoked_at: datetime | None
    reason: x509.ReasonFlags | None
    flaws: tuple[Violation, ...]
    sct_list: bytes = b""  # of the certificate (RFC 6962 3.3)

    def is_about(self, certificate: Certificate, issuer: Certificate) -> bool:
        """Return whether it is about a certificate of that issuer (RFC 6960 4.1.1)."""
        if self.digest not in _DIGESTS or self.serial != certificate.serial_number:
            return False
        named = _digest(self.digest, issuer_octets(certificate)), _digest(self.digest, key_octets(issuer))
        return named == (self.issuer_name_hash, self.issuer_key_hash)


@dataclass(frozen=True, slots=True, eq=False)
class OcspResponse:
    """A readable response; equal to itself only. `responder` is a name, or the SHA-1 of a key."""

    responder: CanonicalName | bytes
    singles: tuple[SingleResponse, ...]
    certificates: tuple[Certificate, ...] = field(repr=False)
    signature: Signature = field(repr=False)
    nonce: bytes | None
    flaws: tuple[Violation, ...]  # the response cannot be used because of these


def ocsp_request(certificate: Certificate, issuer: Certificate, *, nonce: bytes | None = None) -> bytes | None:
    """Return the request about a certificate in DER; None if its serial number cannot be encoded in one.

    The digest is SHA-1: every responder supports it (RFC 5019 2.1.1, RFC 6960 4.3), and no security depends on it here.
    """
    try:
        name, key = _digest("sha1", issuer_octets(certificate)), _digest("sha1", key_octets(issuer))
        sha1 = hashes.SHA1()  # noqa: S303 - as above
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(name, key, certificate.serial_number, sha1)
        builder = builder if nonce is None else builder.add_extension(x509.OCSPNonce(nonce), critical=False)
        return builder.build().public_bytes(Encoding.DER)
    except (*LIBRARY_ERRORS, IndexError):
        return None


def nonce_of(request: bytes) -> bytes | None:
    """Return the nonce of a request, of any number of certificates; None if it has none. Never raises."""
    try:
        return _nonce(elements(elements(elements(request)[0].content)[0].content), _REQUEST_EXTENSIONS)
    except (ValueError, IndexError):
        return None


@lru_cache(maxsize=1024)
def read_ocsp(der: bytes) -> OcspResponse | UnreadableField:
    """Read a response from DER; an UnreadableField if it cannot be read or reports an error. Never raises."""
    if len(der) > MAX_OCSP_OCTETS:
        return UnreadableField("OCSPResponse", f"it is longer than {MAX_OCSP_OCTETS} octets")
    with unwarned():
        try:
            return _read(der)
        except (*LIBRARY_ERRORS, IndexError) as error:
            return UnreadableField("OCSPResponse", " ".join(str(error).split()) or type(error).__name__)


def validity_violations(single: SingleResponse, at: datetime, tolerance: Tolerance) -> Iterator[Violation]:
    """Yield why the status of a certificate is not current at a time (RFC 6960 3.2, 4.2.2.1)."""
    if single.this_update > at + tolerance.clocks:
        yield Violation("RFC 6960 4.2.2.1", f"the response is dated {single.this_update:%Y-%m-%d %H:%M}, in the future")
    if single.next_update is None:
        if at - single.this_update > tolerance.no_next_update_lifetime + tolerance.clocks:
            yield Violation(
                "RFC 6960 3.2", f"the response is of {single.this_update:%Y-%m-%d %H:%M} and has no nextUpdate"
            )
    elif single.next_update < single.this_update:
        yield Violation("RFC 6960 4.2.2.1", "nextUpdate is before thisUpdate")
    elif single.next_update < at - tolerance.clocks:
        yield Violation("RFC 6960 4.2.2.1", f"the next response was due {single.next_update:%Y-%m-%d %H:%M}")


def issuer_octets(certificate: Certificate) -> bytes:
    """Return the issuer's name as it is encoded in a certificate."""
    return certificate.raw.issuer.encoding


def key_octets(certificate: Certificate) -> bytes:
    """Return the public key of a certificate without its algorithm: the contents of the BIT STRING."""
    return elements(elements(certificate.raw.spki)[0].content)[1].content[1:]


def _digest(name: str, octets: bytes) -> bytes:
    return hashlib.new(name, octets, usedforsecurity=False).digest()


def _read(der: bytes) -> OcspResponse | UnreadableField:
    parsed = ocsp.load_der_ocsp_response(der)
    if parsed.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        return UnreadableField("responseStatus", _STATUSES[parsed.response_status])
    signed, algorithm, *_ = elements(elements(_basic(der))[0].content)
    _, _, responses, *extensions = elements(signed.content)  # the library reads version 1 only, which DER leaves out
    if len(elements(responses.content)) > _MAX_RESPONSES:
        return UnreadableField("responses", f"there are more than {_MAX_RESPONSES}")
    raw = [elements(response.content) for response in elements(responses.content)]
    singles = (_single(response, fields) for response, fields in zip(parsed.responses, raw, strict=True))
    certificates = (
        read_certificate(sent.public_bytes(Encoding.DER)) for sent in parsed.certificates[:_MAX_CERTIFICATES]
    )
    named = parsed.responder_name
    return OcspResponse(
        canonical(named) if named is not None else parsed.responder_key_hash or b"",
        tuple(singles),
        tuple(certificate for certificate in certificates if certificate.is_path_member),
        Signature(algorithm.encoding, parsed.signature, parsed.tbs_response_bytes),
        _nonce(extensions),
        tuple(_critical(extensions)),
    )


def _basic(der: bytes) -> bytes:
    """Return the BasicOCSPResponse in an OCSPResponse (RFC 6960 4.2.1)."""
    _, response_bytes = elements(elements(der)[0].content)
    _, octets = elements(elements(response_bytes.content)[0].content)
    return octets.content


def _single(response: ocsp.OCSPSingleResponse, fields: Sequence[Element]) -> SingleResponse:
    return SingleResponse(
        response.hash_algorithm.name,
        response.issuer_name_hash,
        response.issuer_key_hash,
        response.serial_number,
        response.certificate_status,
        response.this_update_utc,
        response.next_update_utc,
        response.revocation_time_utc,
        response.revocation_reason,
        tuple(_critical(fields[3:])),
        _sct_list(fields[3:]),
    )


def _sct_list(fields: Sequence[Element]) -> bytes:
    """Return the list of SCTs among the extensions of a single response; empty if there is none that can be read."""
    content = next((content for name, _, content in _extensions(fields) if name == _SCTS), None)
    with suppress(ValueError):
        return b"" if content is None else octets_in(_SCTS, content)
    return b""


def _extensions(fields: Sequence[Element], tag: int = _EXTENSIONS) -> Iterator[tuple[str, bool, bytes]]:
    """Yield object identifier, whether it is critical, and contents of the extensions among fields."""
    for tagged in (element for element in fields if element.tag == tag):
        for extension in elements(elements(tagged.content)[0].content):
            name, *flag, content = elements(extension.content)
            yield read_oid(name), any(flag[0].content) if flag else False, content.content


def _critical(fields: Sequence[Element]) -> Iterator[Violation]:
    for name, is_critical, _ in _extensions(fields):
        if is_critical and name != _NONCE:
            yield Violation("RFC 6960 4.4", f"the response has an unknown critical extension ({name})")


def _nonce(fields: Sequence[Element], tag: int = _EXTENSIONS) -> bytes | None:
    nonce = next((content for name, _, content in _extensions(fields, tag) if name == _NONCE), None)
    if nonce is None:
        return None
    try:
        inner = elements(nonce)
    except ValueError:  # RFC 2560 did not say that it is an OCTET STRING
        return nonce
    return inner[0].content if len(inner) == 1 and inner[0].tag == _OCTET_STRING else nonce
