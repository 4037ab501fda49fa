"""Who may sign an OCSP answer, and whether he did (RFC 6960 4.2.2.2): the issuer, or whom it made its responder.

It knows neither what an answer says nor for how long it holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from audit.fields import UNREADABLE
from audit.ocsp import OcspAnswer, key_octets
from audit.path_keys import ADMITTED, key_breaches
from audit.path_keys import is_signed_by as is_certified_by
from audit.path_member import Member
from audit.refusal import Breach

_RSA_PSS: Final = bytes.fromhex("2a864886f70d01010a")
_DIGESTS: Final[tuple[tuple[tuple[bytes, ...], hashes.HashAlgorithm], ...]] = tuple(
    ((bytes.fromhex(f"6086480165030402{own}"), bytes.fromhex(pkcs), bytes.fromhex(ecdsa)), digest)
    for own, pkcs, ecdsa, digest in (
        ("01", "2a864886f70d01010b", "2a8648ce3d040302", hashes.SHA256()),
        ("02", "2a864886f70d01010c", "2a8648ce3d040303", hashes.SHA384()),
        ("03", "2a864886f70d01010d", "2a8648ce3d040304", hashes.SHA512()),
    )
)


def signer_breaches(answer: OcspAnswer, issuer: Member, at: datetime, tolerance: timedelta) -> tuple[Breach, ...]:
    """Say why nobody who may has signed an answer about a certificate of an issuer; nothing where somebody has."""
    if answer.algorithm not in ADMITTED:
        return (Breach("BR 7.1.3.2", "the signature algorithm of the answer is not admitted"),)
    found: list[Breach] = []
    for signer in _named(answer, issuer):
        breaches = tuple(_breaches(answer, signer, issuer, (at, tolerance)))
        if not breaches:
            return ()
        found += breaches
    return tuple(found) or (Breach("RFC 6960 4.2.2.2", "the responder is neither the issuer nor sent with the answer"),)


def delegate_of(answer: OcspAnswer, issuer: Member) -> Member | None:
    """Return the responder's own certificate with which an answer was signed; None where the issuer signed it."""
    found = (one for one in _named(answer, issuer) if is_signed_by(answer, one))
    return next((one for one in found if one.spki != issuer.spki), None)


def is_exempt(delegate: Member) -> bool:
    """Tell whether its issuer says that a responder's certificate is not asked about (RFC 6960 4.2.2.2.1)."""
    return delegate.get(x509.OCSPNoCheck) is not None


@lru_cache(maxsize=1024)
def is_signed_by(answer: OcspAnswer, signer: Member) -> bool:
    """Tell whether a key made the signature of an answer; the algorithm is one of those that are admitted."""
    key = signer.public_key
    digest = next((digest for oids, digest in _DIGESTS if any(oid in answer.algorithm for oid in oids)), None)
    if digest is None or any(key_breaches(signer)):
        return False
    try:
        if isinstance(key, rsa.RSAPublicKey):
            pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
            scheme = pss if _RSA_PSS in answer.algorithm else padding.PKCS1v15()
            key.verify(answer.signature, answer.signed, scheme, digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(answer.signature, answer.signed, ec.ECDSA(digest))
        else:
            return False
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


def _named(answer: OcspAnswer, issuer: Member) -> Sequence[Member]:
    return [one for one in (issuer, *answer.certificates) if _is_named(answer, one)]


def _is_named(answer: OcspAnswer, signer: Member) -> bool:
    """Tell whether a certificate is whom the answer names as its responder: by name, or by its key's SHA-1."""
    if isinstance(answer.responder, bytes):
        return hashlib.sha1(key_octets(signer), usedforsecurity=False).digest() == answer.responder
    return signer.subject == answer.responder


def _breaches(answer: OcspAnswer, signer: Member, issuer: Member, when: tuple[datetime, timedelta]) -> Iterator[Breach]:
    if not is_signed_by(answer, signer):
        yield Breach("RFC 6960 3.2", f"the answer is not signed by the key of {signer}")
    elif signer.spki != issuer.spki:
        yield from _delegate_breaches(signer, issuer, *when)


def _delegate_breaches(delegate: Member, issuer: Member, at: datetime, tolerance: timedelta) -> Iterator[Breach]:
    usages = delegate.get(x509.ExtendedKeyUsage)
    if delegate.issuer != issuer.subject or is_certified_by(delegate, issuer) is not True:
        yield Breach("RFC 6960 4.2.2.2", f"the responder {delegate} was not certified by the issuer itself")
    if usages is None or ExtendedKeyUsageOID.OCSP_SIGNING not in usages:
        yield Breach("RFC 6960 4.2.2.2", f"the responder {delegate} may not sign answers: it has no OCSPSigning")
    if delegate.lacks_extensions or any(one.critical for one in delegate.unknown):
        yield Breach("RFC 5280 4.2", f"an extension of the responder {delegate} cannot be read")
    usage = delegate.get(x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        yield Breach("RFC 5280 4.2.1.3", f"the key of the responder {delegate} is not for signatures")
    if not delegate.not_before - tolerance <= at <= delegate.not_after + tolerance:
        yield Breach("RFC 6960 4.2.2.2", f"the responder's certificate {delegate} is not valid at that time")
