"""Reads signature algorithms, and verifies signatures with a key.

No algorithm is judged: a forgeable signature is verified like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from audit.x509.der import elements, read_oid, spki_of, tbs_fields
from audit.x509.public_keys import POST_QUANTUM, ml_dsa_of, public_key_of

ALGORITHMS: Final[dict[str, tuple[str, str | None]]] = {
    "1.2.840.113549.1.1.2": ("md2WithRSAEncryption", "md2"),
    "1.2.840.113549.1.1.3": ("md4WithRSAEncryption", "md4"),
    "1.2.840.113549.1.1.4": ("md5WithRSAEncryption", "md5"),
    "1.2.840.113549.1.1.5": ("sha1WithRSAEncryption", "sha1"),
    "1.3.14.3.2.29": ("sha1WithRSASignature", "sha1"),
    "1.3.36.3.3.1.2": ("rsaSignatureWithripemd160", "ripemd160"),
    "1.2.840.113549.1.1.10": ("id-RSASSA-PSS", None),  # the digest is in its parameters
    "1.2.840.113549.1.1.11": ("sha256WithRSAEncryption", "sha256"),
    "1.2.840.113549.1.1.12": ("sha384WithRSAEncryption", "sha384"),
    "1.2.840.113549.1.1.13": ("sha512WithRSAEncryption", "sha512"),
    "1.2.840.113549.1.1.14": ("sha224WithRSAEncryption", "sha224"),
    "1.2.840.10045.4.1": ("ecdsa-with-SHA1", "sha1"),
    "1.2.840.10045.4.3.1": ("ecdsa-with-SHA224", "sha224"),
    "1.2.840.10045.4.3.2": ("ecdsa-with-SHA256", "sha256"),
    "1.2.840.10045.4.3.3": ("ecdsa-with-SHA384", "sha384"),
    "1.2.840.10045.4.3.4": ("ecdsa-with-SHA512", "sha512"),
    "1.2.840.10040.4.3": ("dsa-with-sha1", "sha1"),
    "2.16.840.1.101.3.4.3.2": ("dsa-with-sha256", "sha256"),
    "1.3.101.112": ("Ed25519", None),
    "1.3.101.113": ("Ed448", None),
    **{oid: (name, None) for oid, name in POST_QUANTUM.items()},
}
"""Names and digests of signature algorithms by OID (RFC 3279, 4055, 5758, 8410, 9881, 9909)."""

_PSS: Final = "1.2.840.113549.1.1.10"
_MASK: Final = "1.2.840.113549.1.1.8"  # id-mgf1
_DIGEST_OIDS: Final = {
    "1.2.840.113549.2.5": "md5",
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_DIGESTS: Final[dict[str, hashes.HashAlgorithm]] = {
    "md5": hashes.MD5(),  # noqa: S303 - verified like any other, and judged elsewhere
    "sha1": hashes.SHA1(),  # noqa: S303 - verified like any other, and judged elsewhere
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_UNUSABLE: Final = (TypeError, ValueError, UnsupportedAlgorithm)


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as it is in a certificate, CRL or OCSP response, and the octets that it signs."""

    algorithm: bytes  # the whole AlgorithmIdentifier beside it
    octets: bytes
    signed: bytes
    is_consistent: bool = True  # whether a certificate names the same algorithm within (RFC 5280 4.1.1.2)


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """An algorithm: its name (its OID if it has no name here) and its digest, if it has one of its own.

    Of RSASSA-PSS also the digest of the mask and the octets of the salt (RFC 4055 3.1); in a key they are what the
    owner restricts it to, and `digest` is None if it does not.
    """

    name: str
    digest: str | None
    mask_digest: str | None = None
    salt: int | None = None

    @property
    def is_pss(self) -> bool:
        """Whether it is RSASSA-PSS."""
        return self.name == ALGORITHMS[_PSS][0]


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key, with the algorithm in its SubjectPublicKeyInfo if that is RSASSA-PSS.

    A key of RSASSA-PSS makes no other signatures, and only those that its parameters allow (RFC 4055 1.2 and 3.3).
    """

    key: CertificatePublicKeyTypes
    algorithm: SignatureAlgorithm | None = None


@lru_cache(maxsize=256)
def read_identifier(identifier: bytes, *, of_key: bool = False) -> SignatureAlgorithm:
    """Read an AlgorithmIdentifier in DER, of a signature or a key; raises ValueError for one that cannot be read."""
    oid, *parameters = elements(elements(identifier)[0].content)
    number = read_oid(oid)
    name, digest = ALGORITHMS.get(number, (number, None))
    if number != _PSS or (of_key and not parameters):
        return SignatureAlgorithm(name, digest)
    if len(parameters) != 1 or parameters[0].tag != 0x30:
        raise ValueError("RSASSA-PSS has no parameters")
    return SignatureAlgorithm(name, *_pss(parameters[0].content))


def _pss(parameters: bytes) -> tuple[str, str, int]:
    """Return digest, digest of the mask and octets of the salt; each has a default (RFC 4055 3.1)."""
    given = {element.tag: element.content for element in elements(parameters)}
    if not given.keys() <= {0xA0, 0xA1, 0xA2, 0xA3}:
        raise ValueError("RSASSA-PSS has unknown parameters")
    digest = _digest(given[0xA0]) if 0xA0 in given else "sha1"
    mask = _mask_digest(given[0xA1]) if 0xA1 in given else "sha1"
    salt = _integer(given[0xA2]) if 0xA2 in given else 20
    if salt < 0 or (0xA3 in given and _integer(given[0xA3]) != 1):
        raise ValueError("the salt length or the trailer of RSASSA-PSS is not a valid one")
    return digest, mask, salt


def _digest(identifier: bytes) -> str:
    """Return the name of a digest; its parameters are NULL or absent (RFC 4055 2.1)."""
    oid, *parameters = elements(elements(identifier)[0].content)
    if [element.encoding for element in parameters] not in ([], [b"\x05\x00"]):
        raise ValueError("a digest has parameters")
    if (number := read_oid(oid)) not in _DIGEST_OIDS:
        raise ValueError(f"the digest {number} is unknown")
    return _DIGEST_OIDS[number]


def _mask_digest(identifier: bytes) -> str:
    oid, digest = elements(elements(identifier)[0].content)
    if read_oid(oid) != _MASK:
        raise ValueError(f"the mask generation function {read_oid(oid)} is unknown")
    return _digest(digest.encoding)


def _integer(content: bytes) -> int:
    (number,) = elements(content)
    return int.from_bytes(number.content, signed=True)


def read_algorithm(certificate: x509.Certificate) -> SignatureAlgorithm:
    """Return by what a certificate is signed; raises ValueError for parameters that cannot be read."""
    oid = certificate.signature_algorithm_oid.dotted_string
    if oid == _PSS:
        return read_identifier(tbs_fields(certificate.tbs_certificate_bytes)[1].encoding)
    return SignatureAlgorithm(*ALGORITHMS.get(oid, (oid, None)))


def verifies(certificate: x509.Certificate, issuer: x509.Certificate) -> bool | None:
    """Return whether the issuer's key made the certificate's signature; None if this cannot be computed here."""
    try:
        algorithm, key, of_key = read_algorithm(certificate), public_key_of(issuer), None
        if issuer.public_key_algorithm_oid.dotted_string == _PSS:
            of_key = key_algorithm(spki_of(issuer.tbs_certificate_bytes))
    except _UNUSABLE:
        return None
    signer = VerificationKey(key, of_key)
    return is_made_by(signer, algorithm, certificate.signature, certificate.tbs_certificate_bytes)


def key_algorithm(spki: bytes) -> SignatureAlgorithm:
    """Return the algorithm of a SubjectPublicKeyInfo; raises ValueError."""
    algorithm, *_ = elements(elements(spki)[0].content)
    return read_identifier(algorithm.encoding, of_key=True)


def is_made_by(signer: VerificationKey, algorithm: SignatureAlgorithm, signature: bytes, signed: bytes) -> bool | None:
    """Return whether a key made a signature over these octets; None if this cannot be computed here."""
    of_key = signer.algorithm
    if of_key is not None and of_key.is_pss and not _admits(of_key, algorithm):
        return False
    try:
        return _verify(signer.key, algorithm, signature, signed)
    except InvalidSignature:
        return False
    except _UNUSABLE:
        return None


def _admits(of_key: SignatureAlgorithm, algorithm: SignatureAlgorithm) -> bool:
    if of_key.digest is None:
        return algorithm.is_pss
    same = (of_key.digest, of_key.mask_digest) == (algorithm.digest, algorithm.mask_digest)
    return algorithm.is_pss and same and (algorithm.salt or 0) >= (of_key.salt or 0)


def _verify(
    key: CertificatePublicKeyTypes, algorithm: SignatureAlgorithm, signature: bytes, signed: bytes
) -> bool | None:
    """Verify a signature; the digest is named here because the library's own check refuses SHA-1 and MD5."""
    digest = _DIGESTS.get(algorithm.digest or "")
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        if algorithm.name != key.__class__.__name__.lstrip("_").removesuffix("PublicKey"):
            return None
        key.verify(signature, signed)
    elif isinstance(key, mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey):
        if algorithm.name != ml_dsa_of(key):
            return None
        key.verify(signature, signed)
    elif digest is None:
        return None
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, signed, _padding(algorithm), digest)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, signed, ec.ECDSA(digest))
    elif isinstance(key, dsa.DSAPublicKey):
        key.verify(signature, signed, digest)
    else:
        return None
    return True


def _padding(algorithm: SignatureAlgorithm) -> padding.AsymmetricPadding:
    if not algorithm.is_pss:
        return padding.PKCS1v15()
    return padding.PSS(padding.MGF1(_DIGESTS[algorithm.mask_digest or ""]), algorithm.salt or 0)
