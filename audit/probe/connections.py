"""Opens connections to one address of one endpoint, up to the start of TLS, and ends each as its protocol demands.

It opens one connection at a time, and all of them together stay within the deadline of the probe.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from OpenSSL import SSL

from audit.endpoint import Endpoint, to_address
from audit.observation import Handshake
from audit.observation.tls_registry import group_name, suite_name, version_name
from audit.probe.deadline import Deadline
from audit.probe.starttls import UPGRADES, WITHIN, Dialogue, StarttlsProtocol
from audit.probe.target import Limits
from audit.probe.tcp import ProbeError, TcpConnection
from audit.probe.thread_pool import Turn
from audit.probe.tls_handshake import ALPN_OF_SCHEME, Offers, TlsConnection
from audit.probe.tls_probes.client_hello import ClientHello
from audit.probe.tls_probes.exchange import first_flight
from audit.probe.tls_probes.offers import Client
from audit.probe.tls_probes.server_flight import FirstFlight
from audit.probe.tls_probes.ssl2 import ssl2_suites


@dataclass(frozen=True, slots=True)
class ProbeContext:
    """The values that all probes of a run share; after `stop` is set, unfinished probes are dropped."""

    limits: Limits
    offers: Offers
    stop: threading.Event
    turn: Turn = field(default_factory=Turn)

    def without_survey(self) -> ProbeContext:
        """Return the context of a probe that requests no more of the TLS configuration than the certificates need."""
        return replace(self, limits=replace(self.limits, depth="certificate"))


class ProbeConnections:
    """The connections of one probe: `header` goes before all else, `share` is the part of its time they may use."""

    def __init__(self, endpoint: Endpoint, address: str, context: ProbeContext) -> None:
        """Open no connection yet; the time of the probe begins."""
        self.count = 0
        self.header = b""
        self.share = 1.0
        self.flights = list[FirstFlight]()  # of the hellos that the server accepted
        self.apart_s = 0.0  # waited for greetings, and for services that need another header
        self.began = time.monotonic()
        name = endpoint.reference if to_address(endpoint.reference) is None else ""
        self.client = Client(name, tuple(ALPN_OF_SCHEME.get(endpoint.scheme, ())))
        self._endpoint = endpoint
        self._address = address
        self._context = context
        self._limits = context.limits
        self._protocol = UPGRADES.get(endpoint.scheme)

    @property
    def has_goodbye(self) -> bool:
        """Whether the server expects a closing command, and may log a client without one as a nuisance."""
        return self._protocol is not None or self._endpoint.scheme in WITHIN

    def handshake(self, offer: SSL.Context) -> Handshake:
        """Complete a handshake with this offer and return its facts; raises ProbeError."""
        with self._tcp() as tcp:
            tls = TlsConnection(tcp, offer, self._endpoint, is_upgrade=self._protocol is not None)
            handshake = tls.handshake(self._address, self.began)
            if tls.is_open:
                with contextlib.suppress(ProbeError):
                    self._say_goodbye(tcp, tls)
        return self._within_limit(handshake)

    def flight(self, hello: ClientHello) -> FirstFlight:
        """Return the first flight that this hello receives; raises ProbeError. The handshake is abandoned after it."""
        with self._tcp() as tcp:
            flight = first_flight(tcp, hello.encode(), is_upgrade=self._protocol is not None)
        self.flights.append(flight)
        return flight

    def ssl2(self, offered: Sequence[int]) -> tuple[int, ...] | None:
        """Return the suites of SSLv2 that the server has of these, None if it speaks no SSLv2; raises ProbeError."""
        with self._tcp() as tcp:
            return ssl2_suites(tcp, offered)

    def facts(self, flight: FirstFlight) -> Handshake:
        """Return the facts of a flight with a hello of TLS 1.2 or older, in which nothing is encrypted."""
        hello = flight.hello
        if hello is None:
            raise RuntimeError("a flight without a hello has no facts")
        group = flight.key_exchange.group if flight.key_exchange else None
        handshake = Handshake(
            address=self._address,
            version=version_name(hello.version),
            cipher=suite_name(hello.suite),
            group=None if group is None else group_name(group),
            alpn=None if hello.alpn is None else hello.alpn.decode("ascii", "backslashreplace"),
            chain_der=flight.chain_der or (),
            ocsp_der=flight.ocsp_der,
            elapsed_s=time.monotonic() - self.began,
            sct_list=flight.sct_list,
        )
        return self._within_limit(handshake)

    def _within_limit(self, handshake: Handshake) -> Handshake:
        certificates, most = len(handshake.chain_der), self._limits.max_certificates
        if certificates > most:
            raise ProbeError("handshake", "too-much", f"the server sent {certificates} certificates (limit {most})")
        return handshake

    @contextlib.contextmanager
    def _tcp(self) -> Iterator[TcpConnection]:
        """Open a connection up to the start of TLS."""
        limits = self._limits
        deadline = Deadline(self.began + limits.timeout_s * self.share + self.apart_s)
        with TcpConnection(
            deadline=deadline, stop=self._context.stop, max_bytes=limits.max_bytes, turn=self._context.turn
        ) as tcp:
            self.count += 1
            tcp.connect(self._address, self._endpoint.port, limits.connect_s)
            if self._protocol:
                self._negotiate(tcp, self._protocol)
            tcp.begin("handshake", limits.handshake_s, "a TLS handshake")
            if not self._protocol:
                self._send_header(tcp)
            yield tcp

    def _negotiate(self, tcp: TcpConnection, protocol: StarttlsProtocol) -> None:
        """Wait for the greeting, which has its own deadline, and agree with the server to begin TLS."""
        dialogue = Dialogue(tcp, protocol)
        limits = self._limits
        tcp.begin_apart("starttls", limits.greeting_s * self.share, "a greeting", rest_s=limits.starttls_s)
        try:
            self._send_header(tcp)
            dialogue.greet()
        finally:
            self.apart_s += tcp.end_apart()
        tcp.begin("starttls", limits.starttls_s, "STARTTLS")
        dialogue.negotiate()

    def _send_header(self, tcp: TcpConnection) -> None:
        if self.header:
            tcp.send(self.header)

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
