"""Reads a certificate element by element (RFC 5280 4.1 and 4.2), so that a malformed field does not hide the others.

A field that cannot be read raises ValueError when it is used.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final, NamedTuple

from audit.x509.der import Element, elements, read_oid

KEY_USAGE: Final = "2.5.29.15"
SAN: Final = "2.5.29.17"
BASIC_CONSTRAINTS: Final = "2.5.29.19"
CRL_POINTS: Final = "2.5.29.31"
POLICIES: Final = "2.5.29.32"
AUTHORITY_KEY: Final = "2.5.29.35"
EKU: Final = "2.5.29.37"
ACCESS: Final = "1.3.6.1.5.5.7.1.1"
TLS_FEATURE: Final = "1.3.6.1.5.5.7.1.24"
SCTS: Final = "1.3.6.1.4.1.11129.2.4.2"
POISON: Final = "1.3.6.1.4.1.11129.2.4.3"
OCSP: Final = "1.3.6.1.5.5.7.48.1"
COMMON_NAME: Final = "2.5.4.3"

KEY_CERT_SIGN, CRL_SIGN = 5, 6  # bits of a key usage (RFC 5280 4.2.1.3)

_BOOLEAN, _INTEGER, _BITS, _OCTETS, _UTC_TIME, _SEQUENCE = 0x01, 0x02, 0x03, 0x04, 0x17, 0x30
_KINDS: Final = {_BITS: "BIT STRING", _OCTETS: "OCTET STRING", _SEQUENCE: "SEQUENCE"}
_DNS_NAME, _URI, _IP_ADDRESS = 0x82, 0x86, 0x87  # of a GeneralName (RFC 5280 4.2.1.6)
_VERSION, _UNIQUE_IDS, _EXTENSIONS = 0xA0, (0x81, 0x82, 0xA1, 0xA2), 0xA3
_STRINGS: Final = {0x0C: "utf-8", 0x1E: "utf-16-be", 0x1C: "utf-32-be"}  # the others: one octet per character
_TIME = re.compile(r"(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?(?:\.\d+)?(?:Z|([+-]\d{2})(\d{2}))?")


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension: whether it is critical, and the DER that its OCTET STRING holds."""

    critical: bool
    value: bytes


class NameAttribute(NamedTuple):
    """An attribute of a name: the OID of its type, and its value."""

    oid: str
    value: Element

    @property
    def decoded(self) -> str:
        """The value as text; raises ValueError."""
        return self.value.content.decode(_STRINGS.get(self.value.tag, "latin-1"))


