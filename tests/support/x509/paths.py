"""Certificates for tests of path validation: each is valid, and each method changes one thing.

Certificates that the library refuses to create are made by editing the DER and signing it again.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from audit.x509.certificate import Certificate, read_certificate
from audit.x509.der import elements
from audit.x509.path.validator import Validation, validate_path
from tests.support.x509.certificates import DAY, NOW, key_named

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | dsa.DSAPrivateKey
Digest = hashes.SHA224 | hashes.SHA256 | hashes.SHA384 | hashes.SHA512
Extensions = Mapping[type[x509.ExtensionType], tuple[x509.ExtensionType, bool]]
Fields = list[bytes]

EDWARDS: Final = (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)
SERVER: Final = ExtendedKeyUsageOID.SERVER_AUTH
BITS: Final = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
               "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip


def usage(*bits: str) -> x509.KeyUsage:
    """Return a key usage with these bits."""
    return x509.KeyUsage(**{bit: bit in bits for bit in BITS})


def san(*names: str | x509.GeneralName) -> x509.SubjectAlternativeName:
    """Return a subject alternative name of DNS names, addresses and other names."""
    return x509.SubjectAlternativeName([general(name) for name in names])


def general(name: str | x509.GeneralName) -> x509.GeneralName:
    """Return a text as iPAddress (of one address or a network) or dNSName."""
    if isinstance(name, x509.GeneralName):
        return name
    try:
        return x509.IPAddress(ipaddress.ip_network(name) if "/" in name else ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def constraints(
    permitted: Iterable[str | x509.GeneralName] = (), excluded: Iterable[str | x509.GeneralName] = ()
) -> x509.NameConstraints:
    """Return name constraints."""
    trees = ([general(name) for name in names] or None for names in (permitted, excluded))
    return x509.NameConstraints(*trees)


def directory(name: str) -> x509.DirectoryName:
    """Return a directory name."""
    return x509.DirectoryName(x509.Name.from_rfc4514_string(name))


def key_id(key: Key) -> x509.SubjectKeyIdentifier:
    """Return the usual subject key identifier of a key."""
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key())


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate to be made. `issuer` None is signed with its own key; `edits` are of the fields of the TBS."""

    subject: str
    issuer: Made | None = None
    extensions: Extensions = field(default_factory=dict)
    key: Key | None = None
    start: datetime = NOW - 20 * DAY
    end: datetime = NOW + 40 * DAY
    serial: int | None = None
    digest: Digest = field(default_factory=hashes.SHA256)
    pss: padding.PSS | None = None
    edits: tuple[Callable[[Fields], Fields], ...] = ()

    def having(self, extension: x509.ExtensionType, *, critical: bool = False) -> Made:
        """Return it with an extension, in place of one of that kind."""
        return replace(self, extensions={**self.extensions, type(extension): (extension, critical)})

    def without(self, kind: type[x509.ExtensionType]) -> Made:
        """Return it without an extension."""
        return replace(self, extensions={other: value for other, value in self.extensions.items() if other is not kind})

    def by(self, issuer: Made) -> Made:
        """Return it issued by another CA."""
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.private_key.public_key())
        return replace(self, issuer=issuer).having(authority)

    def edited(self, *edits: Callable[[Fields], Fields]) -> Made:
        """Return it with edits of its fields before it is signed."""
        return replace(self, edits=edits)

    @property
    def private_key(self) -> Key:
        """The key it was given, else the one of its subject."""
        return self.key or key_named(self.subject)

    @property
    def signer(self) -> Key:
        """The key that signs it."""
        return (self.issuer or self).private_key

    @property
    def der(self) -> bytes:
        """The certificate; always the same one for the same object."""
        return _der(_Same(self))

    @property
    def number(self) -> int:
        """The serial number in the certificate."""
        return x509.load_der_x509_certificate(self.der).serial_number


class _Same:
    """A certificate to be made as a key of the cache: extensions cannot be hashed."""

    def __init__(self, made: Made) -> None:
        self.made = made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.made is other.made

    def __hash__(self) -> int:
        return id(self.made)


@cache
def _der(same: _Same) -> bytes:
    made = same.made
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string(made.subject))
        .issuer_name(x509.Name.from_rfc4514_string((made.issuer or made).subject))
        .public_key(made.private_key.public_key())
        .serial_number(made.serial or x509.random_serial_number())
        .not_valid_before(made.start)
        .not_valid_after(made.end)
    )
    for extension, critical in made.extensions.values():
        builder = builder.add_extension(extension, critical)
    digest = None if isinstance(made.signer, EDWARDS) else made.digest
    der = builder.sign(made.signer, digest, rsa_padding=made.pss).public_bytes(Encoding.DER)
    for edit in made.edits:
        der = signed(edit([element.encoding for element in elements(_tbs(der))]), der, made.signer)
    return der


