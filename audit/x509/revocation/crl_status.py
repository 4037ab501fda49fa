"""Whether a certificate of a path is revoked, by the CRLs that were given (RFC 5280 6.3.3).

If CRLs are given, one has to show that the leaf is good; a CA has to be shown good if one of them is about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from cryptography import x509

from audit.x509.algorithms import is_signed_by, is_status_signed_by
from audit.x509.certificate import Certificate
from audit.x509.fields import CanonicalName, canonical
from audit.x509.loading import LIBRARY_ERRORS, UnreadableField, unwarned
from audit.x509.revocation.basis import SourceStatus, StatusBasis, StatusSubject, certainly_good
from audit.x509.revocation.crl import RevocationList
from audit.x509.violation import PROFILE, Violation

_CLAUSE: Final = "RFC 5280 6.3.3"
_SIGNER: Final = "RFC 5280 6.3.3 f"
_REVOKED: Final = "RFC 5280 6.1.3 a 3"  # of being listed
EVERY: Final = frozenset(x509.ReasonFlags) - {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}
"""The reasons that a list, or several together, must cover (RFC 5280 5.2.5)."""
_MAX_SIGNERS: Final = 8

_Names = frozenset[object]


@dataclass(slots=True)
class _Findings:
    """What the lists show about one certificate so far."""

    covered: frozenset[x509.ReasonFlags] = frozenset()
    doubts: list[Violation] = field(default_factory=list)


class _Signer(NamedTuple):
    """Who signed a list, and whether it is revoked itself."""

    subject: StatusSubject
    status: SourceStatus


@dataclass(frozen=True, slots=True)
class GivenLists:
    """The CRLs that were given, the certificates that may have signed them, and what they are judged by.

    `strict`: a CRL that violates a rule for CAs, such as one without a number, does not show that a certificate is
    good.
    """

    crls: Sequence[RevocationList | UnreadableField]
    pool: Sequence[Certificate]
    basis: StatusBasis
    strict: bool = False

    @property
    def at(self) -> datetime:
        """The time at which a certificate must not be revoked."""
        return self.basis.at

    @property
    def digests(self) -> tuple[str, ...]:
        """The digests of signatures of CRLs that are admitted beside those that clients accept."""
        return self.basis.digests


def status_violations(path: Sequence[Certificate], lists: GivenLists) -> tuple[tuple[int, Violation], ...]:
    """Return for each certificate of a path, by its index, why it is revoked or may be."""
    places = range(len(path) - 1) if lists.crls else ()
    with unwarned():
        return tuple(
            (index, violation) for index in places for violation in _of_one(path[index:], lists, is_leaf=index == 0)
        )


def subject_violations(subject: StatusSubject, lists: GivenLists) -> tuple[Violation, ...]:
    """Return why one certificate is revoked or may be."""
    with unwarned():
        return tuple(_of_one((subject.certificate, *subject.above), lists, is_leaf=True))


def is_revoked(violations: Iterable[Violation]) -> bool:
    """Return whether a certificate is listed, and not only perhaps revoked."""
    return any(violation.clause == _REVOKED for violation in violations)


def signer_doubt(clause: str, signer: StatusSubject, status: SourceStatus) -> Violation:
    """Return why a signature does not count whose signer's certificate is not good."""
    certificate = f"the signer's certificate {signer.certificate}"
    if status.word == "revoked":
        return Violation(clause, f"{certificate} is revoked itself")
    return Violation(clause, f"it is not known whether {certificate} is revoked itself: {status}")


def _of_one(path: Sequence[Certificate], lists: GivenLists, *, is_leaf: bool) -> Iterator[Violation]:
    certificate, findings = path[0], _Findings()
    for crl in lists.crls:
        if isinstance(crl, UnreadableField):
            if is_leaf:
                findings.doubts.append(Violation(_CLAUSE, f"a CRL cannot be read: {crl}"))
        elif _is_about(crl, certificate):
            revoked = _consult(crl, path, lists, findings)
            if revoked is not None:
                yield revoked
                return
    if findings.covered >= EVERY:
        return
    if is_leaf or findings.doubts:
        yield Violation(_CLAUSE, "no CRL that was given shows that it is not revoked")
    yield from findings.doubts


