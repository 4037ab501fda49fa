"""CRLs and OCSP responses of the lab's CAs: valid ones, and one for each way in which they can be invalid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from tests.support.x509.ca import SHA256, Identity, Leaf, issue

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_UNSPECIFIED: Final = x509.ReasonFlags.unspecified

Responder = Callable[[bytes], bytes]
"""What makes an answer of a request."""


@dataclass(frozen=True, slots=True)
class Registry:
    """What a CA has revoked, by serial number, and everything it says of that."""

    issuer: Identity
    now: datetime
    revoked: dict[int, x509.ReasonFlags] = field(default_factory=dict)

    def revoke(self, certificate: x509.Certificate, reason: x509.ReasonFlags = _UNSPECIFIED) -> None:
        """Revoke a certificate."""
        self.revoked[certificate.serial_number] = reason

    def crl(self, *, age: timedelta = _HOUR, by: Identity | None = None, is_delta: bool = False) -> bytes:
        """Return the CRL in DER, in force for a week since some time, signed by the CA or another key."""
        began = self.now - age
        key = (by or self.issuer).key
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.issuer.subject)
            .last_update(began)
            .next_update(began + 7 * _DAY)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.issuer.key.public_key()), False)
            .add_extension(x509.CRLNumber(2), False)
        )
        if is_delta:
            builder = builder.add_extension(x509.DeltaCRLIndicator(1), critical=True)
        for serial, reason in self.revoked.items():
            builder = builder.add_revoked_certificate(_entry(serial, reason, began))
        return builder.sign(key, SHA256).public_bytes(Encoding.DER)

    def about(self, certificate: x509.Certificate) -> bytes:
        """Return a request about a certificate."""
        builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, self.issuer.certificate, hashes.SHA256())
        return builder.build().public_bytes(Encoding.DER)

    def answer(self, request: bytes, *, age: timedelta = _HOUR, by: Identity | None = None,
               status: ocsp.OCSPCertStatus | None = None, serial: int = 0) -> bytes:  # fmt: skip
        """Return an OCSP answer for a day since some time, by the CA itself or by whom it made its responder."""
        asked = ocsp.load_der_ocsp_request(request)
        reason = self.revoked.get(asked.serial_number)
        result = status or (ocsp.OCSPCertStatus.GOOD if reason is None else ocsp.OCSPCertStatus.REVOKED)
        is_revoked = result is ocsp.OCSPCertStatus.REVOKED
        began, signer = self.now - age, by or self.issuer
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            asked.issuer_name_hash,
            asked.issuer_key_hash,
            serial or asked.serial_number,
            asked.hash_algorithm,
            result,
            began,
            began + _DAY,
            began if is_revoked else None,
            reason if is_revoked and reason is not _UNSPECIFIED else None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
        if by is not None:
            builder = builder.certificates([by.certificate])
        return builder.sign(signer.key, SHA256).public_bytes(Encoding.DER)

    def responders(self) -> Mapping[str, Responder]:
        """Return by the name of its way of answering every responder that there is."""
        usages = (ExtendedKeyUsageOID.OCSP_SIGNING,)
        own = issue(Leaf("Lab Responder", (), self.now - _DAY, usages=usages), self.issuer)
        impostor = issue(Leaf("Lab Impostor", (), self.now - _DAY), self.issuer)
        return {
            "good": self.answer,
            "delegated": lambda request: self.answer(request, by=own),
            "wrong-signer": lambda request: self.answer(request, by=impostor),
            "expired": lambda request: self.answer(request, age=9 * _DAY),
            "of-tomorrow": lambda request: self.answer(request, age=-_DAY),
            "unknown": lambda request: self.answer(request, status=ocsp.OCSPCertStatus.UNKNOWN),
            "of-another": lambda request: self.answer(request, serial=1),
            "try-later": lambda _: _refusal(ocsp.OCSPResponseStatus.TRY_LATER),
            "unauthorized": lambda _: _refusal(ocsp.OCSPResponseStatus.UNAUTHORIZED),
            "garbage": lambda _: b"<html>502 Bad Gateway</html>",
            "nothing": lambda _: b"",
        }

    def lists(self) -> Mapping[str, bytes]:
        """Return by name every CRL that is invalid."""
        other = issue(Leaf("Lab Other", (), self.now - _DAY), None)
        return {
            "expired": self.crl(age=9 * _DAY),
            "of-tomorrow": self.crl(age=-_DAY),
            "wrong-signer": self.crl(by=other),
            "delta": self.crl(is_delta=True),
            "garbage": b"<html>404 Not Found</html>",
            "nothing": b"",
        }


def pointing(url: str) -> x509.CRLDistributionPoints:
    """Return the extension that says where a CRL is."""
    return x509.CRLDistributionPoints(
        [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)]
    )  # fmt: skip


def access(issuer_url: str, ocsp_url: str = "") -> x509.AuthorityInformationAccess:
    """Return the extension that says where the issuer's certificate is, and where its responder."""
    named = [(AuthorityInformationAccessOID.CA_ISSUERS, issuer_url)]
    named += [(AuthorityInformationAccessOID.OCSP, ocsp_url)] if ocsp_url else []
    return x509.AuthorityInformationAccess(
        [x509.AccessDescription(oid, x509.UniformResourceIdentifier(url)) for oid, url in named]
    )


def _entry(serial: int, reason: x509.ReasonFlags, when: datetime) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when)
    if reason is not _UNSPECIFIED:  # RFC 5280 5.3.1: it is left out then
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    return builder.build()


def _refusal(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
