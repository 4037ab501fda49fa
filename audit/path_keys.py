"""Which keys and signature algorithms a path may be made of (BR 6.1.5, 6.1.6 and 7.1.3).

It verifies a signature only with a key that is admitted: a hostile one can make that take long.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from audit.keys import KeyFacts
from audit.path_member import Member
from audit.quiet import unwarned
from audit.refusal import PROFILE, Breach
from audit.signature import ALGORITHMS, verifies

CURVES: Final = {"P-256": "sha256", "P-384": "sha384", "P-521": "sha512"}
"""The curves, and the digest that goes with each (BR 7.1.3.2.2)."""
RSA_BITS: Final = range(2048, 16385, 8)
RSA_EXPONENTS: Final = range(3, 1 << 256, 2)


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


def key_breaches(member: Member) -> Iterator[Breach]:
    """Say why a key is not admitted."""
    key = member.key
    if key is None:
        return  # RFC 5280 4.1.2.7: it cannot be read
    if key.kind == "RSA":
        yield from _rsa_breaches(key)
    elif key.kind != "EC":
        yield Breach("BR 6.1.5", f"a key of the kind {key.kind} is not admitted")
    elif key.curve not in CURVES:
        yield Breach("BR 6.1.5", f"a key on the curve {key.curve} is not admitted")


def _rsa_breaches(key: KeyFacts) -> Iterator[Breach]:
    if key.bits not in RSA_BITS:
        yield Breach("BR 6.1.5", f"RSA with {key.bits} bits, 2048 or more and a multiple of 8 are required")
    if key.exponent not in RSA_EXPONENTS:
        yield Breach("BR 6.1.6", "the RSA exponent is even, below 3 or longer than 256 bits")
    if key.has_small_factor:
        yield Breach("BR 6.1.6", "the RSA modulus has a factor below 752")


def signature_breaches(member: Member) -> Iterator[Breach]:
    """Say why the algorithm of a signature is not admitted; an anchor's signature on itself is never asked."""
    if member.inner_algorithm != member.outer_algorithm:
        yield Breach("RFC 5280 4.1.1.2", "the signature algorithm within is not the one outside")
    if member.inner_algorithm not in ADMITTED:
        oid = member.parsed.signature_algorithm_oid.dotted_string
        yield Breach("BR 7.1.3.2", f"the signature algorithm {ALGORITHMS.get(oid, (oid,))[0]} is not admitted so")


@lru_cache(maxsize=8192)
def is_signed_by(member: Member, issuer: Member) -> bool | None:
    """Tell whether an issuer's key made a certificate's signature; None where key or algorithm is not admitted."""
    if issuer.public_key is None or any(key_breaches(issuer)) or any(signature_breaches(member)):
        return None
    with unwarned():
        return verifies(member.parsed, issuer.parsed) is True


def pairing_breaches(member: Member, issuer: Member) -> Iterator[Breach]:
    """Say where a digest does not go with the issuer's curve (BR 7.1.3.2.2)."""
    if issuer.key is None or issuer.key.kind != "EC":
        return
    name, digest = ALGORITHMS.get(member.parsed.signature_algorithm_oid.dotted_string, ("", None))
    wanted = CURVES.get(issuer.key.curve or "")
    if wanted and digest and digest != wanted:
        yield Breach("BR 7.1.3.2.2", f"it is signed with {name} by a key on the curve {issuer.key.curve}", PROFILE)