def _consult(
    crl: RevocationList, path: Sequence[Certificate], lists: GivenLists, findings: _Findings
) -> Violation | None:
    """Add what a list shows to the findings; return the violation if it lists the certificate.

    Being listed counts even if a list is out of date or not about this certificate: nothing undoes a revocation but a
    hold that was lifted, and only a list in force would show that. It counts too if it is not known whether the
    signer of the list is revoked.
    """
    signer = _best_signer(crl, path, lists)
    if signer is None:
        refused = [flaw for flaw in crl.algorithm_flaws(lists.digests) if flaw.kind != PROFILE]
        findings.doubts += refused or [Violation(_SIGNER, "a CRL is not signed by a key that may sign it")]
        return None
    doubts = [] if signer.status.word == "good" else [signer_doubt(_SIGNER, signer.subject, signer.status)]
    if signer.status.word == "revoked":
        findings.doubts += doubts
        return None
    flaws = tuple(flaw for flaw in crl.violations(lists.at, lists.digests) if lists.strict or flaw.kind != PROFILE)
    if lists.at >= crl.this_update and not any(flaw.clause in ("RFC 5280 5.2", "RFC 5280 5.3") for flaw in flaws):
        revoked = _revoked(crl, path[0])
        if revoked is not None:
            return revoked
    reasons = _reasons(crl, path[0])
    if reasons and (flaws or doubts):
        findings.doubts += (*flaws, *doubts)
    elif reasons:
        findings.covered |= reasons
    return None


def _revoked(crl: RevocationList, certificate: Certificate) -> Violation | None:
    try:
        entry = crl.entry_of(certificate)
        if entry is None:
            return None
        reason = _reason(entry)
    except LIBRARY_ERRORS as error:
        return Violation("RFC 5280 5.3", f"an entry of the CRL cannot be read: {error}")
    if reason == x509.ReasonFlags.remove_from_crl.value and x509.DeltaCRLIndicator in crl.extensions:
        return None
    why = f", {reason}" if reason else ""
    return Violation(_REVOKED, f"it was revoked {entry.revocation_date_utc:%Y-%m-%d %H:%M}{why}")


def _reason(entry: x509.RevokedCertificate) -> str:
    values = (extension.value for extension in entry.extensions)
    return next((value.reason.value for value in values if isinstance(value, x509.CRLReason)), "")


def _is_signed_by_crl_signer(crl: RevocationList, signer: Certificate, digests: tuple[str, ...]) -> bool:
    usage = signer.extension(x509.KeyUsage)
    return (usage is None or usage.crl_sign) and is_status_signed_by(crl, signer, digests) is True


def _best_signer(crl: RevocationList, path: Sequence[Certificate], lists: GivenLists) -> _Signer | None:
    """Return who signed a list: a CA of its issuer's name on the path, or one that these certified; good before others.

    The status of a CA of the path is judged as that of every certificate of the path.
    """
    for index, ca in enumerate(path):
        if index and ca.canonical_subject == crl.issuer and _is_signed_by_crl_signer(crl, ca, lists.digests):
            subject = StatusSubject(ca, tuple(path[index + 1 :]))
            return _Signer(subject, certainly_good(subject))
    signers = [
        _Signer(signer, _signer_status(signer, path[1:], lists))
        for signer in delegated_signers(crl, path, lists)
        if _is_signed_by_crl_signer(crl, signer.certificate, lists.digests)
    ]
    return min(signers, key=lambda signer: ("good", "unknown", "revoked").index(signer.status.word), default=None)


def _signer_status(signer: StatusSubject, above: Sequence[Certificate], lists: GivenLists) -> SourceStatus:
    if _is_listed(signer.certificate, above, lists):
        return SourceStatus("revoked", "a CRL that was given")
    return lists.basis.status_of_signer(signer)


