"""The fields of one certificate (RFC 5280 4.1 and 4.2), a function each: from the library, or from the DER itself.

Each raises an error of `LIBRARY_ERRORS` for what cannot be read. None of them judges a value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from audit.x509.public_keys import POST_QUANTUM, KeyFacts, key_of_spki, public_key_of, read_key
from audit.x509.raw import RawCertificate
from audit.x509.signatures import ALGORITHMS

USAGES: Final = {
    ExtendedKeyUsageOID.SERVER_AUTH.dotted_string: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string: "clientAuth",
    ExtendedKeyUsageOID.CODE_SIGNING.dotted_string: "codeSigning",
    ExtendedKeyUsageOID.EMAIL_PROTECTION.dotted_string: "emailProtection",
    ExtendedKeyUsageOID.TIME_STAMPING.dotted_string: "timeStamping",
    ExtendedKeyUsageOID.OCSP_SIGNING.dotted_string: "OCSPSigning",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE.dotted_string: "anyExtendedKeyUsage",
}
"""Names of extended key usages (RFC 5280 4.2.1.12) by OID."""

CanonicalName = tuple[frozenset[tuple[str, str]], ...]
"""A name as RFC 5280 7.1 compares it: without regard to case, width of spaces and string type."""

Extensions = Mapping[type[x509.ExtensionType], x509.Extension[x509.ExtensionType]]
"""The extensions of a certificate that the library has a type for, by that type."""

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def canonical(name: x509.Name) -> CanonicalName:
    """Return a name in the form in which it is compared."""
    return tuple(
        frozenset((part.oid.dotted_string, " ".join(str(part.value).casefold().split())) for part in rdn)
        for rdn in name.rdns
    )


def attribute(name: x509.Name, oid: x509.ObjectIdentifier) -> str | None:
    """Return the first attribute of that type in a name, or None."""
    return next((str(part.value) for part in name.get_attributes_for_oid(oid)), None)


def serial(certificate: x509.Certificate) -> int:
    """Return the serial number; raises ValueError if it is not positive (RFC 5280 4.1.2.2)."""
    number = certificate.serial_number
    if number <= 0:
        raise ValueError(f"{number} is not positive")
    return number


def lifetime(certificate: x509.Certificate) -> timedelta:
    """Return the length of the validity, both ends included (RFC 5280 4.1.2.5): one second more than the difference."""
    span = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    if span < timedelta(0):
        raise ValueError("notAfter is before notBefore")
    return span + timedelta(seconds=1)


def key(certificate: x509.Certificate, spki: bytes) -> KeyFacts:
    """Return what the public key is; also of one that the library recognizes and cannot use."""
    try:
        return read_key(public_key_of(certificate), spki)
    except UnsupportedAlgorithm as error:
        oid = certificate.public_key_algorithm_oid.dotted_string
        return KeyFacts(POST_QUANTUM.get(oid, oid), unsupported=str(error))
    except ValueError:
        return key_of_spki(spki)


def extension(extensions: Extensions, kind: type[_Extension]) -> _Extension | None:
    """Return the value of an extension; None if it is absent."""
    present = extensions.get(kind)
    return present.value if present is not None and isinstance(present.value, kind) else None


def is_ca(extensions: Extensions) -> bool:
    """Return whether basicConstraints say that the certificate is a CA's."""
    constraints = extension(extensions, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def dns_names(extensions: Extensions) -> tuple[str, ...]:
    """Return the dNSNames of the subject alternative name, as they are encoded."""
    names = extension(extensions, x509.SubjectAlternativeName)
    return () if names is None else tuple(names.get_values_for_type(x509.DNSName))


def ip_addresses(extensions: Extensions) -> tuple[str, ...]:
    """Return the iPAddresses of the subject alternative name in canonical form."""
    names = extension(extensions, x509.SubjectAlternativeName)
    return () if names is None else tuple(str(address) for address in names.get_values_for_type(x509.IPAddress))


def has_san(extensions: Extensions) -> bool:
    """Return whether the subject alternative name holds a dNSName or an iPAddress."""
    return bool(dns_names(extensions) or ip_addresses(extensions))


def extended_key_usages(extensions: Extensions) -> tuple[str, ...] | None:
    """Return the extended key usages by name, else OID; None if the extension is absent."""
    usages = extension(extensions, x509.ExtendedKeyUsage)
    if usages is None:
        return None
    return tuple(USAGES.get(usage.dotted_string, usage.dotted_string) for usage in usages)


def authority_key_id(extensions: Extensions) -> bytes | None:
    """Return the key identifier of the authorityKeyIdentifier, or None."""
    identifier = extension(extensions, x509.AuthorityKeyIdentifier)
    return None if identifier is None else identifier.key_identifier


def subject_key_id(extensions: Extensions) -> bytes | None:
    """Return the subjectKeyIdentifier, or None."""
    identifier = extension(extensions, x509.SubjectKeyIdentifier)
    return None if identifier is None else identifier.digest


def ca_issuers(extensions: Extensions) -> tuple[str, ...]:
    """Return the URLs at which the issuer's certificates are published (RFC 5280 4.2.2.1)."""
    return access_urls(extensions, AuthorityInformationAccessOID.CA_ISSUERS)


def access_urls(extensions: Extensions, method: x509.ObjectIdentifier) -> tuple[str, ...]:
    """Return the URLs that authorityInfoAccess names for a method."""
    access = extension(extensions, x509.AuthorityInformationAccess) or ()
    locations = [description.access_location for description in access if description.access_method == method]
    return tuple(location.value for location in locations if isinstance(location, x509.UniformResourceIdentifier))


def spki_sha256(spki: bytes) -> str:
    """Return the SHA-256 of the SubjectPublicKeyInfo as it is encoded (RFC 7469 2.4), in hex."""
    return hashlib.sha256(spki).hexdigest()


def raw_lifetime(raw: RawCertificate) -> timedelta:
    """Return the length of the validity; raises ValueError if it ends before it begins."""
    if raw.lifetime <= timedelta(0):
        raise ValueError("notAfter is before notBefore")
    return raw.lifetime


def raw_signature(raw: RawCertificate) -> tuple[str, str | None]:
    """Return name and digest of the signature's algorithm; raises ValueError for RSASSA-PSS."""
    name, digest = ALGORITHMS.get(raw.algorithm_oid, (raw.algorithm_oid, None))
    if name == "id-RSASSA-PSS":
        raise ValueError("the digest stands in parameters that the library reads")
    return name, digest


def raw_names(raw: RawCertificate) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return dNSNames and iPAddresses; raises ValueError if one of either is malformed: then all are in doubt."""
    names = unrepeated(raw).dns_names
    if not all(map(str.isascii, names)):
        raise ValueError("a dNSName is not an IA5String")
    return names, tuple(map(str, raw.addresses))


def raw_usages(raw: RawCertificate) -> tuple[str, ...] | None:
    """Return the extended key usages by name, else OID; None if the extension is absent."""
    usages = unrepeated(raw).usages
    return None if usages is None else tuple(USAGES.get(usage, usage) for usage in usages)


def unrepeated(raw: RawCertificate) -> RawCertificate:
    """Return a certificate that has no extension twice; raises ValueError for another."""
    if raw.repeated:
        raise ValueError(f"the extension {raw.repeated[0]} is there more than once")
    return raw
