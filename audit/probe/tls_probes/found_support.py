"""Collects what the flights of a server show of its configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from audit.observation.tls_registry import (
    GROUPS,
    SSL3,
    TLS13,
    group_name,
    prime_name,
    scheme_name,
    suite_name,
    suites,
    version_name,
)
from audit.observation.tls_support import Depth, FiniteField, Offer, TlsFeatures, TlsSupport, VersionSupport
from audit.probe.tls_probes.client_hello import ENCRYPT_THEN_MAC, EXTENDED_MASTER_SECRET, RENEGOTIATION, TICKET
from audit.probe.tls_probes.enumeration import Choices
from audit.probe.tls_probes.server_flight import FirstFlight
from audit.x509.certificate import read_certificate
from audit.x509.public_keys import NIST_CURVES

_GROUPS_OF_CURVES: Final = {NIST_CURVES.get(name, name): number for number, name in GROUPS.items()}


@dataclass(slots=True)
class FoundSupport:
    """What is known so far: of each version that is accepted, the oldest first, and of the groups and schemes."""

    suites: dict[int, Choices]  # by version
    prefers: dict[int, bool | None] = field(default_factory=dict)  # by version: the server's own order
    groups: Choices = field(default_factory=Choices)
    prefers_its_groups: bool | None = None
    schemes: Choices = field(default_factory=Choices)
    refused: list[Offer] = field(default_factory=list)
    fallback_scsv: bool | None = None

    @property
    def newest_before_tls13(self) -> int | None:
        """The version in which every kind of suite exists; None if the server has TLS 1.3 or SSLv2 alone."""
        return max((number for number in self.suites if SSL3 <= number < TLS13), default=None)

    def add_version(self, version: int, found: Choices) -> None:
        """Note a version that is accepted."""
        self.suites = dict(sorted({**self.suites, version: found}.items()))

    def support(self, depth: Depth, connections: int, flights: Sequence[FirstFlight], fault: str) -> TlsSupport:
        """Return all of it, with what the flights of all hellos show."""
        for flight in flights:
            self._note_suite(flight)
        return TlsSupport(
            depth=depth,
            connections=connections,
            versions=tuple(self._versions()),
            groups=tuple(map(group_name, _seen(self.groups, map(group_of, flights)))),
            has_all_groups=self.groups.is_all,
            prefers_its_groups=self.prefers_its_groups,
            primes=tuple(_primes(flights)),
            schemes=tuple(map(scheme_name, _seen(self.schemes, map(scheme_of, flights)))),
            has_all_schemes=self.schemes.is_all,
            refused=tuple(self.refused),
            features=replace(_features(flights), fallback_scsv=self.fallback_scsv),
            incomplete_because=fault,
        )

    def _note_suite(self, flight: FirstFlight) -> None:
        """Add the suite of a flight to those of its version, unless they were listed."""
        if flight.hello is None:
            return
        known = self.suites.get(flight.hello.version, Choices())
        if flight.hello.suite not in known.numbers and not known.is_all:
            self.add_version(flight.hello.version, replace(known, numbers=(*known.numbers, flight.hello.suite)))

    def _versions(self) -> Iterator[VersionSupport]:
        for number, found in self.suites.items():
            names = tuple(map(suite_name, found.numbers))
            yield VersionSupport(version_name(number), names, found.is_all, self.prefers.get(number))


def suite_of(flight: FirstFlight) -> int | None:
    """Return the suite that a flight chooses."""
    return flight.hello.suite if flight.hello else None


def group_of(flight: FirstFlight) -> int | None:
    """Return the group of a flight: of TLS 1.3 that of its hello, else that of its key exchange."""
    if flight.hello and flight.hello.version >= TLS13:
        return flight.hello.group
    return flight.key_exchange.group if flight.key_exchange else None


def scheme_of(flight: FirstFlight) -> int | None:
    """Return the scheme that signs the key exchange of TLS 1.2."""
    return flight.key_exchange.scheme if flight.key_exchange else None


def groups_of_leaves(flights: Sequence[FirstFlight]) -> tuple[int, ...]:
    """Return the groups of the curves of EC leaves: a client without them is refused (RFC 8422 5.3)."""
    leaves = dict.fromkeys(flight.chain_der[0] for flight in flights if flight.chain_der)
    keys = (certificate.key for certificate in map(read_certificate, leaves) if certificate.has_readable("key"))
    return tuple(_GROUPS_OF_CURVES[key.curve] for key in keys if key.curve in _GROUPS_OF_CURVES)


def _seen(listed: Choices, seen: Iterator[int | None]) -> Iterator[int]:
    """Yield what was listed, and after it what other flights show."""
    yield from dict.fromkeys((*listed.numbers, *(number for number in seen if number is not None)))


def _primes(flights: Sequence[FirstFlight]) -> Iterator[FiniteField]:
    exchanges = dict.fromkeys(flight.key_exchange for flight in flights if flight.key_exchange)
    for prime, bits in dict.fromkeys((exchange.prime, exchange.prime_bits) for exchange in exchanges):
        if prime:
            yield FiniteField(bits, prime_name(prime))


def _features(flights: Sequence[FirstFlight]) -> TlsFeatures:
    """Return what the hellos before TLS 1.3 show; the client has offered all of it."""
    extended = [flight.hello for flight in flights if flight.hello and SSL3 < flight.hello.version < TLS13]
    of_cbc = [hello for hello in extended if (suite := suites().get(hello.suite)) and suite.is_cbc]
    older = [flight for flight in flights if flight.hello and flight.hello.version < TLS13]
    return TlsFeatures(
        secure_renegotiation=all(RENEGOTIATION in hello.extensions for hello in extended) if extended else None,
        extended_master_secret=(
            all(EXTENDED_MASTER_SECRET in hello.extensions for hello in extended) if extended else None
        ),
        encrypt_then_mac=all(ENCRYPT_THEN_MAC in hello.extensions for hello in of_cbc) if of_cbc else None,
        session_tickets=any(TICKET in hello.extensions for hello in extended) if extended else None,
        compression=any(flight.hello and flight.hello.compression for flight in older) if older else None,
        client_certificate=any(flight.requests_certificate for flight in older) if older else None,
    )
