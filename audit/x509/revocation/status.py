"""Whether the certificates of a path are revoked, by the OCSP responses and CRLs that were observed.

An authorized "revoked" overrides any "good". A missing or untrusted response leaves the status unknown, with a reason
(RFC 6960 3.2, RFC 5280 6.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from cryptography import x509
from cryptography.x509.ocsp import OCSPCertStatus
from cryptography.x509.oid import AuthorityInformationAccessOID

from audit.x509.certificate import Certificate
from audit.x509.fields import access_urls
from audit.x509.loading import LIBRARY_ERRORS, UnreadableField, unwarned
from audit.x509.revocation.basis import SourceStatus, StatusBasis, StatusSubject, deciding
from audit.x509.revocation.crl import RevocationList, indexed, read_crl
from audit.x509.revocation.crl_status import GivenLists, is_revoked, signer_doubt, subject_violations
from audit.x509.revocation.delegates import checked_responder
from audit.x509.revocation.ocsp import OcspResponse, SingleResponse, nonce_of, read_ocsp, validity_violations
from audit.x509.revocation.ocsp_responder import signer_violations
from audit.x509.violation import Violation

MAX_URLS: Final = 4  # of each kind that are fetched for one certificate; most certificates name one or two


@dataclass(frozen=True, slots=True)
class OcspEvidence:
    """An OCSP response and its source, and the request if there was one."""

    content: bytes
    source: str
    request: bytes = b""


def crl_urls(certificate: Certificate) -> tuple[str, ...]:
    """Return the URLs of its CRLs (RFC 5280 4.2.1.13)."""
    points = certificate.extension(x509.CRLDistributionPoints) or ()
    names = (name for point in points for name in point.full_name or ())
    return tuple(dict.fromkeys(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)))


def ocsp_urls(certificate: Certificate) -> tuple[str, ...]:
    """Return the URLs of its OCSP responders (RFC 5280 4.2.2.1)."""
    if certificate.lacks_extensions:
        return ()
    return tuple(dict.fromkeys(access_urls(certificate.extensions, AuthorityInformationAccessOID.OCSP)))


def names_source(certificate: Certificate) -> bool:
    """Return whether a certificate names a source of its status."""
    return bool(crl_urls(certificate) or ocsp_urls(certificate) or certificate.extension(x509.CRLDistributionPoints))


def status_from_ocsp(given: OcspEvidence, subject: StatusSubject, basis: StatusBasis) -> SourceStatus:
    """Return the status of a certificate by an OCSP response (RFC 6960 3.2)."""
    source = given.source
    response = read_ocsp(given.content)
    if isinstance(response, UnreadableField):
        return SourceStatus("unknown", source, str(response))
    singles = [single for single in response.singles if single.is_about(subject.certificate, subject.issuer)]
    if not singles:
        return SourceStatus("unknown", source, "the response is not about this certificate (RFC 6960 3.2)")
    doubts = [
        *response.flaws,
        *_nonce_violations(response, given.request),
        *signer_violations(response, subject.issuer, basis),
    ]
    if doubts:
        return SourceStatus("unknown", source, _joined(doubts))
    status = deciding(tuple(_by_single(single, basis, source) for single in singles))
    return _signed_by(checked_responder(response, subject, basis.digests), status, basis)


def status_from_crls(crls: Sequence[tuple[str, bytes]], subject: StatusSubject, basis: StatusBasis) -> SourceStatus:
    """Return the status of a certificate by CRLs together, each given with its URL (RFC 5280 6.3.3)."""
    source = "the CRL " + " and ".join(url for url, _ in crls)
    lists = [_read(der) for _, der in crls]
    doubts: Sequence[Violation] = ()
    for moved in (timedelta(), basis.tolerance.clocks, -basis.tolerance.clocks):
        given = GivenLists(lists, subject.pool, replace(basis, at=basis.at + moved))
        violations = subject_violations(subject, given)
        if is_revoked(violations):
            return _listed(lists, subject.certificate, source)
        if not violations:
            return SourceStatus("good", source)
        doubts = doubts or violations
    return SourceStatus("unknown", source, _joined(doubts[1:] or doubts))  # the first one only introduces the others


def is_listed(subject: StatusSubject, crls: Sequence[RevocationList], basis: StatusBasis) -> bool:
    """Return whether one of some CRLs lists a certificate, however old it is; signers of CRLs are not checked."""
    lists = GivenLists(crls, subject.pool, StatusBasis(basis.at, basis.tolerance))
    return bool(crls) and is_revoked(subject_violations(subject, lists))


def readable_crls(crls: Sequence[tuple[str, bytes]]) -> list[RevocationList]:
    """Return those of the CRLs that can be read."""
    return [crl for crl in (_read(der) for _, der in crls) if isinstance(crl, RevocationList)]


def _read(der: bytes) -> RevocationList | UnreadableField:
    crl = read_crl(der)
    return indexed(crl) if isinstance(crl, RevocationList) else crl


def _listed(lists: Sequence[RevocationList | UnreadableField], certificate: Certificate, source: str) -> SourceStatus:
    """Return since when and why a certificate is listed."""
    for crl in lists:
        try:
            with unwarned():
                entry = crl.entry_of(certificate) if isinstance(crl, RevocationList) else None
                if entry is not None:
                    reasons = [
                        extension.value.reason
                        for extension in entry.extensions
                        if isinstance(extension.value, x509.CRLReason)
                    ]
                    return SourceStatus(
                        "revoked", source, since=entry.revocation_date_utc, reason=next(iter(reasons), None)
                    )
        except LIBRARY_ERRORS:
            continue
    return SourceStatus("revoked", source)


def _by_single(single: SingleResponse, basis: StatusBasis, source: str) -> SourceStatus:
    violations = [*single.flaws, *validity_violations(single, basis.at, basis.tolerance)]
    if single.status is OCSPCertStatus.REVOKED and not single.flaws and _is_lasting(single, basis):
        return SourceStatus("revoked", source, since=single.revoked_at, reason=single.reason)
    if violations:
        return SourceStatus("unknown", source, _joined(violations))
    if single.status is OCSPCertStatus.REVOKED:
        return SourceStatus("revoked", source, since=single.revoked_at, reason=single.reason)
    if single.status is OCSPCertStatus.GOOD:
        return SourceStatus("good", source)
    return SourceStatus("unknown", source, "the responder does not know the certificate (RFC 6960 2.2)")


def _is_lasting(single: SingleResponse, basis: StatusBasis) -> bool:
    """Return whether a revocation counts even if the response is old: only a hold is ever lifted."""
    is_hold = single.reason is x509.ReasonFlags.certificate_hold
    return not is_hold and single.this_update <= basis.at + basis.tolerance.clocks


def _signed_by(responder: StatusSubject | None, status: SourceStatus, basis: StatusBasis) -> SourceStatus:
    """Return a status, unless the responder's certificate is revoked or not known to be good (RFC 6960 4.2.2.2.1).

    If it is not known to be good, a certificate that the responder reports as revoked still counts as revoked.
    """
    signer = basis.status_of_signer(responder) if responder and status.word != "unknown" else None
    if responder is None or signer is None or signer.word == "good":
        return status
    doubt = signer_doubt("RFC 6960 4.2.2.2.1", responder, signer)
    is_lasting = status.word == "revoked" and signer.word == "unknown"
    return status if is_lasting else SourceStatus("unknown", status.source, str(doubt))


def _nonce_violations(response: OcspResponse, request: bytes) -> Iterator[Violation]:
    nonce = nonce_of(request) if request else None
    if nonce is not None and response.nonce is not None and nonce != response.nonce:
        yield Violation("RFC 9654 2.1", "the response is to another request: its nonce differs")


def _joined(violations: Sequence[Violation]) -> str:
    different = dict.fromkeys(map(str, violations))
    return "; ".join(list(different)[:3])