@dataclass(frozen=True, slots=True, repr=False)
class RawCertificate:
    """The elements of a certificate. Every further field is read when it is used, and raises ValueError."""

    der: bytes
    serial: bytes  # the contents of the INTEGER
    inner_algorithm: bytes  # the signature's in the TBSCertificate: the whole AlgorithmIdentifier
    issuer: Element
    validity: bytes  # the contents
    subject: Element
    spki: bytes  # the whole element
    outer_algorithm: bytes  # beside the signature: the whole AlgorithmIdentifier
    has_unique_id: bool
    extensions: dict[str, Extension]  # by OID, the first of each
    repeated: tuple[str, ...]  # OIDs of the extensions that occur more than once

    @property
    def not_before(self) -> datetime:
        """The first instant of the validity."""
        return _validity(self.validity)[0]

    @property
    def not_after(self) -> datetime:
        """The last instant of the validity."""
        return _validity(self.validity)[1]

    @property
    def lifetime(self) -> timedelta:
        """The length of the validity, both ends included (RFC 5280 4.1.2.5)."""
        begin, end = _validity(self.validity)
        return end - begin + timedelta(seconds=1)

    @property
    def algorithm_oid(self) -> str:
        """The OID of the algorithm by which it is signed."""
        return read_oid(_first_element(_first_element(self.outer_algorithm).content, trailing=True))

    @property
    def serial_number(self) -> int:
        """The serial number, positive or not."""
        return int.from_bytes(self.serial, signed=True)

    @property
    def common_names(self) -> tuple[str, ...]:
        """The common names of the subject."""
        return tuple(attribute.decoded for attribute in self.subject_attributes if attribute.oid == COMMON_NAME)

    @property
    def subject_attributes(self) -> tuple[NameAttribute, ...]:
        """The attributes of the subject in their order."""
        return _attributes(self.subject.content)

    @property
    def is_ca(self) -> bool:
        """Whether basicConstraints mark it as a CA."""
        parts = self.sequence(BASIC_CONSTRAINTS) or ()
        return bool(parts) and parts[0].tag == _BOOLEAN and parts[0].content != b"\0"

    @property
    def key_usage_bits(self) -> bytes:
        """The contents of the BIT STRING of the key usage."""
        return _contents(KEY_USAGE, self.extensions[KEY_USAGE].value, _BITS)

    @property
    def key_usages(self) -> frozenset[int] | None:
        """The bits of the key usage that are set; None if the extension is absent."""
        if KEY_USAGE not in self.extensions:
            return None
        octets = self.key_usage_bits[1:]  # the first octet counts the unused bits
        return frozenset(bit for bit in range(8 * len(octets)) if octets[bit // 8] & (0x80 >> bit % 8))

    @property
    def usages(self) -> tuple[str, ...] | None:
        """The OIDs of the extended key usage; None if the extension is absent."""
        parts = self.sequence(EKU)
        return None if parts is None else tuple(read_oid(part) for part in parts)

    @property
    def dns_names(self) -> tuple[str, ...]:
        """The dNSNames of the subject alternative name, as encoded."""
        return tuple(part.content.decode("latin-1") for part in self.sequence(SAN) or () if part.tag == _DNS_NAME)

    @property
    def addresses(self) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]:
        """The iPAddresses of the subject alternative name."""
        return tuple(ipaddress.ip_address(part.content) for part in self.sequence(SAN) or () if part.tag == _IP_ADDRESS)

    @property
    def policies(self) -> tuple[str, ...]:
        """The OIDs of the certificate policies."""
        return tuple(read_oid(_first_element(part.content, trailing=True)) for part in self.sequence(POLICIES) or ())

    @property
    def authority_key_id(self) -> bytes | None:
        """The keyIdentifier of the authorityKeyIdentifier, or None."""
        return next((part.content for part in self.sequence(AUTHORITY_KEY) or () if part.tag == 0x80), None)

    @property
    def ocsp_urls(self) -> tuple[str, ...]:
        """The URLs of the OCSP responders (RFC 5280 4.2.2.1)."""
        pairs = (elements(part.content) for part in self.sequence(ACCESS) or ())
        places = (place for method, place in pairs if read_oid(method) == OCSP)
        return tuple(place.content.decode("latin-1") for place in places if place.tag == _URI)

    @property
    def features(self) -> tuple[int, ...]:
        """The TLS features that the server must support (RFC 7633 4.1); 5 is a stapled OCSP response."""
        return tuple(int.from_bytes(part.content) for part in self.sequence(TLS_FEATURE) or ())

    @property
    def sct_list(self) -> bytes:
        """The list of SCTs that is embedded (RFC 6962 3.3); empty if the extension is absent."""
        return octets_in(SCTS, self.extensions[SCTS].value) if SCTS in self.extensions else b""

    def extension_value(self, oid: str) -> bytes | None:
        """Return the DER that an extension holds; None if it is absent."""
        extension = self.extensions.get(oid)
        return None if extension is None else extension.value

    def holds_nothing(self, oid: str) -> bool:
        """Return whether an extension is present and is an empty SEQUENCE."""
        return self.sequence(oid) == ()

    def sequence(self, oid: str) -> tuple[Element, ...] | None:
        """Return the elements of an extension that is a SEQUENCE; None if it is absent."""
        if oid not in self.extensions:
            return None
        return _parts(oid, self.extensions[oid].value)


def read_raw_certificate(der: bytes) -> RawCertificate:
    """Read the elements of a certificate; raises ValueError if even those cannot be read."""
    certificate = elements(_first_element(der, trailing=True).content)
    if len(certificate) < 2:
        raise ValueError("a Certificate has a TBSCertificate and an algorithm")
    fields = elements(certificate[0].content)
    if fields and fields[0].tag == _VERSION:
        del fields[0]
    if len(fields) < 6 or fields[0].tag != _INTEGER:
        raise ValueError("a TBSCertificate has a serial number and five fields after it")
    extensions, repeated = _extensions(fields[6:])
    return RawCertificate(
        der=der,
        serial=fields[0].content,
        inner_algorithm=fields[1].encoding,
        issuer=fields[2],
        validity=fields[3].content,
        subject=fields[4],
        spki=fields[5].encoding,
        outer_algorithm=certificate[1].encoding,
        has_unique_id=any(field.tag in _UNIQUE_IDS for field in fields[6:]),
        extensions=extensions,
        repeated=repeated,
    )


def _extensions(fields: list[Element]) -> tuple[dict[str, Extension], tuple[str, ...]]:
    extensions, repeated = dict[str, Extension](), list[str]()
    for field in fields:
        for part in elements(_first_element(field.content).content) if field.tag == _EXTENSIONS else ():
            oid, *flag, value = elements(part.content)
            if value.tag != _OCTETS:
                raise ValueError("the value of an extension is an OCTET STRING")
            if (name := read_oid(oid)) in extensions:
                repeated.append(name)
            else:
                extensions[name] = Extension(bool(flag) and flag[0].content != b"\0", value.content)
    return extensions, tuple(repeated)


@lru_cache(maxsize=512)
def _parts(oid: str, der: bytes) -> tuple[Element, ...]:
    """Return the elements of an extension that is a SEQUENCE; cached because many rules read the same one."""
    return tuple(elements(_contents(oid, der, _SEQUENCE)))


def _contents(oid: str, der: bytes, tag: int) -> bytes:
    """Return the contents of an extension that is one element of that kind."""
    element = _first_element(der)
    if element.tag != tag:
        raise ValueError(f"the extension {oid} is not a {_KINDS[tag]}")
    return element.content


def octets_in(oid: str, der: bytes) -> bytes:
    """Return the octets of an extension that is an OCTET STRING; raises ValueError."""
    return _contents(oid, der, _OCTETS)


def _first_element(der: bytes, *, trailing: bool = False) -> Element:
    """Return the first element; raises ValueError if another follows, unless `trailing` elements are expected."""
    parts = elements(der)
    if not parts or (len(parts) > 1 and not trailing):
        raise ValueError(f"{len(parts)} elements instead of one")
    return parts[0]


@lru_cache(maxsize=512)
def _attributes(name: bytes) -> tuple[NameAttribute, ...]:
    pairs = (elements(part.content) for rdn in elements(name) for part in elements(rdn.content))
    return tuple(NameAttribute(read_oid(kind), value) for kind, value in pairs)


@lru_cache(maxsize=512)
def _validity(content: bytes) -> tuple[datetime, datetime]:
    begin, end = elements(content)
    return _time(begin), _time(end)


def _time(element: Element) -> datetime:
    """Return a time, even one in a form that RFC 5280 4.1.2.5 forbids."""
    match = _TIME.fullmatch(element.content.decode("ascii"))
    if match is None:
        raise ValueError(f"{element.content!r} is not a time")
    year, *rest, hours, minutes = match.groups()
    if element.tag == _UTC_TIME:
        year = ("20" if int(year) < 50 else "19") + year  # RFC 5280 4.1.2.5.1
    offset = timedelta(hours=int(hours or 0), minutes=int(f"{(hours or '+')[0]}{minutes or 0}"))
    month, day, hour, minute, second = (int(part or 0) for part in rest)
    try:
        return datetime(int(year), month, day, hour, minute, second, tzinfo=timezone(offset)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{element.content!r} is out of range") from error


def split_prefixed(octets: bytes) -> list[bytes]:
    """Split a list whose parts each begin with a length of two octets (RFC 8446 3.4); raises ValueError."""
    entries, start = list[bytes](), 0
    while start < len(octets):
        size = int.from_bytes(octets[start : start + 2])
        if len(octets) < start + 2 + size or len(octets) < start + 2:
            raise ValueError("a list of signed certificate timestamps is cut short")
        entries.append(octets[start + 2 : start + 2 + size])
        start += 2 + size
    return entries