def delegated_signers(crl: RevocationList, path: Sequence[Certificate], lists: GivenLists) -> Iterator[StatusSubject]:
    """Yield the certificates in force that are not on the path and may sign a list, each with the CAs above it."""
    named = [
        certificate
        for certificate in lists.pool
        if certificate.canonical_subject == crl.issuer and certificate not in path
    ]
    for signer in named[:_MAX_SIGNERS]:
        if not signer.not_before <= lists.at <= signer.not_after:
            continue
        for index, ca in enumerate(path[1:], 1):
            if ca.canonical_subject == signer.canonical_issuer and is_signed_by(signer, ca):
                yield StatusSubject(signer, tuple(path[index:]), tuple(lists.pool))
                break


def _is_listed(signer: Certificate, above: Sequence[Certificate], lists: GivenLists) -> bool:
    """Return whether a CA of the path revoked the certificate of a signer of lists."""
    return any(
        _revoked(crl, signer) is not None
        for crl in lists.crls
        if isinstance(crl, RevocationList) and crl.issuer == signer.canonical_issuer and lists.at >= crl.this_update
        if any(ca.canonical_subject == crl.issuer and _is_signed_by_crl_signer(crl, ca, lists.digests) for ca in above)
    )


def _is_about(crl: RevocationList, certificate: Certificate) -> bool:
    return crl.issuer == certificate.canonical_issuer or (
        crl.is_indirect and any(crl.issuer in _directory_names(point.crl_issuer) for point in _points(certificate))
    )


def _reasons(crl: RevocationList, certificate: Certificate) -> frozenset[x509.ReasonFlags]:
    """Return the revocation reasons that a list covers for a certificate (RFC 5280 6.3.3 b and d)."""
    scope = crl.point
    if scope is None:
        return EVERY if crl.issuer == certificate.canonical_issuer else frozenset()
    is_ca = certificate.has_readable("extensions") and certificate.is_ca
    if (scope.only_contains_user_certs and is_ca) or (scope.only_contains_ca_certs and not is_ca):
        return frozenset()
    if scope.only_contains_attribute_certs:
        return frozenset()
    own = EVERY & (scope.only_some_reasons or EVERY)
    reasons = [
        own & (point.reasons or EVERY) for point in _points(certificate) if _admits(crl, scope, point, certificate)
    ]
    if crl.issuer == certificate.canonical_issuer and (
        _is_for_all(scope) or certificate.canonical_issuer in _scope_names(crl, scope)
    ):
        reasons.append(own)  # the default distribution point: the issuer's own, for every reason
    return frozenset().union(*reasons)


def _is_for_all(scope: x509.IssuingDistributionPoint) -> bool:
    return scope.full_name is None and scope.relative_name is None


def _admits(
    crl: RevocationList, scope: x509.IssuingDistributionPoint, point: x509.DistributionPoint, certificate: Certificate
) -> bool:
    """Return whether a list is the one that a distribution point of a certificate points to."""
    if point.crl_issuer:
        if not (scope.indirect_crl and crl.issuer in _directory_names(point.crl_issuer)):
            return False
    elif crl.issuer != certificate.canonical_issuer:
        return False
    return _is_for_all(scope) or bool(_scope_names(crl, scope) & _point_names(crl, point))


def _scope_names(crl: RevocationList, scope: x509.IssuingDistributionPoint) -> _Names:
    return _names(scope.full_name) | _relative(crl.issuer, scope.relative_name)


def _point_names(crl: RevocationList, point: x509.DistributionPoint) -> _Names:
    if point.full_name is None and point.relative_name is None:
        return _names(point.crl_issuer)
    return _names(point.full_name) | _relative(crl.issuer, point.relative_name)


def _relative(issuer: CanonicalName, part: x509.RelativeDistinguishedName | None) -> _Names:
    return frozenset() if part is None else frozenset(((*issuer, *canonical(x509.Name([part]))),))


def _names(names: Sequence[x509.GeneralName] | None) -> _Names:
    return frozenset(canonical(name.value) if isinstance(name.value, x509.Name) else name.value for name in names or ())


def _directory_names(names: Sequence[x509.GeneralName] | None) -> frozenset[CanonicalName]:
    return frozenset(canonical(name.value) for name in names or () if isinstance(name, x509.DirectoryName))


def _points(certificate: Certificate) -> tuple[x509.DistributionPoint, ...]:
    return tuple(certificate.extension(x509.CRLDistributionPoints) or ())
