"""Certificates made in memory: an identity is a key with its certificate, and one identity issues another."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import gmpy2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

SHA256: Final = hashes.SHA256()
SERVER_AUTH: Final = ExtendedKeyUsageOID.SERVER_AUTH
_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)

_LEAF_USAGE: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
_CA_USAGE: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key and the certificate of its public half."""

    key: PrivateKey
    certificate: x509.Certificate

    @property
    def subject(self) -> x509.Name:
        """The certificate's subject."""
        return self.certificate.subject


@dataclass(frozen=True, slots=True)
class Leaf:
    """The contents of a server's certificate; the defaults are valid. `names` may hold IP literals."""

    common_name: str
    names: tuple[str, ...]
    not_before: datetime
    lifetime: timedelta = 90 * _DAY
    usages: tuple[x509.ObjectIdentifier, ...] = (SERVER_AUTH,)
    extra: tuple[x509.ExtensionType, ...] = ()


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a new P-256 key: made in a fraction of a millisecond."""
    return ec.generate_private_key(ec.SECP256R1())


def new_rsa_key(bits: int) -> rsa.RSAPrivateKey:
    """Return a new RSA key; 2,048 bits take some 50 ms."""
    return rsa.generate_private_key(65537, bits)


def new_close_key() -> rsa.RSAPrivateKey:
    """Return a new RSA key of 2,048 bits whose primes follow one another, so that they are easily found."""
    p = new_rsa_key(2048).private_numbers().p
    q, e = int(gmpy2.next_prime(p)), 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    crt = (rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q))
    return rsa.RSAPrivateNumbers(p, q, d, *crt, rsa.RSAPublicNumbers(e, p * q)).private_key()


def new_root(name: str, *, now: datetime) -> Identity:
    """Return a self-signed CA of ten years."""
    return _new_ca(name, None, new_key(), (now - 365 * _DAY, now + 3650 * _DAY))


def new_intermediate(
    name: str,
    issuer: Identity,
    *,
    now: datetime,
    lasts: timedelta = 1825 * _DAY,
    key: PrivateKey | None = None,
    extra: tuple[x509.ExtensionType, ...] = (),
) -> Identity:
    """Return a CA issued by another one, which expires the given time from now."""
    return _new_ca(name, issuer, key or new_key(), (now - 180 * _DAY, now + lasts), extra=extra)


def issue(leaf: Leaf, issuer: Identity | None, *, key: PrivateKey | None = None) -> Identity:
    """Return a server's identity issued by a CA, or self-signed without a CA."""
    own = key or new_key()
    return Identity(own, _leaf_builder(leaf, issuer, own.public_key()).sign(issuer.key if issuer else own, SHA256))


def certify(leaf: Leaf, issuer: Identity, public_key: PublicKey) -> x509.Certificate:
    """Return a server's certificate for a public key."""
    return _leaf_builder(leaf, issuer, public_key).sign(issuer.key, SHA256)


_SHA256_WITH_RSA: Final = bytes.fromhex("06092a864886f70d01010b")  # RFC 8017 appendix A.2.4
_RSA_SIGNATURES: Final[dict[str, tuple[bytes, hashes.HashAlgorithm]]] = {
    "sha1": (bytes.fromhex("06092a864886f70d010105"), hashes.SHA1()),  # noqa: S303 - the fault itself
    "md5": (bytes.fromhex("06092a864886f70d010104"), hashes.MD5()),  # noqa: S303 - the fault itself
}


def sign_weakly(identity: Identity, issuer: Identity, digest: str) -> Identity:
    """Return the identity with its certificate signed anew over `sha1` or `md5` by its issuer's RSA key.

    The library's builder refuses these digests, so the DER is put together here: the identifiers are of one length,
    and the certificate is SEQUENCE { to-be-signed, algorithm, BIT STRING } (RFC 5280 4.1).
    """
    if not isinstance(issuer.key, rsa.RSAPrivateKey):
        raise TypeError("only an RSA key signs over SHA-1 or MD5 here")
    oid, algorithm = _RSA_SIGNATURES[digest]
    signed = identity.certificate.tbs_certificate_bytes.replace(_SHA256_WITH_RSA, oid, 1)
    signature = issuer.key.sign(signed, padding.PKCS1v15(), algorithm)
    der = _tlv(0x30, signed + _tlv(0x30, oid + b"\x05\x00") + _tlv(0x03, b"\x00" + signature))
    return Identity(identity.key, x509.load_der_x509_certificate(der))


def _tlv(tag: int, content: bytes) -> bytes:
    """Return one DER element (X.690 8.1), with the length in its shortest form."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def _leaf_builder(leaf: Leaf, issuer: Identity | None, public_key: PublicKey) -> x509.CertificateBuilder:
    valid = (leaf.not_before, leaf.not_before + leaf.lifetime - _SECOND)
    builder = _start(_name(leaf.common_name), issuer, public_key, valid)
    for extension, critical in _leaf_extensions(leaf):
        builder = builder.add_extension(extension, critical=critical)
    return builder


def _new_ca(
    name: str,
    issuer: Identity | None,
    key: PrivateKey,
    valid: tuple[datetime, datetime],
    *,
    extra: tuple[x509.ExtensionType, ...] = (),
) -> Identity:
    builder = _start(_name(name), issuer, key.public_key(), valid)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(_CA_USAGE, critical=True)
    for extension in extra:
        builder = builder.add_extension(extension, critical=False)
    return Identity(key, builder.sign(issuer.key if issuer else key, SHA256))


def _start(
    subject: x509.Name, issuer: Identity | None, public_key: PublicKey, valid: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    """Return what root, intermediate and leaf have in common."""
    above = issuer.key.public_key() if issuer else public_key
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above), critical=False)
    )


def _leaf_extensions(leaf: Leaf) -> list[tuple[x509.ExtensionType, bool]]:
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_LEAF_USAGE, True),
    ]
    if leaf.usages:
        extensions.append((x509.ExtendedKeyUsage(leaf.usages), False))
    if leaf.names:
        extensions.append((x509.SubjectAlternativeName([_general_name(name) for name in leaf.names]), False))
    return extensions + [(extension, False) for extension in leaf.extra]


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _name(name: str) -> x509.Name:
    """Return the subject with this common name; a name with `=` is the whole subject (RFC 4514)."""
    if "=" in name:
        return x509.Name.from_rfc4514_string(name)
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Lab"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
