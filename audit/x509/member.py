"""A certificate as a member of a path: every field that a rule of path validation asks for, read once.

What cannot be read stands in `unread`; a certificate without readable names has no place in a path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import AuthorityInformationAccessOID

from audit.x509 import loading
from audit.x509.certificate import UnreadableField
from audit.x509.der import Element, elements, encode_oid
from audit.x509.extensions import extensions_of
from audit.x509.fields import UNREADABLE, CanonicalName, canonical, reason_of
from audit.x509.fields import key as key_of
from audit.x509.public_keys import KeyFacts, public_key_of
from audit.x509.signatures import Signature, SignatureAlgorithm, key_algorithm

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
_Value = TypeVar("_Value")

_VERSION: Final = 0xA0
_EXTENSIONS: Final = 0xA3
MAX_OCTETS: Final = 256 * 1024  # TLS libraries take 100 kB for a whole chain

_SPKI: Final = 5  # its place
_FIELDS: Final = 6  # serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Member:
    """A certificate whose names can be read; equal to itself only. `raw` holds the fields of the TBSCertificate."""

    der: bytes
    parsed: x509.Certificate
    raw: tuple[Element, ...]  # without the version
    outer_algorithm: bytes
    version: x509.Version
    serial: int
    subject: CanonicalName
    issuer: CanonicalName
    subject_name: x509.Name
    not_before: datetime
    not_after: datetime
    public_key: CertificatePublicKeyTypes | None
    key: KeyFacts | None
    key_algorithm: SignatureAlgorithm | None  # of an RSA key: whether it is restricted to RSASSA-PSS
    extensions: Mapping[type[x509.ExtensionType], x509.Extension[x509.ExtensionType]]
    unknown: tuple[x509.Extension[x509.ExtensionType], ...]  # extensions that the library has no type for
    unread: tuple[UnreadableField, ...]

    def __str__(self) -> str:
        """Return the subject as text."""
        return self.subject_name.rfc4514_string() or "without subject"

    def get(self, kind: type[_Extension]) -> _Extension | None:
        """Return the value of an extension, or None."""
        found = self.extensions.get(kind)
        return found.value if found is not None and isinstance(found.value, kind) else None

    def is_critical(self, kind: type[x509.ExtensionType]) -> bool | None:
        """Tell whether an extension is critical; None where it is not there."""
        found = self.extensions.get(kind)
        return None if found is None else found.critical

    @property
    def lacks_extensions(self) -> bool:
        """Whether extensions stand there that cannot be read, so that nothing can be said of any."""
        return any(fault.place == "extensions" for fault in self.unread)

    @property
    def spki(self) -> bytes:
        """The SubjectPublicKeyInfo as it stands there."""
        return self.raw[_SPKI].whole

    @property
    def inner_algorithm(self) -> bytes:
        """The signature field of the TBSCertificate."""
        return self.raw[1].whole

    @property
    def signature(self) -> Signature:
        """The signature of its issuer."""
        parsed, is_consistent = self.parsed, self.inner_algorithm == self.outer_algorithm
        return Signature(self.outer_algorithm, parsed.signature, parsed.tbs_certificate_bytes, is_consistent)

    @property
    def validity(self) -> tuple[Element, ...]:
        """The two times as they are encoded."""
        return tuple(elements(self.raw[3].content))

    @property
    def is_self_issued(self) -> bool:
        """Whether issuer and subject are one name (RFC 5280 3.2)."""
        return self.subject == self.issuer

    @property
    def is_ca(self) -> bool:
        """Whether basicConstraints say that it is a CA's."""
        constraints = self.get(x509.BasicConstraints)
        return constraints is not None and constraints.ca

    @property
    def path_length(self) -> int | None:
        """How many intermediates its basicConstraints admit below it; None where they set no bound."""
        constraints = self.get(x509.BasicConstraints)
        return None if constraints is None else constraints.path_length

    @property
    def key_id(self) -> bytes | None:
        """The subjectKeyIdentifier, or None."""
        identifier = self.get(x509.SubjectKeyIdentifier)
        return None if identifier is None else identifier.digest

    @property
    def issuer_key_id(self) -> bytes | None:
        """The key identifier of the authorityKeyIdentifier, or None."""
        identifier = self.get(x509.AuthorityKeyIdentifier)
        return None if identifier is None else identifier.key_identifier

    def raw_extension(self, oid: str) -> bytes | None:
        """Return the contents of an extension as encoded, for what the library does not decode; or None."""
        wanted = encode_oid(oid)
        for field in self.raw[_FIELDS:]:
            if field.tag == _EXTENSIONS:
                for extension in elements(elements(field.content)[0].content):
                    parts = elements(extension.content)
                    if parts[0].whole == wanted:
                        return parts[-1].content
        return None


def issuer_urls(member: Member) -> tuple[str, ...]:
    """Return where a certificate says that its issuer's is found (RFC 5280 4.2.2.1), by http."""
    access = member.get(x509.AuthorityInformationAccess) or ()
    found = [one.access_location for one in access if one.access_method == AuthorityInformationAccessOID.CA_ISSUERS]
    urls = [one.value for one in found if isinstance(one, x509.UniformResourceIdentifier)]
    return tuple(url for url in urls if url.lower().startswith("http://"))


@lru_cache(maxsize=4096)
def read_member(der: bytes) -> Member | UnreadableField:
    """Read a certificate from DER; an UnreadableField if its names or times cannot be read. Never raises."""
    if len(der) > MAX_OCTETS:
        return UnreadableField("Certificate", f"it is longer than {MAX_OCTETS} octets")
    with loading.unwarned():
        try:
            return _read(der)
        except UNREADABLE as error:
            return _fault("Certificate", error)


def readable_members(ders: Iterable[bytes]) -> tuple[Member, ...]:
    """Return those of some certificates (DER) whose names and times can be read."""
    return tuple(member for member in map(read_member, ders) if isinstance(member, Member))


def _read(der: bytes) -> Member:
    parsed = loading.parsed(der)
    outer = elements(elements(der)[0].content)
    raw = elements(outer[0].content)
    del raw[: raw[0].tag == _VERSION]
    unread: list[UnreadableField] = []
    nothing: tuple[x509.Extension[x509.ExtensionType], ...] = ()
    extensions = _or_fault("extensions", lambda: tuple(extensions_of(parsed)), nothing, unread)
    return Member(
        der,
        parsed,
        tuple(raw),
        outer[1].whole,
        parsed.version,
        parsed.serial_number,
        canonical(parsed.subject),
        canonical(parsed.issuer),
        parsed.subject,
        parsed.not_valid_before_utc,
        parsed.not_valid_after_utc,
        _or_fault("subjectPublicKeyInfo", lambda: public_key_of(parsed), None, unread),
        _or_fault("subjectPublicKeyInfo", lambda: key_of(parsed), None, []),
        _or_fault("subjectPublicKeyInfo", lambda: key_algorithm(raw[_SPKI].whole), None, unread),
        {type(one.value): one for one in extensions if not _is_unknown(one)},
        tuple(filter(_is_unknown, extensions)),
        tuple(unread),
    )


def _is_unknown(extension: x509.Extension[x509.ExtensionType]) -> bool:
    return isinstance(extension.value, x509.UnrecognizedExtension)


def _or_fault(place: str, read: Callable[[], _Value], otherwise: _Value, unread: list[UnreadableField]) -> _Value:
    try:
        return read()
    except UNREADABLE as error:
        unread.append(_fault(place, error))
        return otherwise


def _fault(place: str, error: Exception) -> UnreadableField:
    return UnreadableField(place, reason_of(error))
