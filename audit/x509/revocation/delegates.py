"""The certificates beside the path whose keys signed CRLs and OCSP responses: they may be revoked themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from audit.x509.algorithms import is_status_signed_by
from audit.x509.revocation.crl import RevocationList, read_crl
from audit.x509.revocation.crl_status import GivenLists, delegated_signers
from audit.x509.revocation.ocsp import OcspResponse, read_ocsp
from audit.x509.revocation.ocsp_responder import delegate_of, has_no_check, signer_violations
from audit.x509.revocation.status import StatusSubject, Tolerance


def responders(
    contents: Iterable[bytes], subject: StatusSubject, at: datetime, tolerance: Tolerance
) -> Iterator[StatusSubject]:
    """Yield the delegated responders that signed OCSP responses and whose own status counts (RFC 6960 4.2.2.2.1)."""
    for response in map(read_ocsp, contents):
        if not isinstance(response, OcspResponse):
            continue
        if signer_violations(response, subject.issuer, at, tolerance.clocks, tolerance.digests):
            continue
        delegate = delegate_of(response, subject.issuer, tolerance.digests)
        if delegate is not None and not has_no_check(delegate):
            yield StatusSubject(delegate, subject.above, subject.pool)


def crl_signers(
    contents: Iterable[bytes], subject: StatusSubject, at: datetime, tolerance: Tolerance
) -> Iterator[StatusSubject]:
    """Yield the certificates that are not on the path and signed CRLs (RFC 5280 6.3.3 f)."""
    path, given = (subject.certificate, *subject.above), GivenLists((), subject.pool, at)
    for crl in map(read_crl, contents):
        if not isinstance(crl, RevocationList):
            continue
        for signer, above in delegated_signers(crl, path, given):
            if is_status_signed_by(crl, signer, tolerance.digests):
                yield StatusSubject(signer, above, subject.pool)
