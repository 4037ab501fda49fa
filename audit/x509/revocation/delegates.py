"""The certificates beside the path whose keys signed CRLs and OCSP responses: they may be revoked themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cryptography import x509

from audit.x509.algorithms import is_status_signed_by
from audit.x509.revocation.basis import StatusBasis, StatusSubject
from audit.x509.revocation.crl import RevocationList, read_crl
from audit.x509.revocation.crl_status import GivenLists, delegated_signers
from audit.x509.revocation.ocsp import OcspResponse, read_ocsp
from audit.x509.revocation.ocsp_responder import named_signers, signer_violations


def checked_responder(
    response: OcspResponse, subject: StatusSubject, digests: tuple[str, ...] = ()
) -> StatusSubject | None:
    """Return the delegated responder that signed a response, if its own status counts (RFC 6960 4.2.2.2.1).

    None if the issuer signed the response, or a responder with id-pkix-ocsp-nocheck.
    """
    issuer = subject.issuer
    signers = (signer for signer in named_signers(response, issuer) if is_status_signed_by(response, signer, digests))
    delegate = next((signer for signer in signers if signer.raw.spki != issuer.raw.spki), None)
    if delegate is None or delegate.extension(x509.OCSPNoCheck) is not None:
        return None
    return StatusSubject(delegate, subject.above, subject.pool)


def responders(contents: Iterable[bytes], subject: StatusSubject, basis: StatusBasis) -> Iterator[StatusSubject]:
    """Yield the delegated responders that signed OCSP responses and whose own status counts (RFC 6960 4.2.2.2.1)."""
    for response in map(read_ocsp, contents):
        if not isinstance(response, OcspResponse) or signer_violations(response, subject.issuer, basis):
            continue
        responder = checked_responder(response, subject, basis.digests)
        if responder is not None:
            yield responder


def crl_signers(contents: Iterable[bytes], subject: StatusSubject, basis: StatusBasis) -> Iterator[StatusSubject]:
    """Yield the certificates that are not on the path and signed CRLs (RFC 5280 6.3.3 f)."""
    path, given = (subject.certificate, *subject.above), GivenLists((), subject.pool, basis)
    for crl in map(read_crl, contents):
        if isinstance(crl, RevocationList):
            for signer in delegated_signers(crl, path, given):
                if is_status_signed_by(crl, signer.certificate, basis.digests):
                    yield signer
