"""A certificate (RFC 5280 4.1), each field of which is read when it is first used.

The library reads a field. If the library refuses it, or the whole certificate, `RawCertificate` reads it if it can. A
field that neither reads raises `UnreadableField`; what the library refuses is a fault of the certificate either way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, Final, Generic, TypeVar, overload

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID

from audit.x509 import fields
from audit.x509.der import spki_of
from audit.x509.fields import CanonicalName, Extensions
from audit.x509.loading import (
    LIBRARY_ERRORS,
    UnreadableField,
    as_unreadable_field,
    extensions_of,
    load_certificate,
    unwarned,
)
from audit.x509.public_keys import KeyFacts, key_of_spki, public_key_of, read_key
from audit.x509.raw import RawCertificate, read_raw_certificate
from audit.x509.signatures import Signature, SignatureAlgorithm, key_algorithm, read_algorithm, verifies

_Value = TypeVar("_Value")
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)

MAX_CERTIFICATE_OCTETS: Final = 256 * 1024  # of one in a path: TLS libraries take 100 kB for a whole chain
_NEEDED_IN_PATH: Final = ("parsed", "raw", "canonical_subject", "canonical_issuer", "not_before", "not_after")


class Field(Generic[_Value]):
    """A field of a certificate: read once, and kept in the certificate; raises UnreadableField.

    `read` is given another field, which `source` names. `read_raw` reads what the library refuses from the DER itself.
    """

    def __init__(  # noqa: PLR0913 - all but three by keyword
        self,
        place: str,
        read: Callable[[Any], _Value],
        read_raw: Callable[[RawCertificate], _Value] | None = None,
        *,
        source: str = "parsed",
        warns: bool = False,
        is_judged: bool = True,
    ) -> None:
        """Name the field as RFC 5280 does, and say how it is read; an empty `source` is the certificate itself.

        `warns`: the library may warn of it. `is_judged`: it is a fault of the certificate if the library refuses it.
        """
        self.place = place
        self.name = ""
        self.is_judged = is_judged
        self._read = read
        self._read_raw = read_raw
        self._source = source
        self._warns = warns

    def __set_name__(self, owner: type, name: str) -> None:
        """Store the name of the attribute."""
        self.name = name

    @overload
    def __get__(self, certificate: None, owner: type) -> Field[_Value]: ...
    @overload
    def __get__(self, certificate: Certificate, owner: type) -> _Value: ...
    def __get__(self, certificate: Certificate | None, owner: type) -> Field[_Value] | _Value:
        """Return the value, which from then on is in the certificate's own dictionary, where Python looks first."""
        if certificate is None:
            return self
        fault = certificate.unreadable.get(self.name)
        if fault is not None:
            raise UnreadableField(fault.place, fault.reason)  # another one: each has a traceback of its own
        value: _Value = self._value(certificate)
        certificate.__dict__[self.name] = value
        return value

    def _value(self, certificate: Certificate) -> _Value:
        try:
            return self._by_library(certificate)
        except LIBRARY_ERRORS as error:
            fault = as_unreadable_field(self.place, error)
        certificate.refused[self.name] = fault
        if self._read_raw is not None:
            with suppress(*LIBRARY_ERRORS):
                return self._read_raw(certificate.raw)
        certificate.unreadable[self.name] = fault
        raise UnreadableField(fault.place, fault.reason)

    def _by_library(self, certificate: Certificate) -> _Value:
        source = getattr(certificate, self._source) if self._source else certificate
        if not self._warns:
            return self._read(source)
        with unwarned():
            return self._read(source)


def _of_extensions(
    read: Callable[[Extensions], _Value], read_raw: Callable[[RawCertificate], _Value] | None = None
) -> Field[_Value]:
    return Field("extensions", read, read_raw, source="extensions")


def _read_key(certificate: Certificate) -> KeyFacts:
    if certificate.has_readable("public_key"):
        return read_key(certificate.public_key, certificate.raw.spki)
    return fields.key(certificate.parsed, certificate.raw.spki)


def _is_self_signed(certificate: Certificate) -> bool:
    """Return whether issuer and subject are one and, as far as it can be computed, its own key made the signature."""
    return certificate.is_self_issued and verifies(certificate.parsed, certificate.parsed) is not False


