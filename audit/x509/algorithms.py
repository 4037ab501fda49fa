"""Which keys and signature algorithms may be in a path: what clients verify, and what public CAs may use.

`is_signed_by` verifies every signature of the audit. Those of a path are verified only with keys that clients accept,
because a hostile key can make the verification take long.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import lru_cache
from typing import Final, Protocol

from audit.x509.certificate import Certificate
from audit.x509.der import elements
from audit.x509.loading import unwarned
from audit.x509.public_keys import KeyFacts, has_negative_modulus, is_post_quantum
from audit.x509.signatures import Signature, SignatureAlgorithm, VerificationKey, is_made_by, read_identifier
from audit.x509.violation import PROFILE, Violation

DIGEST_OF_CURVE: Final = {"P-256": "sha256", "P-384": "sha384", "P-521": "sha512"}
"""The curves of public CAs, and the digest that goes with each (BR 7.1.3.2.2)."""
EDWARDS: Final = ("Ed25519", "Ed448")
RSA_BITS: Final = range(2048, 16385)  # OpenSSL's level of security 2 and its largest modulus
CURVE_BITS: Final = 224
RSA_EXPONENTS: Final = range(3, 1 << 256, 2)
FORGEABLE_DIGESTS: Final = ("md2", "md4", "md5", "sha1", "ripemd160")
"""Digests that clients no longer accept in signatures (RFC 6151, RFC 6194, RFC 9155)."""


def _pss(digest: int, salt: int) -> bytes:
    hashed = f"300d060960864801650304020{digest}0500"
    parameters = f"a00f{hashed}a11c301a06092a864886f70d010108{hashed}a2030201{salt:02x}"
    return bytes.fromhex(f"304106092a864886f70d01010a3034{parameters}")


ADMITTED: Final = frozenset(
    (
        *(bytes.fromhex(f"300d06092a864886f70d01010{digest}0500") for digest in "bcd"),  # RSA, PKCS #1 v1.5
        *(bytes.fromhex(f"300a06082a8648ce3d04030{digest}") for digest in "234"),  # ECDSA
        *(_pss(digest, salt) for digest, salt in ((1, 32), (2, 48), (3, 64))),
    )
)
"""The algorithm identifiers with SHA-256, SHA-384 and SHA-512, byte for byte (BR 7.1.3.2.1 and 7.1.3.2.2)."""


def key_violations(certificate: Certificate) -> Iterator[Violation]:
    """Yield why a key must not be in a path."""
    if not certificate.has_readable("key"):
        return  # RFC 5280 4.1.2.7: it cannot be read
    key = certificate.key
    if key.kind == "RSA":
        yield from _rsa_violations(key)
        if certificate.has_readable("key_algorithm") and certificate.key_algorithm.is_pss:
            yield Violation("BR 7.1.3.1.1", "the key is for RSASSA-PSS alone", PROFILE)
    elif key.kind in EDWARDS or key.is_post_quantum:
        yield Violation("BR 6.1.5", f"a key of the kind {key.kind} is not allowed", PROFILE)
    elif key.kind != "EC":
        yield Violation("BR 6.1.5", f"no client accepts a key of the kind {key.kind}")
    elif key.is_explicit:
        yield Violation("RFC 5480 2.1.1", "the curve of its key is given by parameters instead of by name")
    elif key.is_hybrid:
        yield Violation("RFC 5480 2.2", "the point of its key is in hybrid form")
    elif (key.bits or 0) < CURVE_BITS:
        yield Violation("BR 6.1.5", f"a key on the curve {key.curve} is too short")
    elif key.curve not in DIGEST_OF_CURVE:
        yield Violation("BR 6.1.5", f"a key on the curve {key.curve} is not allowed", PROFILE)


def _rsa_violations(key: KeyFacts) -> Iterator[Violation]:
    if has_negative_modulus(key):
        yield Violation("BR 6.1.6", "the RSA modulus is negative")
    if key.bits not in RSA_BITS:
        yield Violation("BR 6.1.5", f"RSA with {key.bits} bits; {RSA_BITS[0]} to {RSA_BITS[-1]} are accepted")
    elif (key.bits or 0) % 8:
        yield Violation("BR 6.1.5", f"RSA with {key.bits} bits, which is not a multiple of 8", PROFILE)
    if key.exponent not in RSA_EXPONENTS:
        yield Violation("BR 6.1.6", "the RSA exponent is even, below 3 or longer than 256 bits")
    if key.has_small_factor:
        yield Violation("BR 6.1.6", "the RSA modulus has a factor below 752", PROFILE)


def signature_violations(certificate: Certificate) -> Iterator[Violation]:
    """Yield why the algorithm of a signature must not be in a path; an anchor's signature on itself does not count."""
    if certificate.raw.inner_algorithm != certificate.raw.outer_algorithm:
        yield Violation("RFC 5280 4.1.1.2", "the signature algorithm within is not the one outside")
    yield from algorithm_violations(certificate.raw.inner_algorithm)


