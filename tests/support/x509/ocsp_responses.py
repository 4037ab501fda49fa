"""OCSP responses for tests: each is good by default, and each argument changes one thing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from audit.x509.der import elements
from tests.support.x509.certificates import NOW
from tests.support.x509.crls import pointing
from tests.support.x509.paths import Fields, Key, Made, key_id, new_ca, new_leaf, new_root, signed, tlv, usage

HOUR: Final = timedelta(hours=1)
CRL_URL: Final = "http://ca.example.com/ca.crl"
OCSP_URL: Final = "http://ocsp.example.com/"
ROOT_CRL_URL: Final = "http://ca.example.com/root.crl"
_RESPONSES: Final = 2  # the index of the statuses in the ResponseData
GOOD: Final = ocsp.OCSPCertStatus.GOOD
REVOKED: Final = ocsp.OCSPCertStatus.REVOKED
UNKNOWN: Final = ocsp.OCSPCertStatus.UNKNOWN

ROOT: Final = new_root("CN=Revocation Root")
CA: Final = new_ca(ROOT, "CN=Revocation CA")
LEAF: Final = new_leaf(CA)


def responders(*urls: str) -> x509.AuthorityInformationAccess:
    """Return the extension that names OCSP responders."""
    return x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url))
            for url in urls
        ]
    )


ASKED: Final = LEAF.having(pointing(CRL_URL)).having(responders(OCSP_URL))
"""A leaf that names a CRL and an OCSP responder."""


def delegate(issuer: Made = CA, *extensions: x509.ExtensionType) -> Made:
    """Return a responder to which a CA has delegated its OCSP signing."""
    made = (
        Made("CN=Responder")
        .having(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]))
        .having(usage("digital_signature"), critical=True)
        .by(issuer)
    )
    for extension in extensions:
        made = made.having(extension)
    return made


@dataclass(frozen=True, slots=True)
class Answer:
    """A response to make: by default the issuer's, one hour old and valid for a day, with the status good."""

    about: Made = ASKED
    issuer: Made = CA
    status: ocsp.OCSPCertStatus = GOOD
    signer: Made | None = None
    key: Key | None = None
    named: ocsp.OCSPResponderEncoding = ocsp.OCSPResponderEncoding.NAME
    digest: hashes.HashAlgorithm = field(default_factory=hashes.SHA1)
    this_update: datetime = NOW - HOUR
    next_update: datetime | None = NOW + 23 * HOUR
    reason: x509.ReasonFlags | None = None
    sent: tuple[Made, ...] = ()
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = ()
    edits: tuple[Callable[[Fields], Fields], ...] = ()

    def but(self, **changes: object) -> Answer:
        """Return it with other values."""
        return replace(self, **changes)  # type: ignore[arg-type]  # any field

    def by(self, signer: Made, *sent: Made) -> Answer:
        """Return it signed by another signer, with its certificate unless others are given."""
        return replace(self, signer=signer, sent=sent or (signer,))

    @property
    def der(self) -> bytes:
        """The response in DER."""
        signer = self.signer or self.issuer
        revoked = self.status is REVOKED
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                x509.load_der_x509_certificate(self.about.der),
                x509.load_der_x509_certificate(self.issuer.der),
                self.digest,
                self.status,
                self.this_update,
                self.next_update,
                NOW - 48 * HOUR if revoked else None,
                self.reason if revoked else None,
            )
            .responder_id(self.named, x509.load_der_x509_certificate(signer.der))
        )
        if self.sent:
            builder = builder.certificates(
                [x509.load_der_x509_certificate(certificate.der) for certificate in self.sent]
            )
        for extension, critical in self.extensions:
            builder = builder.add_extension(extension, critical)
        own: Any = signer.private_key
        der = builder.sign(own, hashes.SHA256()).public_bytes(Encoding.DER)
        return edited(der, self.edits, self.key or own) if self.edits or self.key else der


def _response_data(der: bytes) -> Fields:
    """Return the fields of the ResponseData of a response (RFC 6960 4.2.1)."""
    _, wrapped = elements(elements(der)[0].content)
    _, octets = elements(elements(wrapped.content)[0].content)
    return [element.encoding for element in elements(elements(elements(octets.content)[0].content)[0].content)]


def edited(der: bytes, edits: Iterable[Callable[[Fields], Fields]], key: Key) -> bytes:
    """Return a response with fields of its ResponseData replaced, and a new signature."""
    status, wrapped = elements(elements(der)[0].content)
    kind, octets = elements(elements(wrapped.content)[0].content)
    fields = _response_data(der)
    for edit in edits:
        fields = edit(fields)
    basic = signed(fields, octets.content, key)
    return tlv(0x30, status.encoding, tlv(0xA0, tlv(0x30, kind.encoding, tlv(0x04, basic))))


def status_added(answer: Answer) -> Callable[[Fields], Fields]:
    """Return an edit that appends the statuses of another response."""
    added = elements(_response_data(answer.der)[_RESPONSES])[0].content
    return lambda fields: [
        tlv(0x30, elements(field)[0].content, added) if index == _RESPONSES else field
        for index, field in enumerate(fields)
    ]


def refusing(status: ocsp.OCSPResponseStatus) -> bytes:
    """Return a response with an error status."""
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)


def rekeyed(made: Made, key: Key) -> Made:
    """Return a certificate for another key."""
    return replace(made, key=key).having(key_id(key))
