"""Whether the certificates of a path are revoked, by the OCSP responses and CRLs that were observed.

An authorized "revoked" overrides any "good". A missing or untrusted response leaves the status unknown, with a reason
(RFC 6960 3.2, RFC 5280 6.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from cryptography import x509
from cryptography.x509.ocsp import OCSPCertStatus
from cryptography.x509.oid import AuthorityInformationAccessOID

from audit.text import format_utc
from audit.x509.certificate import Certificate
from audit.x509.fields import access_urls
from audit.x509.loading import LIBRARY_ERRORS, UnreadableField, unwarned
from audit.x509.revocation.crl import RevocationList, indexed, read_crl
from audit.x509.revocation.crl_status import GivenLists, status_violations
from audit.x509.revocation.ocsp import OcspResponse, SingleResponse, nonce_of, read_ocsp, validity_violations
from audit.x509.revocation.ocsp_responder import delegate_of, has_no_check, signer_violations
from audit.x509.violation import Violation

MAX_URLS: Final = 4  # of each kind that are fetched for one certificate; most certificates name one or two
_REVOKED: Final = "RFC 5280 6.1.3 a 3"  # the clause of being listed

RevocationState = Literal["good", "revoked", "unknown"]


@dataclass(frozen=True, slots=True)
class StatusSubject:
    """A certificate to check, the CAs above it up to the anchor, and the other certificates that were sent."""

    certificate: Certificate
    above: tuple[Certificate, ...]
    pool: tuple[Certificate, ...] = ()

    @property
    def issuer(self) -> Certificate:
        """Whose key signed it."""
        return self.above[0]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far clocks may differ, and how long an OCSP response without nextUpdate is current.

    `digests` of signatures of CRLs and OCSP responses are admitted beside those that clients accept.
    """

    clocks: timedelta
    no_next_update_lifetime: timedelta
    digests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OcspEvidence:
    """An OCSP response and its source, the request if there was one, and CRLs that may list its responder."""

    content: bytes
    source: str
    request: bytes = b""
    crls: Sequence[RevocationList] = ()


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """The status of a certificate by one source; of a revocation also since when and why."""

    word: RevocationState
    source: str
    why: str = ""
    since: datetime | None = None
    reason: x509.ReasonFlags | None = None

    @property
    def is_for_its_key(self) -> bool:
        """Whether the key is compromised, so that a new key is needed."""
        return self.reason is x509.ReasonFlags.key_compromise

    def __str__(self) -> str:
        """Return it as part of a message."""
        if self.word != "revoked":
            return f"{self.source}: {self.why}" if self.why else self.source
        since = f" on {format_utc(self.since)}" if self.since else ""
        reason = f" ({self.reason.value})" if self.reason and self.reason is not x509.ReasonFlags.unspecified else ""
        return f"was revoked{since}{reason}, according to {self.source}"


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


def status_from_ocsp(given: OcspEvidence, subject: StatusSubject, at: datetime, tolerance: Tolerance) -> SourceStatus:
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
        *signer_violations(response, subject.issuer, at, tolerance.clocks, tolerance.digests),
        *_revoked_responder(response, subject, at, given.crls, tolerance.digests),
    ]
    if doubts:
        return SourceStatus("unknown", source, _joined(doubts))
    statuses = [_by_single(single, at, tolerance, source) for single in singles]
    return min(statuses, key=lambda status: ("revoked", "good", "unknown").index(status.word))


def status_from_crls(
    crls: Sequence[tuple[str, bytes]],
    subject: StatusSubject,
    at: datetime,
    tolerance: Tolerance,
    about_signers: Sequence[RevocationList] = (),
) -> SourceStatus:
    """Return the status of a certificate by CRLs together, each given with its URL (RFC 5280 6.3.3).

    A CRL that is signed by a certificate listed in one of `about_signers` does not count.
    """
    source = "the CRL " + " and ".join(url for url, _ in crls)
    lists = [_read(der) for _, der in crls]
    doubts: list[Violation] = []
    for moved in (timedelta(), tolerance.clocks, -tolerance.clocks):
        given = GivenLists(lists, subject.pool, at + moved, digests=tolerance.digests, about_signers=about_signers)
        violations = _own_violations(subject, given)
        revoked = any(violation.clause == _REVOKED for violation in violations)
        if revoked:
            return _listed(lists, subject.certificate, source)
        if not violations:
            return SourceStatus("good", source)
        doubts = doubts or violations
    return SourceStatus("unknown", source, _joined(doubts[1:] or doubts))  # the first one only introduces the others


def readable_crls(crls: Sequence[tuple[str, bytes]]) -> list[RevocationList]:
    """Return those of the CRLs that can be read."""
    return [crl for crl in (_read(der) for _, der in crls) if isinstance(crl, RevocationList)]


def _read(der: bytes) -> RevocationList | UnreadableField:
    crl = read_crl(der)
    return indexed(crl) if isinstance(crl, RevocationList) else crl


def _own_violations(subject: StatusSubject, given: GivenLists) -> list[Violation]:
    violations: list[Violation] = []
    for index, violation in status_violations((subject.certificate, *subject.above), given):
        if index:
            break
        violations.append(violation)
    return violations


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


def _by_single(single: SingleResponse, at: datetime, tolerance: Tolerance, source: str) -> SourceStatus:
    violations = [*single.flaws, *validity_violations(single, at, tolerance.clocks, tolerance.no_next_update_lifetime)]
    if single.status is OCSPCertStatus.REVOKED and not single.flaws and _is_lasting(single, at, tolerance):
        return SourceStatus("revoked", source, since=single.revoked_at, reason=single.reason)
    if violations:
        return SourceStatus("unknown", source, _joined(violations))
    if single.status is OCSPCertStatus.REVOKED:
        return SourceStatus("revoked", source, since=single.revoked_at, reason=single.reason)
    if single.status is OCSPCertStatus.GOOD:
        return SourceStatus("good", source)
    return SourceStatus("unknown", source, "the responder does not know the certificate (RFC 6960 2.2)")


def _is_lasting(single: SingleResponse, at: datetime, tolerance: Tolerance) -> bool:
    """Return whether a revocation counts even if the response is old: only a hold is ever lifted."""
    is_hold = single.reason is x509.ReasonFlags.certificate_hold
    return not is_hold and single.this_update <= at + tolerance.clocks


def _nonce_violations(response: OcspResponse, request: bytes) -> Iterator[Violation]:
    nonce = nonce_of(request) if request else None
    if nonce is not None and response.nonce is not None and nonce != response.nonce:
        yield Violation("RFC 9654 2.1", "the response is to another request: its nonce differs")


def _revoked_responder(
    response: OcspResponse,
    subject: StatusSubject,
    at: datetime,
    crls: Sequence[RevocationList],
    digests: tuple[str, ...],
) -> Iterator[Violation]:
    delegate = delegate_of(response, subject.issuer, digests)
    if delegate is None or has_no_check(delegate) or not crls:
        return
    responder = StatusSubject(delegate, subject.above, subject.pool)
    given = GivenLists(crls, subject.pool, at, digests=digests)
    if any(violation.clause == _REVOKED for violation in _own_violations(responder, given)):
        yield Violation("RFC 6960 4.2.2.2.1", f"the responder's certificate {delegate} is revoked itself")


def _joined(violations: Sequence[Violation]) -> str:
    different = dict.fromkeys(map(str, violations))
    return "; ".join(list(different)[:3])
