"""Probes one address of one endpoint: one whole handshake, and hellos that find what other clients are served.

The first handshake is completed by OpenSSL. The other connections send a hello and read the first flight, in which a
server up to TLS 1.2 shows its certificate: they need no cryptography. Where a flight of TLS 1.3 hides the certificate,
one more handshake is completed. A probe always returns a result within its deadline.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Final

from OpenSSL import SSL

from audit.analysis.served_chains import key_type
from audit.endpoint import Endpoint
from audit.observation import Handshake, ProbeFailure, ProxyProtocol
from audit.probe.connections import ProbeConnections, ProbeContext
from audit.probe.proxy_protocol import HEADERS, header_fault, is_about_header
from audit.probe.target import Limits
from audit.probe.tcp import ProbeError
from audit.probe.tls_probes.client_hello import ClientHello
from audit.probe.tls_probes.configuration import survey
from audit.probe.tls_probes.exchange import is_refusal, unless_refused
from audit.x509.public_keys import is_post_quantum

_OLD: Final = ("TLSv1", "TLSv1.1")
_TLS12, _TLS13 = "TLSv1.2", "TLSv1.3"
_SHARE_OF_HEADER: Final = 0.5  # of the time of a probe, for a header that the service may wait for or not


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
    connections = ProbeConnections(endpoint, address, context)
    try:
        first = _first_handshake(connections, context, proxy_protocol)
    except ProbeError as fault:
        result = AddressResult(address, fault.at(address), 0, 0.0)
    else:
        result = _with_survey(connections, context.limits, _LaterProbe(connections, context, first).run())
    return replace(result, connections=connections.count, elapsed_s=time.monotonic() - connections.began)


def _with_survey(connections: ProbeConnections, limits: Limits, result: AddressResult) -> AddressResult:
    """Return a result with what else the server supports, if that is requested."""
    if limits.depth == "certificate" or not isinstance(result.result, Handshake):
        return result
    connections.share += limits.survey_share
    return replace(result, result=replace(result.result, tls=survey(connections, result.result, limits.depth)))


def _first_handshake(connections: ProbeConnections, context: ProbeContext, proxy_protocol: ProxyProtocol) -> Handshake:
    """Return the first handshake, with the first header that the service accepts."""
    everything = context.offers.everything
    *headers, last = HEADERS[proxy_protocol]
    for header in headers:
        connections.header, connections.share = header, _SHARE_OF_HEADER
        try:
            return connections.handshake(everything)
        except ProbeError as fault:
            if not is_about_header(fault, header):
                raise
        finally:
            connections.share = 1.0
        connections.apart_s = time.monotonic() - connections.began
    connections.header = last
    try:
        return connections.handshake(everything)
    except ProbeError as fault:
        raise header_fault(fault, proxy_protocol) from fault


class _LaterProbe:
    """What an address serves to other clients than that of the first handshake."""

    def __init__(self, connections: ProbeConnections, context: ProbeContext, first: Handshake) -> None:
        self._connections = connections
        self._offers = context.offers
        self._first = first
        self._changed: Handshake | None = None
        self._other_key: Handshake | ProbeFailure | None = None

    def run(self) -> AddressResult:
        first = self._first
        try:
            newest, has_older = self._before_tls13()
        except ProbeError as fault:
            first = replace(first, unknown_versions=str(fault))
            self._other_key = fault.at(first.address)
        else:
            first = replace(first, tls12=newest == _TLS12)
            first = self._with_old_protocols(first, newest) if has_older else replace(first, old_protocols=())
            self._other_key = self._other_key or self._of_other_key()
        return AddressResult(first.address, first, 0, 0.0, self._other_key, self._changed)

    def _before_tls13(self) -> tuple[str | None, bool]:
        """Return the newest version up to TLS 1.2, None if it has none, and whether there may be an older one.

        Notes the certificate if it is another one; a client of TLS 1.3 may also get another in its second connection.
        """
        newest = self._first.version if self._first.version != _TLS13 else None
        try:
            served = self._up_to_tls12()
        except ProbeError as fault:
            if not is_refusal(fault):
                raise
            self._note(self._handshake(self._offers.everything))
            return newest, newest is not None or fault.kind != "no-shared"
        self._note(served)
        return newest or served.version, True

    def _up_to_tls12(self) -> Handshake:
        """Return what a client without TLS 1.3 is served; raises ProbeError.

        Mail servers may log abandoned handshakes as abuse, so with them this one is completed.
        """
        if self._connections.has_goodbye:
            return self._connections.handshake(self._offers.before_tls13)
        return self._served(self._connections.client.before_tls13(_other(key_type(self._first.chain_der))))

    def _with_old_protocols(self, first: Handshake, newest: str | None) -> Handshake:
        """Return the handshake with which of TLS 1.0 and 1.1 are accepted, or why that is not known.

        A server picks the newest version that both sides have (RFC 5246 E.1): if it picks 1.0, it has no 1.1.
        """
        client = self._connections.client
        try:
            old = newest if newest in _OLD else self._version(client.before_tls12())
            has_oldest = old == "TLSv1" or (old is not None and self._version(client.with_tls10()) is not None)
        except ProbeError as fault:
            return replace(first, unknown_versions=str(fault))
        return replace(first, old_protocols=_OLD[not has_oldest : 1 + (old == "TLSv1.1")] if old else ())

    def _of_other_key(self) -> Handshake | ProbeFailure | None:
        """Return the handshake with a certificate of the other key type; None if the server refuses or has only one."""
        kind = key_type(self._first.chain_der)
        if kind is None:
            return None
        if is_post_quantum(kind):  # the server may have a certificate of either type for other clients
            return self._with_key("ECDSA") or self._with_key("RSA")
        return self._with_key(_other(kind))

    def _with_key(self, key: str) -> Handshake | ProbeFailure | None:
        try:
            served: Handshake | None = self._served(self._connections.client.with_key_type(key))
            if served and served.version == _TLS13:  # its certificate is encrypted
                served = self._handshake(self._offers.ecdsa if key == "ECDSA" else self._offers.rsa)
        except ProbeError as fault:
            return None if is_refusal(fault) else fault.at(self._first.address)
        return served if served and self._is_another(served) else None

    def _note(self, served: Handshake | None) -> None:
        """Keep a handshake with another certificate than the first one."""
        if served is None or not self._is_another(served):
            return
        if key_type(served.chain_der) == key_type(self._first.chain_der):
            self._changed = served
        else:
            self._other_key = served

    def _is_another(self, served: Handshake) -> bool:
        return bool(served.chain_der) and served.chain_der[:1] != self._first.chain_der[:1]

    def _version(self, hello: ClientHello) -> str | None:
        """Return the version agreed on, or None if the server refuses; raises ProbeError if neither is known."""
        served = unless_refused(lambda: self._served(hello))
        return served.version if served else None

    def _served(self, hello: ClientHello) -> Handshake:
        return self._connections.facts(self._connections.flight(hello))

    def _handshake(self, offer: SSL.Context) -> Handshake | None:
        """Return a whole handshake, or None if the server refuses it; raises ProbeError if neither is known."""
        return unless_refused(lambda: self._connections.handshake(offer))


def _other(kind: str | None) -> str:
    """Return the other type of key: if a server has both, a client that prefers it may get that certificate."""
    return "ECDSA" if kind == "RSA" else "RSA"
