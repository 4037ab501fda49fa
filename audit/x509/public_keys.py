"""The kind, size, curve and exponent of a public key, and its weaknesses.

Post-quantum algorithms are named by OID, the same one for a key and for its signatures. The library loads keys of
ML-DSA only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_public_key

from audit.policy.thresholds import ML_DSA, Thresholds
from audit.x509.der import elements, encoded, spki_of

NIST_CURVES: Final = {
    "secp192r1": "P-192",
    "secp224r1": "P-224",
    "secp256r1": "P-256",
    "secp384r1": "P-384",
    "secp521r1": "P-521",
}
"""Names of NIST's curves (FIPS 186) for those of SEC 2."""

_RSA: Final = bytes.fromhex("06092a864886f70d010101")  # rsaEncryption
RSA_OF_X509: Final = "2.5.8.1.1"  # id-ea-rsa, with the size of the key as parameter
_EXPLICIT: Final = bytes.fromhex("06072a8648ce3d020130")  # id-ecPublicKey, and then a SEQUENCE of parameters
_EXPONENT_BITS: Final = 8192
_NIST: Final = "2.16.840.1.101.3.4.3"
_SLH_DSA: Final = tuple(
    f"SLH-DSA-{digest}-{bits}{form}" for digest in ("SHA2", "SHAKE") for bits in (128, 192, 256) for form in "sf"
)
_COMPOSITES: Final = (
    "MLDSA44-RSA2048-PSS-SHA256", "MLDSA44-RSA2048-PKCS15-SHA256", "MLDSA44-Ed25519-SHA512",
    "MLDSA44-ECDSA-P256-SHA256", "MLDSA65-RSA3072-PSS-SHA512", "MLDSA65-RSA3072-PKCS15-SHA512",
    "MLDSA65-RSA4096-PSS-SHA512", "MLDSA65-RSA4096-PKCS15-SHA512", "MLDSA65-ECDSA-P256-SHA512",
    "MLDSA65-ECDSA-P384-SHA512", "MLDSA65-ECDSA-brainpoolP256r1-SHA512", "MLDSA65-Ed25519-SHA512",
    "MLDSA87-ECDSA-P384-SHA512", "MLDSA87-ECDSA-brainpoolP384r1-SHA512", "MLDSA87-Ed448-SHAKE256",
    "MLDSA87-RSA3072-PSS-SHA512", "MLDSA87-RSA4096-PSS-SHA512", "MLDSA87-ECDSA-P521-SHA512",
)  # fmt: skip
POST_QUANTUM: Final = {
    **{f"{_NIST}.{number}": name for number, name in enumerate(ML_DSA, 17)},
    **{f"{_NIST}.{number}": name for number, name in enumerate(_SLH_DSA, 20)},
    **{f"1.3.6.1.5.5.7.6.{number}": name for number, name in enumerate(_COMPOSITES, 37)},
}
"""Names of post-quantum algorithms by OID: ML-DSA (RFC 9881), SLH-DSA (RFC 9909), and composites of ML-DSA with a
classical algorithm (draft-ietf-lamps-pq-composite-sigs)."""
_POST_QUANTUM_NAMES: Final = frozenset(POST_QUANTUM.values())
_ML_DSA_KEYS: Final = (mldsa.MLDSA44PublicKey, mldsa.MLDSA65PublicKey, mldsa.MLDSA87PublicKey)
_SMALL_FACTORS: Final = math.factorial(751)  # the product of all of them


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A public key: `kind` RSA, EC, DSA, Ed25519, Ed448, a name of POST_QUANTUM, or the algorithm's OID.

    What does not apply is None.

    `has_small_factor`: an RSA modulus is even or has a prime factor below 752.
    """

    kind: str
    bits: int | None = None
    curve: str | None = None
    exponent: int | None = None
    has_small_factor: bool = False
    unsupported: str | None = None  # why the key cannot be used here, in the words of the library
    is_explicit: bool = False  # the curve is given by its parameters instead of by its name
    is_hybrid: bool = False  # the point of an EC key has both coordinates and the sign bit of a compressed one
    number: int | None = None  # an RSA modulus, a point's x, the octets of an Ed25519 or Ed448 key: what identifies it

    @property
    def is_post_quantum(self) -> bool:
        """Whether a quantum computer is not known to break it."""
        return is_post_quantum(self.kind)

    def __str__(self) -> str:
        """Return `RSA 2048`, `EC P-256`, `Ed25519`."""
        size = self.curve or (str(self.bits) if self.kind in ("RSA", "DSA") else self.kind)
        return self.kind if size == self.kind else f"{self.kind} {size}"


def is_post_quantum(name: str) -> bool:
    """Return whether this is the name of a post-quantum algorithm."""
    return name in _POST_QUANTUM_NAMES


def ml_dsa_of(key: object) -> str | None:
    """Return the parameter set of an ML-DSA key; None for any other key."""
    return next((name for name, kind in zip(ML_DSA, _ML_DSA_KEYS, strict=True) if isinstance(key, kind)), None)


def read_key(key: CertificatePublicKeyTypes, spki: bytes = b"") -> KeyFacts:
    """Return the facts of a public key, and of the SubjectPublicKeyInfo that it was read from."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return rsa_facts(numbers.n, numbers.e)
    if isinstance(key, ec.EllipticCurvePublicKey):
        curve = NIST_CURVES.get(key.curve.name, key.curve.name)
        return KeyFacts(
            "EC",
            key.key_size,
            curve=curve,
            is_explicit=_has_explicit_curve(spki),
            is_hybrid=_has_hybrid_point(spki),
            number=key.public_numbers().x,
        )
    if isinstance(key, dsa.DSAPublicKey):
        return KeyFacts("DSA", key.key_size)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return KeyFacts("Ed25519", 256, curve="Ed25519", number=int.from_bytes(key.public_bytes_raw()))
    if isinstance(key, ed448.Ed448PublicKey):
        return KeyFacts("Ed448", 456, curve="Ed448", number=int.from_bytes(key.public_bytes_raw()))
    return KeyFacts(ml_dsa_of(key) or type(key).__name__.removesuffix("PublicKey"))


