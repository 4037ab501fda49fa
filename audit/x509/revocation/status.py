"""Whether the certificates of a path are revoked, by the answers that were observed (RFC 6960 3.2, RFC 5280 6.3).

It fetches nothing and reads no clock. Who says "revoked" and may say so is believed before all who say "good"; what
cannot be believed, or did not come, leaves the status unknown, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from cryptography import x509
from cryptography.x509.ocsp import OCSPCertStatus
from cryptography.x509.oid import AuthorityInformationAccessOID

from audit.text import moment
from audit.x509.certificate import Certificate
from audit.x509.loading import LIBRARY_ERRORS, UnreadableField, unwarned
from audit.x509.revocation.crl import RevocationList, indexed, read_crl
from audit.x509.revocation.crl_status import status_violations
from audit.x509.revocation.ocsp import OcspResponse, SingleResponse, nonce_of, read_ocsp, validity_violations
from audit.x509.revocation.ocsp_responder import delegate_of, has_no_check, signer_violations
from audit.x509.violation import Violation

MAX_URLS: Final = 4  # of each kind that one certificate may have asked; certificates in use name one or two
_REVOKED: Final = "RFC 5280 6.1.3 a 3"  # the clause of being listed

RevocationState = Literal["good", "revoked", "unknown"]


@dataclass(frozen=True, slots=True)
class StatusSubject:
    """A certificate that is asked about, who is above it up to the anchor, and what else was sent."""

    certificate: Certificate
    above: tuple[Certificate, ...]
    pool: tuple[Certificate, ...] = ()

    @property
    def issuer(self) -> Certificate:
        """Whose key signed it."""
        return self.above[0]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """By how much clocks may differ, and how long an OCSP answer holds that does not say how long."""

    clocks: timedelta
    ageless: timedelta


@dataclass(frozen=True, slots=True)
class OcspEvidence:
    """An OCSP answer and whose it is, the request if there was one, and CRLs that may list its responder."""

    content: bytes
    source: str
    question: bytes = b""
    crls: Sequence[RevocationList] = ()


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """What one source says of a certificate, and of a revocation since when and why."""

    word: RevocationState
    source: str
    why: str = ""
    since: datetime | None = None
    reason: x509.ReasonFlags | None = None

    @property
    def is_for_its_key(self) -> bool:
        """Whether the key is known to somebody else, so that a new one is needed."""
        return self.reason is x509.ReasonFlags.key_compromise

    def __str__(self) -> str:
        """Return it as a clause."""
        if self.word != "revoked":
            return f"{self.source}: {self.why}" if self.why else self.source
        since = f" {moment(self.since)}" if self.since else ""
        reason = f" ({self.reason.value})" if self.reason and self.reason is not x509.ReasonFlags.unspecified else ""
        return f"was revoked{since}{reason}, says {self.source}"


def crl_urls(certificate: Certificate) -> tuple[str, ...]:
    """Return the URLs of its CRLs (RFC 5280 4.2.1.13)."""
    points = certificate.extension(x509.CRLDistributionPoints) or ()
    names = (name for point in points for name in point.full_name or ())
    return tuple(dict.fromkeys(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)))


def ocsp_urls(certificate: Certificate) -> tuple[str, ...]:
    """Return the URLs of its OCSP responders (RFC 5280 4.2.2.1)."""
    access = [one for one in certificate.extension(x509.AuthorityInformationAccess) or ()
              if one.access_method == AuthorityInformationAccessOID.OCSP]  # fmt: skip
    named = (one.access_location for one in access)
    return tuple(dict.fromkeys(one.value for one in named if isinstance(one, x509.UniformResourceIdentifier)))


def names_source(certificate: Certificate) -> bool:
    """Tell whether a certificate says in any way where its status is told."""
    return bool(crl_urls(certificate) or ocsp_urls(certificate) or certificate.extension(x509.CRLDistributionPoints))


def status_from_ocsp(given: OcspEvidence, subject: StatusSubject, at: datetime, tolerance: Tolerance) -> SourceStatus:
    """Return what an OCSP answer says of a certificate (RFC 6960 3.2)."""
    source = given.source
    answer = read_ocsp(given.content)
    if isinstance(answer, UnreadableField):
        return SourceStatus("unknown", source, str(answer))
    singles = [one for one in answer.singles if one.is_about(subject.certificate, subject.issuer)]
    if not singles:
        return SourceStatus("unknown", source, "the answer is not about this certificate (RFC 6960 3.2)")
    doubts = [
        *answer.flaws,
        *_nonce_violations(answer, given.question),
        *signer_violations(answer, subject.issuer, at, tolerance.clocks),
        *_revoked_responder(answer, subject, at, given.crls),
    ]
    if doubts:
        return SourceStatus("unknown", source, _told(doubts))
    told = [_by_single(one, at, tolerance, source) for one in singles]
    return min(told, key=lambda said: ("revoked", "good", "unknown").index(said.word))


def status_from_crls(
    crls: Sequence[tuple[str, bytes]], subject: StatusSubject, at: datetime, tolerance: Tolerance
) -> SourceStatus:
    """Return what CRLs say of a certificate together, each with its URL (RFC 5280 6.3.3)."""
    source = "the CRL " + " and ".join(url for url, _ in crls)
    lists = [_read(der) for _, der in crls]
    doubts: list[Violation] = []
    for moved in (timedelta(), tolerance.clocks, -tolerance.clocks):
        violations = _own_violations(lists, subject, at + moved)
        revoked = any(violation.clause == _REVOKED for violation in violations)
        if revoked:
            return _listed(lists, subject.certificate, source)
        if not violations:
            return SourceStatus("good", source)
        doubts = doubts or violations
    return SourceStatus("unknown", source, _told(doubts[1:] or doubts))  # the first only says that there are others


def readable_crls(crls: Sequence[tuple[str, bytes]]) -> list[RevocationList]:
    """Return those of the CRLs that can be read."""
    return [one for one in (_read(der) for _, der in crls) if isinstance(one, RevocationList)]


def _read(der: bytes) -> RevocationList | UnreadableField:
    crl = read_crl(der)
    return indexed(crl) if isinstance(crl, RevocationList) else crl


def _own_violations(
    lists: Sequence[RevocationList | UnreadableField], subject: StatusSubject, at: datetime
) -> list[Violation]:
    found: list[Violation] = []
    for index, violation in status_violations((subject.certificate, *subject.above), lists, subject.pool, at):
        if index:
            break
        found.append(violation)
    return found


def _listed(lists: Sequence[RevocationList | UnreadableField], certificate: Certificate, source: str) -> SourceStatus:
    """Return since when and why a certificate is listed."""
    for crl in lists:
        try:
            with unwarned():
                entry = crl.entry_of(certificate) if isinstance(crl, RevocationList) else None
                if entry is not None:
                    reasons = [one.value.reason for one in entry.extensions if isinstance(one.value, x509.CRLReason)]
                    return SourceStatus(
                        "revoked", source, since=entry.revocation_date_utc, reason=next(iter(reasons), None)
                    )
        except LIBRARY_ERRORS:
            continue
    return SourceStatus("revoked", source)


def _by_single(single: SingleResponse, at: datetime, tolerance: Tolerance, source: str) -> SourceStatus:
    violations = [*single.flaws, *validity_violations(single, at, tolerance.clocks, tolerance.ageless)]
    if single.status is OCSPCertStatus.REVOKED and not single.flaws and _is_lasting(single, at, tolerance):
        return SourceStatus("revoked", source, since=single.revoked_at, reason=single.reason)
    if violations:
        return SourceStatus("unknown", source, _told(violations))
    if single.status is OCSPCertStatus.REVOKED:
        return SourceStatus("revoked", source, since=single.revoked_at, reason=single.reason)
    if single.status is OCSPCertStatus.GOOD:
        return SourceStatus("good", source)
    return SourceStatus("unknown", source, "the responder does not know the certificate (RFC 6960 2.2)")


def _is_lasting(single: SingleResponse, at: datetime, tolerance: Tolerance) -> bool:
    """Tell whether a revocation counts even where the answer is old: nothing but a hold is ever lifted."""
    is_hold = single.reason is x509.ReasonFlags.certificate_hold
    return not is_hold and single.this_update <= at + tolerance.clocks


def _nonce_violations(answer: OcspResponse, question: bytes) -> Iterator[Violation]:
    asked = nonce_of(question) if question else None
    if asked is not None and answer.nonce is not None and asked != answer.nonce:
        yield Violation("RFC 9654 2.1", "the answer is to another question: its nonce is not ours")


def _revoked_responder(
    answer: OcspResponse, subject: StatusSubject, at: datetime, crls: Sequence[RevocationList]
) -> Iterator[Violation]:
    delegate = delegate_of(answer, subject.issuer)
    if delegate is None or has_no_check(delegate) or not crls:
        return
    asked = StatusSubject(delegate, subject.above, subject.pool)
    if any(violation.clause == _REVOKED for violation in _own_violations(crls, asked, at)):
        yield Violation("RFC 6960 4.2.2.2.1", f"the responder's certificate {delegate} is revoked itself")


def _told(violations: Sequence[Violation]) -> str:
    unlike = dict.fromkeys(map(str, violations))
    return "; ".join(list(unlike)[:3])
