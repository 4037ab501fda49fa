"""The probe of one address of one endpoint: connect, begin TLS as its scheme does, shake hands, ask for old versions.

It uses one connection at a time and always ends in an answer within its deadline; it knows no other endpoint.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from OpenSSL import SSL

from audit.analysis.served_chains import key_type
from audit.endpoint import Endpoint
from audit.observation import Handshake, ProbeFailure
from audit.probe.deadline import Deadline
from audit.probe.starttls import UPGRADES, WITHIN, negotiate
from audit.probe.target import Limits
from audit.probe.tcp import ProbeError, TcpConnection
from audit.probe.tls_handshake import Offers, TlsConnection

_OLD: Final = ("TLSv1", "TLSv1.1")
_UNKNOWN: Final = ("timeout", "too-much")  # a second certificate may be there


@dataclass(frozen=True, slots=True)
class ProbeContext:
    """What all probes of a run share; `halt` set means drop what is under way."""

    limits: Limits
    offers: Offers
    halt: threading.Event


@dataclass(frozen=True, slots=True)
class AddressResult:
    """What one address answered, after how many connections and seconds."""

    address: str
    shown: Handshake | ProbeFailure
    connections: int
    elapsed_s: float
    other_key: Handshake | ProbeFailure | None = None  # with a second certificate; why that is unknown; None: has none


def probe_address(endpoint: Endpoint, address: str, means: ProbeContext) -> AddressResult:
    """Probe an endpoint at one address; raises Stopped where `halt` is set meanwhile."""
    return _Probe(endpoint, address, means).run()


class _Probe:
    def __init__(self, endpoint: Endpoint, address: str, means: ProbeContext) -> None:
        self._endpoint = endpoint
        self._address = address
        self._means = means
        self._limits = means.limits
        self._began = time.monotonic()
        self._connections = 0

    def run(self) -> AddressResult:
        try:
            handshake = self._observe()
        except ProbeError as fault:
            return self._answer(fault.at(self._address))
        version = handshake.version
        tls12 = self._has_tls12(version) if self._limits.asks_tls12 else None
        shown = replace(handshake, old_protocols=self._old_protocols(version), tls12=tls12)
        return self._answer(shown, self._other_key(shown))

    def _answer(
        self, shown: Handshake | ProbeFailure, other_key: Handshake | ProbeFailure | None = None
    ) -> AddressResult:
        return AddressResult(self._address, shown, self._connections, time.monotonic() - self._began, other_key)

    def _other_key(self, first: Handshake) -> Handshake | ProbeFailure | None:
        """Return the handshake with a certificate of the other key type; None if the server refuses or has only one."""
        kind = key_type(first.chain_der)
        if kind is None:
            return None
        offers = self._means.offers
        try:
            second = self._observe(offers.ecdsa if kind == "RSA" else offers.rsa)
        except ProbeError as fault:
            is_unknown = fault.stage != "handshake" or fault.kind in _UNKNOWN
            return fault.at(self._address) if is_unknown else None
        return second if second.chain_der[:1] != first.chain_der[:1] else None

    def _observe(self, offer: SSL.Context | None = None) -> Handshake:
        with self._conversation(offer or self._means.offers.everything) as conversation:
            handshake = conversation.shake_hands(self._address, self._began)
        certificates, most = len(handshake.chain_der), self._limits.max_certificates
        if certificates > most:
            raise ProbeError(
                "handshake", "too-much", f"{certificates} certificates are served; at most {most} are taken"
            )
        return handshake

    def _old_protocols(self, version: str) -> tuple[str, ...] | None:
        """Return which of TLS 1.0 and 1.1 are accepted; None where it could not be told.

        A server picks the newest it has of what is offered (RFC 5246 E.1): where it picks 1.0, it has no 1.1.
        """
        offers = self._means.offers
        try:
            newest = version if version in _OLD else self._accepted(offers.old)
            if newest is None:
                return ()
            has_oldest = newest == "TLSv1" or self._accepted(offers.oldest) is not None
        except ProbeError:
            return None
        return _OLD[not has_oldest : 1 + (newest != "TLSv1")]

    def _has_tls12(self, version: str) -> bool | None:
        """Tell whether TLS 1.2 is accepted, by the newest that a server picks; None where it could not be told."""
        try:
            newest = self._accepted(self._means.offers.before_tls13) if version == "TLSv1.3" else version
        except ProbeError:
            return None
        return newest == "TLSv1.2"

    def _accepted(self, context: SSL.Context) -> str | None:
        """Return the version agreed on, or None where the server refuses, by an alert or by hanging up."""
        with self._conversation(context) as conversation:
            try:
                return conversation.shake_hands(self._address, self._began).version
            except ProbeError as fault:
                if fault.stage != "handshake" or fault.kind == "timeout":
                    raise
                return None

    @contextlib.contextmanager
    def _conversation(self, context: SSL.Context) -> Iterator[TlsConnection]:
        """Open a connection up to where TLS begins; take leave of the server in its own protocol at the end."""
        limits, dialect = self._limits, UPGRADES.get(self._endpoint.scheme)
        deadline = Deadline(self._began + limits.timeout_s)
        with TcpConnection(deadline=deadline, stop=self._means.halt, max_bytes=limits.max_bytes) as wire:
            self._connections += 1
            wire.connect(self._address, self._endpoint.port, limits.connect_s)
            if dialect:
                wire.begin("starttls", limits.starttls_s, "a greeting")
                negotiate(wire, dialect)
            wire.begin("handshake", limits.handshake_s, "a TLS handshake")
            conversation = TlsConnection(wire, context, self._endpoint, is_upgrade=dialect is not None)
            yield conversation
            if conversation.is_open:
                with contextlib.suppress(ProbeError):
                    self._take_leave(wire, conversation)

    def _take_leave(self, wire: TcpConnection, conversation: TlsConnection) -> None:
        """Say goodbye, so that the server logs a visit and not an abuse, and wait for it to hang up, but not long."""
        wire.begin("handshake", self._limits.farewell_s, "a goodbye")
        scheme = self._endpoint.scheme
        dialect = WITHIN.get(scheme) or UPGRADES.get(scheme)
        if scheme in WITHIN:
            conversation.listen()  # who speaks before the greeting is taken for a spammer
        if dialect:
            conversation.say(dialect.farewell)
            while conversation.listen():
                pass
        conversation.close()