@lru_cache(maxsize=256)
def algorithm_violations(identifier: bytes) -> tuple[Violation, ...]:
    """Return why a signature must not be made by an algorithm, an AlgorithmIdentifier in DER."""
    if identifier in ADMITTED:
        return ()
    algorithm = algorithm_of(identifier)
    if algorithm is None:
        return (Violation("RFC 4055 3.1", "the parameters of the signature algorithm cannot be read"),)
    if algorithm.digest in FORGEABLE_DIGESTS:
        return (Violation("BR 7.1.3.2", f"the signature algorithm {_shown(algorithm)} can be forged"),)
    if algorithm.is_pss and algorithm.mask_digest != algorithm.digest:
        return (Violation("RFC 4055 3.1", "RSASSA-PSS masks by another digest than it signs"),)
    if is_post_quantum(algorithm.name):
        return tuple(_post_quantum_violations(identifier, algorithm.name))
    if algorithm.digest is None and algorithm.name not in EDWARDS:
        return (Violation("BR 7.1.3.2", f"no client accepts the signature algorithm {algorithm.name}"),)
    return (
        Violation("BR 7.1.3.2", f"the signature algorithm {_shown(algorithm)} is not encoded as it must be", PROFILE),
    )


def _post_quantum_violations(identifier: bytes, name: str) -> Iterator[Violation]:
    if len(elements(elements(identifier)[0].content)) > 1:
        yield Violation("RFC 9881 2", f"the signature algorithm {name} has parameters, which must be absent")
    yield Violation("BR 7.1.3.2", f"the signature algorithm {name} is not allowed", PROFILE)


def algorithm_of(identifier: bytes) -> SignatureAlgorithm | None:
    """Return the algorithm of a signature; None if it cannot be read."""
    try:
        return read_identifier(identifier)
    except ValueError:
        return None


def _shown(algorithm: SignatureAlgorithm) -> str:
    return f"{algorithm.name} ({algorithm.digest})" if algorithm.is_pss else algorithm.name


def is_usable(signer: Certificate, identifier: bytes) -> bool:
    """Return whether clients verify signatures of a key by an algorithm."""
    violations = (*key_violations(signer), *algorithm_violations(identifier))
    return signer.has_readable("public_key") and all(violation.kind == PROFILE for violation in violations)


def is_admitted(identifier: bytes, digests: tuple[str, ...]) -> bool:
    """Return whether an algorithm can be forged only by way of its digest, and that is one of these."""
    algorithm = algorithm_of(identifier)
    return algorithm is not None and algorithm.digest in FORGEABLE_DIGESTS and algorithm.digest in digests


class Signed(Hashable, Protocol):
    """A certificate, a CRL or an OCSP response."""

    @property
    def signature(self) -> Signature:
        """Its signature."""


def is_signed_by(signed: Signed, signer: Certificate, *, by_any_algorithm: bool = False) -> bool | None:
    """Return whether the key of a certificate made a signature; None if that is not known.

    A signature is verified only if clients do so, with a key and an algorithm that they accept; for every other one
    the outcome is None. With `by_any_algorithm` it is verified even then, and None means that it cannot be here.
    """
    verify = _verified_certificate if isinstance(signed, Certificate) else _verified_status
    verified = verify(signed, signer)
    return _verified_by_any(signed, signer) if verified is None and by_any_algorithm else verified


def is_status_signed_by(status: Signed, signer: Certificate, digests: tuple[str, ...] = ()) -> bool | None:
    """Return whether a key made the signature of a CRL or an OCSP response; None if that is not known.

    `digests` are admitted besides those that clients accept. The key must be one that clients accept in any case.
    """
    verified = is_signed_by(status, signer)
    if verified is not None or not is_admitted(status.signature.algorithm, digests):
        return verified
    if any(violation.kind != PROFILE for violation in key_violations(signer)):
        return None
    return is_signed_by(status, signer, by_any_algorithm=True)


def _verified(signed: Signed, signer: Certificate) -> bool | None:
    signature = signed.signature
    if not signature.is_consistent or not is_usable(signer, signature.algorithm):
        return None
    return _is_made_by(signature, signer) is True


_verified_certificate: Final = lru_cache(maxsize=8192)(_verified)
_verified_status: Final = lru_cache(maxsize=512)(_verified)  # it keeps what is signed alive, and a CRL may be large


@lru_cache(maxsize=4096)
def _verified_by_any(signed: Signed, signer: Certificate) -> bool | None:
    return _is_made_by(signed.signature, signer)


def _is_made_by(signature: Signature, signer: Certificate) -> bool | None:
    algorithm = algorithm_of(signature.algorithm)
    if algorithm is None or not signer.has_readable("public_key"):
        return None
    of_key = signer.key_algorithm if signer.has_readable("key_algorithm") else None
    with unwarned():
        return is_made_by(VerificationKey(signer.public_key, of_key), algorithm, signature.octets, signature.signed)


def pairing_violations(certificate: Certificate, issuer: Certificate) -> Iterator[Violation]:
    """Yield a message if the digest does not match the issuer's curve (BR 7.1.3.2.2)."""
    algorithm = algorithm_of(certificate.raw.inner_algorithm)
    if algorithm is None or not issuer.has_readable("key") or issuer.key.kind != "EC":
        return
    wanted = DIGEST_OF_CURVE.get(issuer.key.curve or "")
    if wanted and algorithm.digest and algorithm.digest != wanted:
        reason = f"it is signed with {algorithm.name} and a key on the curve {issuer.key.curve}"
        yield Violation("BR 7.1.3.2.2", reason, PROFILE)