@dataclass(frozen=True, eq=False, repr=False)
class Certificate:
    """A certificate; equal to another of the same DER. Names are RFC 4514 text, times aware, digests hex.

    `refused` are the fields that the library refuses so far, `unreadable` those that the DER does not give either.
    """

    der: bytes  # the bytes
    # fields that the library refuses, by name
    refused: dict[str, UnreadableField] = field(default_factory=dict, init=False)
    # fields that cannot be read at all, by name
    unreadable: dict[str, UnreadableField] = field(default_factory=dict, init=False)

    parsed = Field[x509.Certificate]("Certificate", load_certificate, source="der")  # the library's own object
    # the structure of the DER itself
    raw = Field[RawCertificate]("Certificate", read_raw_certificate, source="der", is_judged=False)
    # the subject as the library has it
    subject_name = Field[x509.Name]("subject", lambda parsed: parsed.subject, warns=True)
    # the issuer as the library has it
    issuer_name = Field[x509.Name]("issuer", lambda parsed: parsed.issuer, warns=True)
    subject = Field[str]("subject", lambda name: name.rfc4514_string(), source="subject_name")  # the subject (RFC 4514)
    issuer = Field[str]("issuer", lambda name: name.rfc4514_string(), source="issuer_name")  # the issuer (RFC 4514)
    # the subject, to be compared
    canonical_subject = Field[CanonicalName]("subject", fields.canonical, source="subject_name")
    # the issuer, to be compared
    canonical_issuer = Field[CanonicalName]("issuer", fields.canonical, source="issuer_name")
    subject_common_name = Field[str | None](  # the common name of the subject, or None
        "subject", lambda name: fields.attribute(name, NameOID.COMMON_NAME), source="subject_name"
    )
    issuer_organization = Field[str | None](  # the organization of the issuer, or None
        "issuer", lambda name: fields.attribute(name, NameOID.ORGANIZATION_NAME), source="issuer_name"
    )
    serial = Field[int]("serialNumber", fields.serial, warns=True)  # the serial number
    # start of the validity
    not_before = Field[datetime]("validity", lambda parsed: parsed.not_valid_before_utc, lambda raw: raw.not_before)
    # end of the validity
    not_after = Field[datetime]("validity", lambda parsed: parsed.not_valid_after_utc, lambda raw: raw.not_after)
    lifetime = Field[timedelta]("validity", fields.lifetime, fields.raw_lifetime)  # how long it is valid
    spki_sha256 = Field[str](  # digest of the public key
        "subjectPublicKeyInfo",
        lambda parsed: fields.spki_sha256(spki_of(parsed.tbs_certificate_bytes)),
        lambda raw: fields.spki_sha256(raw.spki),
    )
    # the key, as the library has it
    public_key = Field[CertificatePublicKeyTypes]("subjectPublicKeyInfo", public_key_of, warns=True, is_judged=False)
    key_algorithm = Field[SignatureAlgorithm](  # the algorithm of the key
        "subjectPublicKeyInfo", lambda raw: key_algorithm(raw.spki), source="raw", is_judged=False
    )
    # kind, length and curve of the key
    key = Field[KeyFacts]("subjectPublicKeyInfo", _read_key, lambda raw: key_of_spki(raw.spki), source="")
    is_self_signed = Field[bool]("issuer", _is_self_signed, source="")  # whether its own key signed it
    signature_algorithm = Field[str](  # name of the signature algorithm
        "signatureAlgorithm", lambda parsed: read_algorithm(parsed).name, lambda raw: fields.raw_signature(raw)[0]
    )
    signature_digest = Field[str | None](  # digest of the signature, or None
        "signatureAlgorithm", lambda parsed: read_algorithm(parsed).digest, lambda raw: fields.raw_signature(raw)[1]
    )
    every_extension = Field[tuple[x509.Extension[x509.ExtensionType], ...]](  # all extensions, in order
        "extensions", lambda parsed: tuple(extensions_of(parsed)), warns=True
    )
    # extensions by their type
    extensions = Field[Extensions]("extensions", lambda every: dict(_by_type(every)), source="every_extension")
    is_ca = _of_extensions(fields.is_ca, lambda raw: fields.unrepeated(raw).is_ca)  # whether it is a CA certificate
    # whether it has subject alternative names
    has_san = _of_extensions(fields.has_san, lambda raw: any(fields.raw_names(raw)))
    dns_names = _of_extensions(fields.dns_names, lambda raw: fields.raw_names(raw)[0])  # DNS names in it
    ip_addresses = _of_extensions(fields.ip_addresses, lambda raw: fields.raw_names(raw)[1])  # IP addresses in it
    # its extended key usages, or None
    extended_key_usages = _of_extensions(fields.extended_key_usages, fields.raw_usages)
    authority_key_id = _of_extensions(fields.authority_key_id)  # the identifier of the issuer's key
    subject_key_id = _of_extensions(fields.subject_key_id)  # the identifier of its own key
    ca_issuers = _of_extensions(fields.ca_issuers)  # URLs of the issuer's certificate

    def __eq__(self, other: object) -> bool:
        """Return whether the other is a certificate of the same DER."""
        return self is other or (isinstance(other, Certificate) and self.der == other.der)

    def __hash__(self) -> int:
        """Return the hash of the DER."""
        return hash(self.der)

    def __repr__(self) -> str:
        """Return the digest and the subject, if it can be read."""
        return f"<Certificate {self.sha256[:16]} {self.unreadable.get('subject') or self}>"

    def __str__(self) -> str:
        """Return the subject for a person, or the digest if the subject is empty or cannot be read."""
        return self.subject if self.has_readable("subject") and self.subject else f"certificate {self.sha256[:16]}…"

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the DER."""
        return hashlib.sha256(self.der).hexdigest()

    def has_readable(self, *names: str) -> bool:
        """Return whether all these fields can be read."""
        for name in names:  # noqa: SIM110 - it is called for every rule of every check, and `all` takes twice as long
            if name not in self.__dict__ and not self._is_readable(name):
                return False
        return True

    def _is_readable(self, name: str) -> bool:
        try:
            getattr(self, name)
        except UnreadableField:
            return False
        return True

    def fault_of(self, name: str) -> UnreadableField | None:
        """Return why the library refuses a field, even if it can be read otherwise; None if the library reads it."""
        self.has_readable(name)
        return self.refused.get(name)

    @cached_property
    def faults(self) -> tuple[UnreadableField, ...]:
        """Everything that the library refuses, once each."""
        faults = (self.fault_of(known.name) for known in FIELDS)
        return tuple({str(fault): fault for fault in faults if fault is not None}.values())

    def readable_fields(self) -> dict[str, object]:
        """Return by name the fields that can be read."""
        return {known.name: getattr(self, known.name) for known in FIELDS if self.has_readable(known.name)}

    @cached_property
    def path_fault(self) -> UnreadableField | None:
        """Why the certificate cannot be in a path: it is too long, or a field that every rule needs is refused."""
        if len(self.der) > MAX_CERTIFICATE_OCTETS:
            return UnreadableField("Certificate", f"it is longer than {MAX_CERTIFICATE_OCTETS} octets")
        return next((fault for name in _NEEDED_IN_PATH if (fault := self.fault_of(name))), None)

    @property
    def is_path_member(self) -> bool:
        """Whether the certificate can be in a path."""
        return self.path_fault is None

    @property
    def lacks_extensions(self) -> bool:
        """Whether the extensions cannot be read, so that no rule about any of them can be applied."""
        return not self.has_readable("extensions")

    @cached_property
    def _known(self) -> Extensions:
        return {} if self.lacks_extensions else self.extensions

    def extension(self, kind: type[_Extension]) -> _Extension | None:
        """Return the value of an extension; None if it is absent, or the extensions cannot be read."""
        return fields.extension(self._known, kind)

    def is_critical(self, kind: type[x509.ExtensionType]) -> bool | None:
        """Return whether an extension is critical; None as `extension` does."""
        extension = self._known.get(kind)
        return None if extension is None else extension.critical

    @cached_property
    def unknown_extensions(self) -> tuple[x509.Extension[x509.ExtensionType], ...]:
        """The extensions that the library has no type for; none if the extensions cannot be read."""
        return () if self.lacks_extensions else tuple(filter(_is_unknown, self.every_extension))

    @cached_property
    def serial_number(self) -> int:
        """The serial number, positive or not."""
        return self.raw.serial_number

    @property
    def version(self) -> x509.Version:
        """The version."""
        return self.parsed.version

    @property
    def is_self_issued(self) -> bool:
        """Whether issuer and subject are one name (RFC 5280 3.2)."""
        return self.canonical_subject == self.canonical_issuer

    @property
    def is_known_self_signed(self) -> bool:
        """Whether the certificate is self-signed; false also if the fields that say so cannot be read."""
        return self.has_readable("is_self_signed") and self.is_self_signed

    @cached_property
    def signature(self) -> Signature:
        """The signature of its issuer."""
        raw, parsed = self.raw, self.parsed
        is_consistent = raw.inner_algorithm == raw.outer_algorithm
        return Signature(raw.outer_algorithm, parsed.signature, parsed.tbs_certificate_bytes, is_consistent)


FIELDS: Final[tuple[Field[Any], ...]] = tuple(
    value for value in vars(Certificate).values() if isinstance(value, Field) and value.is_judged
)


@lru_cache(maxsize=4096)
def read_certificate(der: bytes) -> Certificate:
    """Return the certificate of a DER; never raises. The only cache of certificates: the same DER is parsed once."""
    return Certificate(der)


def path_members(ders: Iterable[bytes]) -> tuple[Certificate, ...]:
    """Return those of some certificates (DER) that can be in a path."""
    return tuple(certificate for certificate in map(read_certificate, ders) if certificate.is_path_member)


def _by_type(
    extensions: Iterable[x509.Extension[x509.ExtensionType]],
) -> Iterator[tuple[type[x509.ExtensionType], x509.Extension[x509.ExtensionType]]]:
    return ((type(extension.value), extension) for extension in extensions if not _is_unknown(extension))


def _is_unknown(extension: x509.Extension[x509.ExtensionType]) -> bool:
    return isinstance(extension.value, x509.UnrecognizedExtension)