def tlv(tag: int, *contents: bytes) -> bytes:
    """Return a DER element."""
    content = b"".join(contents)
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(size))) + size + content


def signed(fields: Fields, like: bytes, key: Key) -> bytes:
    """Return a certificate or CRL of these fields, signed by an EC key; it names the algorithm that another does."""
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    _, algorithm, _ = elements(elements(like)[0].content)
    body = tlv(0x30, *fields)
    return tlv(0x30, body, algorithm.encoding, tlv(0x03, b"\0", key.sign(body, ec.ECDSA(hashes.SHA256()))))


def _tbs(der: bytes) -> bytes:
    return elements(elements(der)[0].content)[0].content


def field_replaced(index: int, content: bytes) -> Callable[[Fields], Fields]:
    """Return an edit that replaces one field; of a certificate 1 is the serial number, 2 the signature, 4 the times."""
    return lambda fields: [*fields[:index], content, *fields[index + 1 :]]


def extension_added(oid: str, content: bytes, *, critical: bool = False) -> Callable[[Fields], Fields]:
    """Return an edit that appends an extension, with any content, even beside one of its kind."""

    def edit(fields: Fields) -> Fields:
        *others, last = fields
        (inner,) = elements(elements(last)[0].content)
        flag = b"\x01\x01\xff" if critical else b""
        name = _encoded(oid)
        extension = tlv(0x30, tlv(0x06, name), flag, tlv(0x04, content))
        return [*others, tlv(elements(last)[0].tag, tlv(0x30, inner.content, extension))]

    return edit


def _encoded(oid: str) -> bytes:
    first, second, *rest = map(int, oid.split("."))
    return bytes((40 * first + second, *rest))


def new_root(subject: str = "CN=Path Root") -> Made:
    """Return a good root."""
    made = Made(subject, start=NOW - 900 * DAY, end=NOW + 900 * DAY)
    return _authority(made)


def new_ca(issuer: Made, subject: str = "CN=Path CA", *, path_length: int | None = None) -> Made:
    """Return a good intermediate."""
    made = Made(subject, start=NOW - 300 * DAY, end=NOW + 300 * DAY)
    return _authority(made, path_length).by(issuer)


def _authority(made: Made, path_length: int | None = None) -> Made:
    return (
        made.having(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .having(usage("key_cert_sign", "crl_sign"), critical=True)
        .having(key_id(made.private_key))
    )


def rekeyed(ca: Made, key: Key) -> Made:
    """Return a CA with another key, its key identifier included."""
    return replace(ca, key=key).having(key_id(key))


def new_leaf(issuer: Made, *names: str | x509.GeneralName, subject: str = "O=Leaf") -> Made:
    """Return a good leaf for names, by default `www.example.com`."""
    return (
        Made(subject)
        .having(san(*(names or ("www.example.com",))))
        .having(x509.ExtendedKeyUsage([SERVER]))
        .having(usage("digital_signature"), critical=True)
        .by(issuer)
    )


def validated(
    leaf: Made | bytes, *pool: Made | bytes, roots: Iterable[Made] = (), crls: Iterable[bytes] = (), **options: object
) -> Validation:
    """Validate a path by all rules; the anchor is the root of the leaf's last issuer unless one is given."""
    arguments: Any = {"reference": "www.example.com", "at": NOW, "profile": "webpki", **options}
    anchors = list(roots) or [_root_of(leaf)]
    ders = [member if isinstance(member, bytes) else member.der for member in pool]
    first = leaf if isinstance(leaf, bytes) else leaf.der
    return validate_path(first, ders, [anchor.der for anchor in anchors], crls=crls, **arguments)


def member(made: Made | bytes) -> Certificate:
    """Return a certificate as a member of a path."""
    found = read_certificate(made if isinstance(made, bytes) else made.der)
    assert found.is_path_member
    return found


def clauses(found: Validation) -> set[str]:
    """Return the clauses for which a path is refused."""
    return {violation.clause for violation in found.violations}


def _root_of(leaf: Made | bytes) -> Made:
    assert isinstance(leaf, Made), "name the anchors"
    while leaf.issuer is not None:
        leaf = leaf.issuer
    return leaf
