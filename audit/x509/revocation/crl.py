"""A certificate revocation list: its contents, whether it may be used at a time, and what it lists (RFC 5280 5).

Whose signature a list needs, and which list is about which certificate, is judged in `crl_status`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, Final, TypeVar, cast

from cryptography import x509

from audit.x509.algorithms import algorithm_violations, is_admitted
from audit.x509.certificate import Certificate
from audit.x509.der import elements
from audit.x509.fields import CanonicalName, canonical
from audit.x509.loading import LIBRARY_ERRORS, UnreadableField, unwarned
from audit.x509.signatures import Signature
from audit.x509.violation import PROFILE, Violation

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)

_PROCESSED: Final = (x509.AuthorityKeyIdentifier, x509.CRLNumber, x509.IssuingDistributionPoint, x509.DeltaCRLIndicator)
_PROCESSED_OF_ENTRIES: Final = (x509.CRLReason, x509.InvalidityDate, x509.CertificateIssuer)
_TRUE: Final = b"\x01\x01\xff"  # how the critical flag of an extension is encoded


@dataclass(frozen=True, slots=True, eq=False)
class RevocationList:
    """A list whose issuer, times and extensions can be read; equal to itself only."""

    parsed: x509.CertificateRevocationList
    issuer: CanonicalName
    this_update: datetime
    next_update: datetime | None
    extensions: Mapping[type[x509.ExtensionType], x509.Extension[x509.ExtensionType]]
    algorithm: bytes  # the AlgorithmIdentifier of its signature
    flaws: tuple[Violation, ...]  # because of which it may not be used at any time

    def get(self, kind: type[_Extension]) -> _Extension | None:
        """Return the value of an extension, or None."""
        extension = self.extensions.get(kind)
        return extension.value if extension is not None and isinstance(extension.value, kind) else None

    @property
    def signature(self) -> Signature:
        """The signature of the list."""
        return Signature(self.algorithm, self.parsed.signature, self.parsed.tbs_certlist_bytes)

    @property
    def point(self) -> x509.IssuingDistributionPoint | None:
        """The issuingDistributionPoint, which limits what the list is about."""
        return self.get(x509.IssuingDistributionPoint)

    @property
    def is_indirect(self) -> bool:
        """Whether it may list certificates of other issuers."""
        return self.point is not None and self.point.indirect_crl

    def violations(self, at: datetime, digests: tuple[str, ...] = ()) -> Iterator[Violation]:
        """Yield why the list may not be used at a time; `digests` of its signature are admitted in any case."""
        yield from self.flaws
        yield from self.algorithm_flaws(digests)
        if at < self.this_update:
            yield Violation("RFC 5280 5.1.2.4", f"the CRL is dated {self.this_update:%Y-%m-%d %H:%M}, in the future")
        if self.next_update is None:
            yield Violation("RFC 5280 5.1.2.5", "the CRL has no nextUpdate")
        elif at > self.next_update:
            yield Violation("RFC 5280 5.1.2.5", f"the next CRL was due {self.next_update:%Y-%m-%d %H:%M}")

    def algorithm_flaws(self, digests: tuple[str, ...] = ()) -> Iterator[Violation]:
        """Yield why the list must not be signed by its algorithm."""
        if not is_admitted(self.algorithm, digests):
            for violation in algorithm_violations(self.algorithm):
                yield violation._replace(reason=f"of the CRL: {violation.reason}")

    def entry_of(self, certificate: Certificate) -> x509.RevokedCertificate | None:
        """Return the entry of a certificate, by serial number and issuer (RFC 5280 5.3.3), or None."""
        if not self.is_indirect:
            serial = certificate.serial_number
            return self.parsed.get_revoked_certificate_by_serial_number(serial) if serial > 0 else None
        of = frozenset((self.issuer,))
        for entry in self.parsed:
            of = _issuers(entry) or of
            if entry.serial_number == certificate.serial_number and certificate.canonical_issuer in of:
                return entry
        return None


@lru_cache(maxsize=64)
def read_crl(der: bytes) -> RevocationList | UnreadableField:
    """Read a CRL from DER; an UnreadableField if its issuer, times or extensions cannot be read. Never raises."""
    with unwarned():
        try:
            return _read(der)
        except LIBRARY_ERRORS as error:
            return UnreadableField("CertificateList", " ".join(str(error).split()) or type(error).__name__)


def _read(der: bytes) -> RevocationList:
    parsed = x509.load_der_x509_crl(der)
    extensions = tuple(parsed.extensions)
    crl = RevocationList(
        parsed,
        canonical(parsed.issuer),
        parsed.last_update_utc,
        parsed.next_update_utc,
        {type(extension.value): extension for extension in extensions},
        elements(elements(der)[0].content)[1].encoding,
        (*_algorithm_flaws(der), *_flaws(extensions), *_entry_flaws(parsed, extensions)),
    )
    next(iter(parsed), None)  # raises for entries that cannot be read at all
    return crl


def _algorithm_flaws(der: bytes) -> Iterator[Violation]:
    signed, outer, *_ = elements(elements(der)[0].content)
    inner = next(element for element in elements(signed.content) if element.tag == 0x30)  # after the optional version
    if inner.encoding != outer.encoding:
        yield Violation("RFC 5280 5.1.1.2", "the signature algorithm within the CRL is not the one outside")


def _flaws(extensions: tuple[x509.Extension[x509.ExtensionType], ...]) -> Iterator[Violation]:
    critical = {type(extension.value): extension.critical for extension in extensions}
    for extension in extensions:
        if extension.critical and type(extension.value) not in _PROCESSED:
            reason = f"the critical extension {extension.oid.dotted_string} of the CRL is not known"
            yield Violation("RFC 5280 5.2", reason)
    for kind, clause in ((x509.AuthorityKeyIdentifier, "RFC 5280 5.2.1"), (x509.CRLNumber, "RFC 5280 5.2.3")):
        if kind not in critical:
            yield Violation(clause, f"the CRL has no {kind.__name__}", PROFILE)
        elif critical[kind]:
            yield Violation(clause, f"{kind.__name__} of the CRL is critical")
    if x509.DeltaCRLIndicator in critical:
        yield Violation("RFC 5280 5.2.4", "it is a delta CRL, which cannot be used without its base")
    if critical.get(x509.IssuingDistributionPoint) is False:
        yield Violation("RFC 5280 5.2.5", "IssuingDistributionPoint of the CRL is not critical", PROFILE)


def _entry_flaws(
    parsed: x509.CertificateRevocationList, extensions: tuple[x509.Extension[x509.ExtensionType], ...]
) -> Iterator[Violation]:
    """Yield an unknown critical extension of an entry; lists of a million entries without a critical one are quick."""
    if parsed.tbs_certlist_bytes.count(_TRUE) <= sum(extension.critical for extension in extensions):
        return
    for entry in parsed:
        for extension in entry.extensions:
            if extension.critical and not isinstance(extension.value, _PROCESSED_OF_ENTRIES):
                reason = f"the critical extension {extension.oid.dotted_string} of an entry is not known"
                yield Violation("RFC 5280 5.3", reason)
                return


def _issuers(entry: x509.RevokedCertificate) -> frozenset[CanonicalName]:
    """Return the issuers that an entry of an indirect list names; none where the one before goes on."""
    values = (extension.value for extension in entry.extensions)
    named = next((value for value in values if isinstance(value, x509.CertificateIssuer)), None)
    return (
        frozenset(canonical(name) for name in named.get_values_for_type(x509.DirectoryName)) if named else frozenset()
    )


class _Indexed:
    """A list of the library's with an index of its serial numbers, made at the first look-up."""

    def __init__(self, parsed: x509.CertificateRevocationList) -> None:
        self._parsed = parsed

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the library has
        return getattr(self._parsed, name)

    def __iter__(self) -> Iterator[x509.RevokedCertificate]:
        return iter(self._parsed)

    @cached_property
    def _serials(self) -> frozenset[int]:
        return frozenset(entry.serial_number for entry in self._parsed)

    def get_revoked_certificate_by_serial_number(self, serial: int) -> x509.RevokedCertificate | None:
        if serial not in self._serials:
            return None
        return self._parsed.get_revoked_certificate_by_serial_number(serial)


@lru_cache(maxsize=64)
def indexed(crl: RevocationList) -> RevocationList:
    """Return a CRL in which certificates are looked up at once; always the same one for the same CRL."""
    return replace(crl, parsed=cast("x509.CertificateRevocationList", _Indexed(crl.parsed)))