def _has_explicit_curve(spki: bytes) -> bool:
    return any(elements(key_info.content)[0].content.startswith(_EXPLICIT) for key_info in elements(spki))


def _has_hybrid_point(spki: bytes) -> bool:
    """Return whether the point begins with 06 or 07 (X9.62 4.3.6), after the count of unused bits."""
    return any(elements(key_info.content)[1].content[1:2] in (b"\6", b"\7") for key_info in elements(spki))


def public_key_of(certificate: x509.Certificate) -> CertificatePublicKeyTypes:
    """Return the public key, also of RSA under its name of X.509 (1988), which clients read as RSA.

    Raises ValueError and UnsupportedAlgorithm as the library does.
    """
    try:
        return certificate.public_key()
    except UnsupportedAlgorithm:
        if certificate.public_key_algorithm_oid.dotted_string != RSA_OF_X509:
            raise
        _, octets = elements(elements(spki_of(certificate.tbs_certificate_bytes))[0].content)
        renamed = encoded(0x30, encoded(0x30, _RSA, b"\x05\x00"), octets.encoding)
        return load_der_public_key(renamed)  # type: ignore[return-value]  # an RSA key


def key_of_spki(spki: bytes) -> KeyFacts:
    """Return what a public key is, of RSA also one that the library refuses to load; raises ValueError."""
    try:
        return read_key(load_der_public_key(spki), spki)  # type: ignore[arg-type]  # certificates hold no Diffie-Hellman keys
    except ValueError:
        (key_info,) = elements(spki)
        algorithm, octets = elements(key_info.content)
        if not algorithm.content.startswith(_RSA):
            raise
        (key,) = elements(octets.content[1:])  # after the count of unused bits
        modulus, exponent = (int.from_bytes(number.content, signed=True) for number in elements(key.content))
        return rsa_facts(modulus, exponent)


