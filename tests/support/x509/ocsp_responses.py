"""OCSP answers for tests: each is a good one, and every argument changes one thing of it.

It knows RFC 6960 and none of the rules by which an answer is judged.
"""

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
"""A leaf that names both."""


def delegate(issuer: Made = CA, *extensions: x509.ExtensionType) -> Made:
    """Return the responder that a CA made its own."""
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
    """An answer to be made: by default the issuer says that the leaf is good, as of an hour ago and for a day."""

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
        """Return it with something else."""
        return replace(self, **changes)  # type: ignore[arg-type]  # whatever a field holds

    def by(self, signer: Made, *sent: Made) -> Answer:
        """Have it signed by somebody else, whose certificate is sent unless others are."""
        return replace(self, signer=signer, sent=sent or (signer,))

    @property
    def der(self) -> bytes:
        """The answer."""
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
            builder = builder.certificates([x509.load_der_x509_certificate(one.der) for one in self.sent])
        for extension, critical in self.extensions:
            builder = builder.add_extension(extension, critical)
        own: Any = signer.private_key
        der = builder.sign(own, hashes.SHA256()).public_bytes(Encoding.DER)
        return edited(der, self.edits, self.key or own) if self.edits or self.key else der


def edited(der: bytes, edits: Iterable[Callable[[Fields], Fields]], key: Key) -> bytes:
    """Return an answer with fields of its ResponseData replaced, signed anew."""
    status, wrapped = elements(elements(der)[0].content)
    kind, octets = elements(elements(wrapped.content)[0].content)
    fields = [one.whole for one in elements(elements(elements(octets.content)[0].content)[0].content)]
    for edit in edits:
        fields = edit(fields)
    basic = signed(fields, octets.content, key)
    return tlv(0x30, status.whole, tlv(0xA0, tlv(0x30, kind.whole, tlv(0x04, basic))))


def refusing(status: ocsp.OCSPResponseStatus) -> bytes:
    """Return that there is no answer, and why."""
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)


def rekeyed(made: Made, key: Key) -> Made:
    """Return a certificate for another key."""
    return replace(made, key=key).having(key_id(key))
