"""The inputs of a probe: endpoints with the addresses to try, the limits, and a host that can probe itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from audit.endpoint import Endpoint, wildcard_or_name
from audit.observation import DnsView, Handshake, HostView, ProbeFailure, ProxyProtocol
from audit.observation.tls_support import Depth, TlsSupport


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of every probe; names in `_s` are seconds. The deadlines of the stages are shares of `timeout_s`."""

    timeout_s: float = 10.0
    """For one name, and for the first handshakes with one address; greetings and other headers have more time."""
    concurrency: int = 64  # addresses probed at once; the speed levels off between 32 and 64 threads
    per_address: int = 2  # connections at once to one address: mail servers ban clients that open more than a few
    resolver: tuple[str, ...] = ()  # "192.0.2.53", "127.0.0.1:5353", "[2001:db8::53]:53"; empty: the system's
    retry_after_s: float = 2.0  # the earliest second attempt at a busy or refusing server
    farewell_s: float = 1.0  # how long to wait for the reply to our closing command
    max_bytes: int = 262_144  # from one connection; OpenSSL itself accepts 100 KiB of certificates
    depth: Depth = "certificate"  # how much of the TLS configuration is requested
    max_certificates: int = 128  # about as many as fit into the 100 KiB that OpenSSL accepts

    @property
    def survey_share(self) -> float:
        """The time for the survey of an address after its first handshakes, as a share of `timeout_s`."""
        return {"certificate": 0.0, "standard": 1.0, "full": 5.0}[self.depth]

    @property
    def address_s(self) -> float:
        """The time for one address, all its connections without greetings and other headers."""
        return self.timeout_s * (1 + self.survey_share)

    @property
    def resolve_s(self) -> float:
        """The deadline of one name: a stub resolver waits 5 s for its first server (resolv.conf(5))."""
        return 0.6 * self.timeout_s

    @property
    def connect_s(self) -> float:
        """The deadline of connecting: of 10 s enough for two SYNs lost (RFC 6298: sent again after 1 s and 3 s)."""
        return 0.5 * self.timeout_s

    @property
    def greeting_s(self) -> float:
        """The deadline of the first byte of a greeting, which is not a part of `timeout_s`.

        Against spam, mail servers delay their greeting: postscreen by 6 s, others by up to 30 s. A client should wait 5
        minutes (RFC 5321 4.5.3.2.1).
        """
        return 3 * self.timeout_s

    @property
    def starttls_s(self) -> float:
        """The deadline of the rest of a greeting, and of all from there to the start of TLS."""
        return 0.8 * self.timeout_s

    @property
    def handshake_s(self) -> float:
        """The deadline of a TLS handshake."""
        return 0.6 * self.timeout_s


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint and the addresses that reach it.

    `addresses` are the host's own that can be reached from here, in addition to those of its name. `inside_addresses`
    can only be reached on the host itself. If these are the only ones, nothing is probed from here. The name
    of a target with `dns` is resolved already.
    `known_tls` is, by address, the TLS configuration that is not requested again.
    """

    endpoint: Endpoint
    addresses: tuple[str, ...] = ()
    inside_addresses: tuple[str, ...] = ()
    server: HostView | None = None
    inside: Inside | None = None
    dns: DnsView | None = None
    known_tls: Mapping[str, TlsSupport] | None = None

    @property
    def needs_no_address(self) -> bool:
        """Whether the name need not be in DNS, because its host is known: a wildcard, or the name of a container."""
        name = self.endpoint.connect_to
        is_stand_in = self.server is not None and self.server.stand_in == name
        return bool(self.addresses) and (is_stand_in or wildcard_or_name(name) != name)

    @property
    def proxy_protocol(self) -> ProxyProtocol:
        """Which clients of the service must send the header of the PROXY protocol."""
        return self.server.proxy_protocol if self.server else "never"


@dataclass(frozen=True, slots=True)
class InsidePlace:
    """An endpoint at an address of its host, and whether the client sends the header of the PROXY protocol there."""

    endpoint: Endpoint
    address: str
    sends_header: bool = False


class Inside(Protocol):
    """A host that probes its own services: an openssl client that runs there, one command for all of them."""

    def observe_handshakes(
        self, places: Sequence[InsidePlace]
    ) -> Mapping[InsidePlace, tuple[Handshake | ProbeFailure, ...]]:
        """Return the results at each place; one without results could not be probed."""
        ...