def rsa_facts(modulus: int, exponent: int) -> KeyFacts:
    """Return the facts of an RSA key; raises ValueError for an exponent that is longer than any modulus."""
    if exponent.bit_length() > _EXPONENT_BITS:
        raise ValueError(f"an RSA exponent of {exponent.bit_length()} bits")
    small = math.gcd(modulus, _SMALL_FACTORS) > 1
    return KeyFacts("RSA", modulus.bit_length(), exponent=exponent, has_small_factor=small, number=modulus)


def weaknesses(key: KeyFacts, limits: Thresholds) -> tuple[str, ...]:
    """Return one message per weakness of a key: size, curve, exponent (Baseline Requirements 6.1.5 and 6.1.6).

    Ed25519, Ed448 and ML-DSA count as curves: a policy that does not list them does not accept them.
    """
    if key.is_post_quantum:
        return tuple(_of_post_quantum(key, limits))
    if key.unsupported:
        return (f"the key cannot be used: {key.unsupported}",)
    if key.kind == "RSA":
        return tuple(_of_rsa(key, limits))
    if key.curve is None:
        return (f"no client accepts a key of the kind {key.kind}",)
    if key.is_explicit:
        return ("the curve is given by its parameters, and clients accept named curves only (RFC 5480 2.1.1)",)
    if key.is_hybrid:
        return ("the point is in hybrid form, which clients must reject (RFC 5480 2.2)",)
    if key.curve not in limits.curves:
        return (f"the curve {key.curve} is not one of {', '.join(limits.curves)}",)
    return ()


def leaf_weaknesses(key: KeyFacts, limits: Thresholds) -> tuple[str, ...]:
    """Return one message per weakness of a leaf's key: its kind, else its size, curve and exponent."""
    if limits.key_kinds and key.kind not in limits.key_kinds:
        return (f"a key of the kind {key.kind}; allowed: {', '.join(limits.key_kinds)}",)
    return weaknesses(key, limits)


def _of_post_quantum(key: KeyFacts, limits: Thresholds) -> Iterator[str]:
    """Yield a message unless the policy lists the algorithm, or the audit cannot judge it (`is_unjudged`)."""
    if key.kind not in limits.curves and not is_unjudged(key, limits):
        yield f"a post-quantum key ({key}), for which no public CA may issue a certificate (BR 6.1.5)"


def is_unjudged(key: KeyFacts, limits: Thresholds) -> bool:
    """Return whether a policy that accepts post-quantum keys does not list one, which the library does not support."""
    return key.is_post_quantum and key.unsupported is not None and not set(limits.curves).isdisjoint(ML_DSA)


def _of_rsa(key: KeyFacts, limits: Thresholds) -> Iterator[str]:
    bits, exponent, most = key.bits or 0, key.exponent or 0, limits.rsa_exponent_bits_max
    if has_negative_modulus(key):
        yield "the RSA modulus is negative"
        return
    if bits < limits.rsa_bits_min:
        yield f"RSA with {bits} bits; at least {limits.rsa_bits_min} are required"
    if bits % limits.rsa_bits_multiple:
        yield f"an RSA modulus of {bits} bits; a multiple of {limits.rsa_bits_multiple} is required"
    if exponent % 2 == 0:
        yield "the RSA exponent is even; it must be odd"
    elif exponent < limits.rsa_exponent_min:
        yield f"the RSA exponent is {exponent}; at least {limits.rsa_exponent_min} is required"
    if most and exponent.bit_length() > most:
        yield f"the RSA exponent has {exponent.bit_length()} bits; at most {most} are allowed"


def has_negative_modulus(key: KeyFacts) -> bool:
    """Return whether the integer of an RSA modulus is negative (X.690 8.3); some libraries read it as positive."""
    return key.number is not None and key.number < 0


def small_factors(key: KeyFacts) -> tuple[str, ...]:
    """Return a message if an RSA modulus has a small prime factor (Baseline Requirements 6.1.6)."""
    return ("the RSA modulus has a prime factor below 752",) if key.has_small_factor else ()
