"""Probes one address of one endpoint: connects, begins TLS as the scheme does, and makes handshakes.

It uses one connection at a time, and always returns a result within its deadline.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from OpenSSL import SSL

from audit.analysis.served_chains import key_type
from audit.endpoint import Endpoint
from audit.observation import Handshake, ProbeFailure, ProxyProtocol
from audit.probe.deadline import Deadline
from audit.probe.proxy_protocol import HEADERS, header_fault, is_about_header
from audit.probe.starttls import UPGRADES, WITHIN, Dialogue, StarttlsProtocol
from audit.probe.target import Limits
from audit.probe.tcp import ProbeError, TcpConnection
from audit.probe.thread_pool import Turn
from audit.probe.tls_handshake import Offers, TlsConnection
from audit.x509.public_keys import is_post_quantum

_OLD: Final = ("TLSv1", "TLSv1.1")
_SHARE_OF_HEADER: Final = 0.5  # of the time of a probe, for a header that the service may wait for or not
_UNKNOWN: Final = ("timeout", "too-much")  # the server may have a second certificate


@dataclass(frozen=True, slots=True)
class ProbeContext:
    """The values that all probes of a run share; after `stop` is set, unfinished probes are dropped."""

    limits: Limits
    offers: Offers
    stop: threading.Event
    turn: Turn = field(default_factory=Turn)


@dataclass(frozen=True, slots=True)
class AddressResult:
    """The result of one address, with the number of connections and seconds it took."""

    address: str
    result: Handshake | ProbeFailure
    connections: int
    elapsed_s: float
    other_key: Handshake | ProbeFailure | None = None  # with a second certificate, or why unknown; None: only one
    changed: Handshake | None = None  # with another certificate for the same client; None: it was the same one


def probe_address(
    endpoint: Endpoint, address: str, context: ProbeContext, proxy_protocol: ProxyProtocol = "never"
) -> AddressResult:
    """Probe an endpoint at one address; raises Stopped if `stop` is set meanwhile.

    `proxy_protocol` is which clients of the service must send the header of the PROXY protocol.
    """
    return _Probe(endpoint, address, context, proxy_protocol).run()


class _Probe:
    def __init__(self, endpoint: Endpoint, address: str, context: ProbeContext, proxy_protocol: ProxyProtocol) -> None:
        self._endpoint = endpoint
        self._address = address
        self._context = context
        self._limits = context.limits
        self._proxy_protocol: ProxyProtocol = proxy_protocol
        self._header = b""  # that this service accepts before anything else
        self._share = 1.0  # of the time of the probe that may have passed
        self._began = time.monotonic()
        self._later_fault: ProbeError | None = None  # the first of a connection after the first one
        self._connections = 0
        self._apart_s = 0.0  # waited for greetings, and for services that need another header

    def run(self) -> AddressResult:
        try:
            handshake = self._first_handshake()
        except ProbeError as fault:
            return self._observation(fault.at(self._address))
        version = handshake.version
        tls12 = self._has_tls12(version) if self._limits.tries_tls12 else None
        repeated = self._second(handshake, self._context.offers.everything)
        old_protocols = self._old_protocols(version)
        unknown = str(self._later_fault or "")
        result = replace(handshake, old_protocols=old_protocols, tls12=tls12, unknown_versions=unknown)
        changed = repeated if isinstance(repeated, Handshake) else None
        other_key = repeated if isinstance(repeated, ProbeFailure) else self._other_key(result)
        return self._observation(result, other_key, changed)

    def _first_handshake(self) -> Handshake:
        """Return the first handshake, with the first header that the service accepts."""
        *headers, last = HEADERS[self._proxy_protocol]
        for header in headers:
            self._header, self._share = header, _SHARE_OF_HEADER
            try:
                return self._observe()
            except ProbeError as fault:
                if not is_about_header(fault, header):
                    raise
            finally:
                self._share = 1.0
            self._apart_s = time.monotonic() - self._began
        self._header = last
        try:
            return self._observe()
        except ProbeError as fault:
            raise header_fault(fault, self._proxy_protocol) from fault

    def _observation(
        self,
        result: Handshake | ProbeFailure,
        other_key: Handshake | ProbeFailure | None = None,
        changed: Handshake | None = None,
    ) -> AddressResult:
        elapsed_s = time.monotonic() - self._began
        return AddressResult(self._address, result, self._connections, elapsed_s, other_key, changed)

    def _other_key(self, first: Handshake) -> Handshake | ProbeFailure | None:
        """Return the handshake with a certificate of the other key type; None if the server refuses or has only one."""
        kind = key_type(first.chain_der)
        if kind is None:
            return None
        offers = self._context.offers
        if is_post_quantum(kind):  # the server may have a certificate of either type for other clients
            return self._second(first, offers.ecdsa) or self._second(first, offers.rsa)
        return self._second(first, offers.ecdsa if kind == "RSA" else offers.rsa)

    def _second(self, first: Handshake, offer: SSL.Context) -> Handshake | ProbeFailure | None:
        """Return the handshake of a client with this offer if it gets another certificate; None as `_other_key`."""
        try:
            second = self._observe(offer)
        except ProbeError as fault:
            is_unknown = fault.stage != "handshake" or fault.kind in _UNKNOWN
            return fault.at(self._address) if is_unknown else None
        return second if second.chain_der[:1] != first.chain_der[:1] else None

    def _observe(self, offer: SSL.Context | None = None) -> Handshake:
        with self._connection(offer or self._context.offers.everything) as tls:
            handshake = tls.handshake(self._address, self._began)
        certificates, most = len(handshake.chain_der), self._limits.max_certificates
        if certificates > most:
            raise ProbeError("handshake", "too-much", f"the server sent {certificates} certificates (limit {most})")
        return handshake

    def _old_protocols(self, version: str) -> tuple[str, ...] | None:
        """Return which of TLS 1.0 and 1.1 are accepted; None if that is unknown.

        A server picks the newest version that both sides have (RFC 5246 E.1): if it picks 1.0, it has no 1.1.
        """
        offers = self._context.offers
        try:
            newest = version if version in _OLD else self._accepted(offers.old)
            if newest is None:
                return ()
            has_oldest = newest == "TLSv1" or self._accepted(offers.oldest) is not None
        except ProbeError as fault:
            self._later_fault = self._later_fault or fault
            return None
        return _OLD[not has_oldest : 1 + (newest != "TLSv1")]

    def _has_tls12(self, version: str) -> bool | None:
        """Return whether TLS 1.2 is accepted, by the newest version that a server picks; None if that is unknown."""
        try:
            newest = self._accepted(self._context.offers.before_tls13) if version == "TLSv1.3" else version
        except ProbeError as fault:
            self._later_fault = self._later_fault or fault
            return None
        return newest == "TLSv1.2"

    def _accepted(self, context: SSL.Context) -> str | None:
        """Return the version agreed on, or None if the server refuses, by an alert or by closing the connection."""
        with self._connection(context) as tls:
            try:
                return tls.handshake(self._address, self._began).version
            except ProbeError as fault:
                if fault.stage != "handshake" or fault.kind == "timeout":
                    raise
                return None

    @contextlib.contextmanager
    def _connection(self, context: SSL.Context) -> Iterator[TlsConnection]:
        """Open a connection up to the start of TLS, and end it in the server's own protocol."""
        limits, protocol, context_of_run = self._limits, UPGRADES.get(self._endpoint.scheme), self._context
        deadline = Deadline(self._began + limits.timeout_s * self._share + self._apart_s)
        with TcpConnection(
            deadline=deadline, stop=context_of_run.stop, max_bytes=limits.max_bytes, turn=context_of_run.turn
        ) as tcp:
            self._connections += 1
            tcp.connect(self._address, self._endpoint.port, limits.connect_s)
            if protocol:
                self._negotiate(tcp, protocol)
            tcp.begin("handshake", limits.handshake_s, "a TLS handshake")
            if not protocol:
                self._send_header(tcp)
            tls = TlsConnection(tcp, context, self._endpoint, is_upgrade=protocol is not None)
            yield tls
            if tls.is_open:
                with contextlib.suppress(ProbeError):
                    self._say_goodbye(tcp, tls)

    def _negotiate(self, tcp: TcpConnection, protocol: StarttlsProtocol) -> None:
        """Wait for the greeting, which has its own deadline, and agree with the server to begin TLS."""
        dialogue = Dialogue(tcp, protocol)
        limits = self._limits
        tcp.begin_apart("starttls", limits.greeting_s * self._share, "a greeting", rest_s=limits.starttls_s)
        try:
            self._send_header(tcp)
            dialogue.greet()
        finally:
            self._apart_s += tcp.end_apart()
        tcp.begin("starttls", limits.starttls_s, "STARTTLS")
        dialogue.negotiate()

    def _send_header(self, tcp: TcpConnection) -> None:
        if self._header:
            tcp.send(self._header)

    def _say_goodbye(self, tcp: TcpConnection, tls: TlsConnection) -> None:
        """Send the closing command, so that the server logs no abuse, and wait briefly until it closes."""
        tcp.begin("handshake", self._limits.farewell_s, "a goodbye")
        scheme = self._endpoint.scheme
        protocol = WITHIN.get(scheme) or UPGRADES.get(scheme)
        if scheme in WITHIN:
            tls.receive()  # a server treats a client that sends before the greeting as a spammer
        if protocol:
            tls.send(protocol.farewell)
            while tls.receive():
                pass
        tls.close()
