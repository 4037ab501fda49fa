"""What the TLS server at one address supports: protocol versions, suites, groups, signature schemes and features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Depth = Literal["certificate", "standard", "full"]
"""How much of the configuration is requested: `standard` finds what is forbidden, `full` makes complete lists."""
Offer = Literal["broken", "finite-field", "weak-groups", "static", "weak", "weak-schemes", "hybrid-groups"]
"""What a client of depth `standard` offers alone, to see whether the server accepts it; the most dangerous first."""
DEPTHS: Final[tuple[Depth, ...]] = ("certificate", "standard", "full")


@dataclass(frozen=True, slots=True)
class VersionSupport:
    """A protocol version that is accepted, and its suites by their IANA names, in the order in which they were chosen.

    That is the order of the server if it has one. `has_all` says that a client with all other suites was refused.
    """

    version: str  # "TLSv1.2"
    suites: tuple[str, ...] = ()
    has_all: bool = False
    prefers_its_order: bool | None = None  # whether the order is the server's; None: not known, or one suite


@dataclass(frozen=True, slots=True)
class FiniteField:
    """A prime of an ephemeral Diffie-Hellman key exchange: its size, and its name if it is a published one."""

    bits: int
    name: str = ""  # "ffdhe2048", "RFC 2409 Oakley group 2"; empty: none that is known


@dataclass(frozen=True, slots=True)
class TlsFeatures:
    """Extensions and behaviour; None: not known."""

    secure_renegotiation: bool | None = None  # RFC 5746
    extended_master_secret: bool | None = None  # RFC 7627, up to TLS 1.2
    encrypt_then_mac: bool | None = None  # RFC 7366, with suites of CBC mode
    compression: bool | None = None  # of TLS itself, up to TLS 1.2
    session_tickets: bool | None = None  # RFC 5077, up to TLS 1.2
    fallback_scsv: bool | None = None  # RFC 7507: a client that falls back to an older version is refused
    client_certificate: bool | None = None  # whether the server requests one, up to TLS 1.2
    large_hello: bool | None = None  # a hello above 1,400 bytes is accepted
    unknown_values: bool | None = None  # unknown versions, suites, groups and extensions are ignored (RFC 8701)


@dataclass(frozen=True, slots=True)
class TlsSupport:
    """What was found at a depth, with how many connections.

    A list that is complete has all that the server supports; others have what was found. `incomplete_because` says
    which fault ended the requests early.
    """

    depth: Depth
    connections: int
    versions: tuple[VersionSupport, ...] = ()  # the oldest one first
    groups: tuple[str, ...] = ()  # of the key exchange, by their IANA names, in the order in which they were chosen
    has_all_groups: bool = False
    prefers_its_groups: bool | None = None  # whether the order is the server's; None: not known, or one group
    primes: tuple[FiniteField, ...] = ()
    schemes: tuple[str, ...] = ()  # signature schemes of TLS 1.2, by their IANA names, in the order of the choices
    has_all_schemes: bool = False
    refused: tuple[Offer, ...] = ()  # at depth `standard`: what the server accepts nothing of
    features: TlsFeatures = TlsFeatures()
    incomplete_because: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether all suites, groups and schemes are listed."""
        has_all_suites = all(version.has_all for version in self.versions)
        has_schemes = self.has_all_schemes or all(version.version != "TLSv1.2" for version in self.versions)
        return has_all_suites and self.has_all_groups and has_schemes and not self.incomplete_because
