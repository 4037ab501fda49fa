"""Who may sign an OCSP response, and who did (RFC 6960 4.2.2.2): the issuer, or a responder that it certified."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from audit.x509.algorithms import algorithm_violations, is_admitted, is_signed_by, is_status_signed_by
from audit.x509.certificate import Certificate
from audit.x509.revocation.basis import StatusBasis
from audit.x509.revocation.ocsp import OcspResponse, key_octets
from audit.x509.violation import PROFILE, Violation


def signer_violations(response: OcspResponse, issuer: Certificate, basis: StatusBasis) -> tuple[Violation, ...]:
    """Return why no authorized signer signed a response about a certificate of an issuer; empty if one did.

    Whether the certificate of a delegated responder is revoked is not checked here.
    """
    algorithm = response.signature.algorithm
    refused = [violation for violation in algorithm_violations(algorithm) if violation.kind != PROFILE]
    if refused and not is_admitted(algorithm, basis.digests):
        return (refused[0],)
    refusals: list[Violation] = []
    for signer in named_signers(response, issuer):
        violations = tuple(_violations(response, signer, issuer, basis))
        if not violations:
            return ()
        refusals += violations
    return tuple(refusals) or (
        Violation("RFC 6960 4.2.2.2", "the signer is neither the issuer nor sent with the response"),
    )


def named_signers(response: OcspResponse, issuer: Certificate) -> Sequence[Certificate]:
    """Return the certificates of issuer and responders that a response names as its signer, signed or not."""
    return [signer for signer in (issuer, *response.certificates) if _is_named(response, signer)]


def _is_named(response: OcspResponse, signer: Certificate) -> bool:
    """Return whether a response names a certificate as its responder: by name, or by the SHA-1 of its key."""
    if isinstance(response.responder, bytes):
        return hashlib.sha1(key_octets(signer), usedforsecurity=False).digest() == response.responder
    return signer.canonical_subject == response.responder


def _violations(
    response: OcspResponse, signer: Certificate, issuer: Certificate, basis: StatusBasis
) -> Iterator[Violation]:
    if is_status_signed_by(response, signer, basis.digests) is not True:
        yield Violation("RFC 6960 3.2", f"the response is not signed with the key of {signer}")
    elif signer.raw.spki != issuer.raw.spki:
        yield from _delegate_violations(signer, issuer, basis)


def _delegate_violations(delegate: Certificate, issuer: Certificate, basis: StatusBasis) -> Iterator[Violation]:
    clocks = basis.tolerance.clocks
    usages = delegate.extension(x509.ExtendedKeyUsage)
    if delegate.canonical_issuer != issuer.canonical_subject or is_signed_by(delegate, issuer) is not True:
        yield Violation("RFC 6960 4.2.2.2", f"the responder {delegate} was not certified by the issuer itself")
    if usages is None or ExtendedKeyUsageOID.OCSP_SIGNING not in usages:
        yield Violation("RFC 6960 4.2.2.2", f"the responder {delegate} may not sign responses: it has no OCSPSigning")
    if delegate.lacks_extensions or any(extension.critical for extension in delegate.unknown_extensions):
        yield Violation("RFC 5280 4.2", f"an extension of the responder {delegate} cannot be read")
    usage = delegate.extension(x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        yield Violation("RFC 5280 4.2.1.3", f"the key of the responder {delegate} is not for signatures")
    if not delegate.not_before - clocks <= basis.at <= delegate.not_after + clocks:
        yield Violation("RFC 6960 4.2.2.2", f"the responder's certificate {delegate} is not valid at that time")
