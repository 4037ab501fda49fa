"""By which algorithm a certificate is signed, and whether a key made that signature.

It knows no names and no trust, and judges no algorithm: a forgeable signature is verified like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

ALGORITHMS: Final[dict[str, tuple[str, str | None]]] = {
    "1.2.840.113549.1.1.2": ("md2WithRSAEncryption", "md2"),
    "1.2.840.113549.1.1.3": ("md4WithRSAEncryption", "md4"),
    "1.2.840.113549.1.1.4": ("md5WithRSAEncryption", "md5"),
    "1.2.840.113549.1.1.5": ("sha1WithRSAEncryption", "sha1"),
    "1.3.14.3.2.29": ("sha1WithRSASignature", "sha1"),
    "1.3.36.3.3.1.2": ("rsaSignatureWithripemd160", "ripemd160"),
    "1.2.840.113549.1.1.10": ("id-RSASSA-PSS", None),  # the digest stands in its parameters
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
}
"""Names and digests of signature algorithms by OID (RFC 3279, 4055, 5758, 8410)."""

_NO_KEY_OF_ITS_KIND = (TypeError, ValueError, UnsupportedAlgorithm)


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """The algorithm's name (its OID where it has none here) and digest, where it has one of its own."""

    name: str
    digest: str | None


def read_algorithm(certificate: x509.Certificate) -> SignatureAlgorithm:
    """Return by what a certificate is signed; raises what the library raises for parameters it cannot read."""
    oid = certificate.signature_algorithm_oid.dotted_string
    name, digest = ALGORITHMS.get(oid, (oid, None))
    if name == "id-RSASSA-PSS":
        of_parameters = certificate.signature_hash_algorithm
        digest = of_parameters.name if of_parameters else None
    return SignatureAlgorithm(name, digest)


def verifies(certificate: x509.Certificate, issuer: x509.Certificate) -> bool | None:
    """Tell whether the issuer's key made the certificate's signature; None where this cannot be computed here.

    The digest is named here because the library's own check of an issuer refuses SHA-1 and MD5.
    """
    try:
        return _verify(certificate, issuer.public_key(), certificate.signature_hash_algorithm)
    except InvalidSignature:
        return False
    except _NO_KEY_OF_ITS_KIND:
        return None


def _verify(
    certificate: x509.Certificate, key: CertificatePublicKeyTypes, digest: hashes.HashAlgorithm | None
) -> bool | None:
    signature, signed = certificate.signature, certificate.tbs_certificate_bytes
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        key.verify(signature, signed)
    elif digest is None:
        return None
    elif isinstance(key, rsa.RSAPublicKey):
        # the library gives no parameters for the digests it deprecates: those only ever came with PKCS #1 v1.5 padding
        scheme = certificate.signature_algorithm_parameters
        key.verify(signature, signed, scheme if isinstance(scheme, padding.PSS) else padding.PKCS1v15(), digest)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, signed, ec.ECDSA(digest))
    elif isinstance(key, dsa.DSAPublicKey):
        key.verify(signature, signed, digest)
    else:
        return None
    return True
