"""The fields of one parsed certificate (RFC 5280 4.1 and 4.2), a function each.

Each raises whatever the library raises for what it cannot read (`UNREADABLE`); it judges nothing.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from audit.x509.der import spki_of
from audit.x509.extensions import extensions_of
from audit.x509.public_keys import EXPLICIT, KeyFacts, key_of_spki, public_key_of, read_key
from audit.x509.signatures import verifies

UNREADABLE: Final = (
    ValueError,
    TypeError,  # a BIT STRING in a name
    KeyError,  # a TLS feature (RFC 7633) that it has no name for
    UnsupportedAlgorithm,
    x509.InvalidVersion,  # not a ValueError
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for a certificate that it cannot read."""

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

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def reason_of(error: Exception) -> str:
    """Return in a line why something could not be read."""
    text = " ".join(str(error).split()) or type(error).__name__
    return f"the library does not know the value {text}" if isinstance(error, KeyError) else text


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
    """Return the serial number; raises ValueError where it is not positive (RFC 5280 4.1.2.2)."""
    number = certificate.serial_number
    if number <= 0:
        raise ValueError(f"{number} is not positive")
    return number


def not_before(certificate: x509.Certificate) -> datetime:
    """Return the first instant of the validity, aware."""
    return certificate.not_valid_before_utc


def not_after(certificate: x509.Certificate) -> datetime:
    """Return the last instant of the validity, aware."""
    return certificate.not_valid_after_utc


def lifetime(certificate: x509.Certificate) -> timedelta:
    """Return the length of the validity, both ends included (RFC 5280 4.1.2.5): one second more than the difference."""
    span = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    if span < timedelta(0):
        raise ValueError("notAfter is before notBefore")
    return span + timedelta(seconds=1)


def spki_sha256(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the SubjectPublicKeyInfo as it stands in the certificate (RFC 7469 2.4), in hex."""
    return hashlib.sha256(spki_of(certificate.tbs_certificate_bytes)).hexdigest()


def key(certificate: x509.Certificate) -> KeyFacts:
    """Return what the public key is; also of one that the library knows and cannot use."""
    try:
        tbs = certificate.tbs_certificate_bytes
        return read_key(public_key_of(certificate), spki_of(tbs) if EXPLICIT in tbs else b"")
    except UnsupportedAlgorithm as error:
        return KeyFacts(certificate.public_key_algorithm_oid.dotted_string, unsupported=str(error))
    except ValueError:
        return key_of_spki(spki_of(certificate.tbs_certificate_bytes))


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Tell whether issuer and subject are one and, as far as it can be computed, its own key made the signature."""
    if canonical(certificate.issuer) != canonical(certificate.subject):
        return False
    return verifies(certificate, certificate) is not False


def is_ca(certificate: x509.Certificate) -> bool:
    """Tell whether basicConstraints say that it is a CA's."""
    constraints = _extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def dns_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the dNSNames of the subject alternative name, as they stand there."""
    names = _extension(certificate, x509.SubjectAlternativeName)
    return () if names is None else tuple(names.get_values_for_type(x509.DNSName))


def ip_addresses(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the iPAddresses of the subject alternative name in canonical form."""
    names = _extension(certificate, x509.SubjectAlternativeName)
    return () if names is None else tuple(str(address) for address in names.get_values_for_type(x509.IPAddress))


def has_san(certificate: x509.Certificate) -> bool:
    """Tell whether there is a subject alternative name with a dNSName or an iPAddress in it."""
    return bool(dns_names(certificate) or ip_addresses(certificate))


def extended_key_usages(certificate: x509.Certificate) -> tuple[str, ...] | None:
    """Return the extended key usages by name, else OID; None where the extension is not there."""
    usages = _extension(certificate, x509.ExtendedKeyUsage)
    if usages is None:
        return None
    return tuple(USAGES.get(usage.dotted_string, usage.dotted_string) for usage in usages)


def authority_key_id(certificate: x509.Certificate) -> bytes | None:
    """Return the key identifier of the authorityKeyIdentifier, or None."""
    identifier = _extension(certificate, x509.AuthorityKeyIdentifier)
    return None if identifier is None else identifier.key_identifier


def subject_key_id(certificate: x509.Certificate) -> bytes | None:
    """Return the subjectKeyIdentifier, or None."""
    identifier = _extension(certificate, x509.SubjectKeyIdentifier)
    return None if identifier is None else identifier.digest


def ca_issuers(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the URLs at which the issuer's certificates are published (RFC 5280 4.2.2.1)."""
    access = _extension(certificate, x509.AuthorityInformationAccess)
    places = [one for one in access or () if one.access_method == AuthorityInformationAccessOID.CA_ISSUERS]
    return tuple(
        one.access_location.value for one in places if isinstance(one.access_location, x509.UniformResourceIdentifier)
    )


def subject_common_name(certificate: x509.Certificate) -> str | None:
    """Return the subject's first common name, or None."""
    return attribute(certificate.subject, NameOID.COMMON_NAME)


def issuer_organization(certificate: x509.Certificate) -> str | None:
    """Return the issuer's first organization name, or None."""
    return attribute(certificate.issuer, NameOID.ORGANIZATION_NAME)


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return extensions_of(certificate).get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
