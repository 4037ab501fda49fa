"""The trust anchors of a run, by the name of their source and by subject.

Anchors are not judged: the user who named a source trusts its certificates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from audit.x509.certificate import Certificate, read_certificate
from audit.x509.fields import CanonicalName

PUBLIC: Final = ("mozilla", "system")
"""The sources of publicly trusted anchors. Every other source is a file of the user."""

LINKED = ("canonical_subject", "canonical_issuer")
"""The fields without which a certificate cannot be in a path."""


class TrustAnchors:
    """Trust anchors from sources by name, publicly trusted ones first; unreadable ones are left out."""

    def __init__(self, sources: Mapping[str, Iterable[bytes]]) -> None:
        """Read the anchors of each source from DER."""
        self._sources: dict[Certificate, str] = {}
        self._by_subject: dict[CanonicalName, list[Certificate]] = {}
        for source in sorted(sources, key=lambda name: name not in PUBLIC):
            for der in sources[source]:
                self._add(source, read_certificate(der))

    def _add(self, source: str, anchor: Certificate) -> None:
        if anchor.has_readable(*LINKED) and anchor not in self._sources:
            self._sources[anchor] = source
            self._by_subject.setdefault(anchor.canonical_subject, []).append(anchor)

    def by_source(self) -> dict[str, tuple[bytes, ...]]:
        """Return the anchors as DER by the name of their source, from which another process reads them."""
        ders: dict[str, list[bytes]] = {source: [] for source in self._sources.values()}
        for anchor, source in self._sources.items():
            ders[source].append(anchor.der)
        return {source: tuple(anchors) for source, anchors in ders.items()}

    def named(self, subject: CanonicalName) -> list[Certificate]:
        """Return the anchors of that subject."""
        return self._by_subject.get(subject, [])

    def issuing(self, certificates: Iterable[Certificate]) -> tuple[bytes, ...]:
        """Return as DER the anchors that bear the issuer's name of one of these, or are one of these themselves."""
        readable = [certificate for certificate in certificates if certificate.has_readable(*LINKED)]
        named = (anchor for certificate in readable for anchor in self.named(certificate.canonical_issuer))
        themselves = (certificate for certificate in readable if certificate in self._sources)
        return tuple(dict.fromkeys(anchor.der for anchor in (*named, *themselves)))

    def __contains__(self, certificate: Certificate) -> bool:
        """Return whether a certificate is one of the anchors, byte for byte: only then is a leaf trusted for itself."""
        return certificate in self._sources

    def matching(self, certificate: Certificate) -> Certificate | None:
        """Return the anchor that a certificate is: an anchor is a name and a key (RFC 5280 6.1.1 d)."""
        for anchor in self.named(certificate.canonical_subject):
            both_readable = anchor.has_readable("spki_sha256") and certificate.has_readable("spki_sha256")
            if anchor == certificate or (both_readable and anchor.spki_sha256 == certificate.spki_sha256):
                return anchor
        return None

    def source_of(self, anchor: Certificate) -> str:
        """Return the name of the source an anchor came from; a publicly trusted source if it is in several."""
        return self._sources[anchor]

    @property
    def are_public(self) -> bool:
        """Whether every anchor is publicly trusted, and there is one."""
        return bool(self._sources) and all(source in PUBLIC for source in self._sources.values())

    def is_public(self, anchor: Certificate) -> bool:
        """Return whether an anchor is publicly trusted."""
        return self.source_of(anchor) in PUBLIC
