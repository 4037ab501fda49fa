"""Makes one TLS handshake over a TCP connection, at the lowest security level and without verification.

The chain is bytes, in the order sent: no certificate is parsed here.
"""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass, field
from typing import Final

from OpenSSL import SSL, crypto

from audit.endpoint import Endpoint, to_address
from audit.observation import Handshake
from audit.probe.tcp import ProbeError, TcpConnection
from audit.probe.tls_probes.client_hello import SCTS
from audit.probe.tls_probes.reception import receive
from audit.probe.tls_probes.recorded_flight import ServerFlight, read_flight

_CIPHERS: Final = b"ALL:!aNULL:@SECLEVEL=0"
"""All suites with a certificate: if Postfix is offered an anonymous suite, it prefers that and sends no certificate."""

_RSA: Final = (
    b"aRSA:!aNULL:@SECLEVEL=0",
    b"RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:rsa_pss_pss_sha256:RSA+SHA256:RSA+SHA384:RSA+SHA512:RSA+SHA1",
)
_ECDSA: Final = (b"aECDSA:@SECLEVEL=0", b"ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:ed448:ECDSA+SHA1")
"""Ciphers up to TLS 1.2 and signature algorithms (RFC 8446 4.2.3) of a client that accepts one type of key alone."""

ALPN_OF_SCHEME: Final[dict[str, list[bytes]]] = {
    "https": [b"h2", b"http/1.1"]
}  # the other schemes are probed without ALPN (RFC 7301)
_READ_BYTES: Final = 4096
_FLIGHT: Final = 65_536  # more than any flight of ours
_ALERT: Final = re.compile(r"(?:ssl/tls|tls|sslv3|tlsv1|tlsv13) alert (.+)|tlsv1 (.+)")
_NO_SHARED: Final = re.compile(
    r"(?:^|alert )(?:protocol version|insufficient security|unsupported protocol|no protocols available|"
    r"wrong ssl version|wrong cipher returned|no ciphers available)"
)
_UNREADABLE: Final = re.compile(r"asn1|cert length mismatch|public key parameters", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Offers:
    """What a client offers: all versions, up to TLS 1.2; or one type of key alone.

    All connections of a run share these contexts.
    """

    everything: SSL.Context
    before_tls13: SSL.Context
    rsa: SSL.Context
    ecdsa: SSL.Context


@dataclass(slots=True)
class _CallbackData:
    """The values that OpenSSL passes to callbacks."""

    ocsp_der: bytes | None = None
    key_log: list[bytes] = field(default_factory=list)


def make_offers() -> Offers:
    """Return the contexts of a run: to make one takes about as long as a handshake."""
    newest = (SSL.TLS1_3_VERSION, SSL.TLS1_2_VERSION)
    return Offers(*map(_context, newest), *(_context(SSL.TLS1_3_VERSION, *offer) for offer in (_RSA, _ECDSA)))


def _context(newest: int, ciphers: bytes = _CIPHERS, signatures: bytes = b"") -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_cipher_list(ciphers)
    if signatures and SSL._lib.SSL_CTX_set1_sigalgs_list(context._context, signatures) != 1:  # type: ignore[attr-defined]  # noqa: SLF001 - pyOpenSSL has no method for it
        raise RuntimeError(f"OpenSSL does not support the signature algorithms {signatures!r}")
    context.set_min_proto_version(SSL.TLS1_VERSION)
    context.set_max_proto_version(newest)
    context.set_options(SSL.OP_LEGACY_SERVER_CONNECT)  # servers without RFC 5746 are observed too
    _ask_for_scts(context)
    context.set_ocsp_client_callback(_note_ocsp)
    context.set_keylog_callback(_note_secret)
    return context


def _ask_for_scts(context: SSL.Context) -> None:
    """Add the request for SCTs to the ClientHello; OpenSSL passes on no reply, so `read_flight` reads it."""
    null = SSL._ffi.NULL  # type: ignore[attr-defined]  # noqa: SLF001 - pyOpenSSL has no method for it
    if SSL._lib.SSL_CTX_add_client_custom_ext(context._context, SCTS, *[null] * 5) != 1:  # type: ignore[attr-defined]  # noqa: SLF001 - as above
        raise RuntimeError("OpenSSL cannot ask for signed certificate timestamps")


def _note_ocsp(connection: SSL.Connection, ocsp_der: bytes, _: object) -> bool:
    connection.get_app_data().ocsp_der = ocsp_der or None
    return True


def _note_secret(connection: SSL.Connection, line: bytes) -> None:
    connection.get_app_data().key_log.append(line)


class TlsConnection:
    """TLS over a TCP connection. With `is_upgrade` it follows plain text, and more plain text counts as injected."""

    def __init__(
        self, tcp: TcpConnection, context: SSL.Context, endpoint: Endpoint, *, is_upgrade: bool = False
    ) -> None:
        """Prepare the ClientHello: with SNI for a name, without for an address (RFC 6066 3)."""
        self._tcp = tcp
        self._is_upgrade = is_upgrade
        self.is_open = False  # whether a goodbye can be sent
        self._notes = _CallbackData()
        self._tls = SSL.Connection(context, None)
        self._tls.set_app_data(self._notes)
        self._tls.set_connect_state()
        self._tls.request_ocsp()
        if to_address(endpoint.reference) is None:
            self._tls.set_tlsext_host_name(endpoint.reference.encode("ascii"))
        if endpoint.scheme in ALPN_OF_SCHEME:
            self._tls.set_alpn_protos(ALPN_OF_SCHEME[endpoint.scheme])

    @property
    def version(self) -> str:
        """The version agreed on, such as `TLSv1.3`."""
        return self._tls.get_protocol_version_name()

    def handshake(self, address: str, began: float) -> Handshake:
        """Complete the handshake and return its facts; raises ProbeError.

        A server that closes the connection after it has sent its certificate may require a client certificate. Other
        clients may read a certificate that OpenSSL cannot read. Both count as observed.
        """
        try:
            self.complete()
        except ProbeError as fault:
            flight = read_flight(bytes(self._tcp.received), self._notes.key_log)
            if flight is None or not _is_observed(fault):
                raise
            return self._facts(address, began, flight.chain_der, flight, cipher=flight.cipher)
        chain = self._tls.get_peer_cert_chain() or ()
        der = tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) for certificate in chain)
        return self._facts(address, began, der, read_flight(bytes(self._tcp.received), self._notes.key_log))

    def complete(self) -> None:
        """Complete the handshake; raises ProbeError."""
        self._tcp.awaiting = "a TLS handshake"
        try:
            while not self._advance():
                self._tls.bio_write(receive(self._tcp, is_upgrade=self._is_upgrade))
        except SSL.Error as error:
            raise _fault_of(error) from error
        self.is_open = True

    def send(self, octets: bytes) -> None:
        """Send application data."""
        with contextlib.suppress(SSL.Error):  # the server has closed already
            self._tls.send(octets)
        self._flush()

    def receive(self) -> bytes:
        """Return the next application data, or none if the server has closed the connection."""
        while True:
            try:
                return self._tls.recv(_READ_BYTES)
            except SSL.WantReadError:
                self._flush()
            except SSL.Error:
                return b""
            octets = self._tcp.receive()
            if not octets:
                return b""
            self._tls.bio_write(octets)

    def close(self) -> None:
        """Send close_notify (RFC 8446 6.1)."""
        with contextlib.suppress(SSL.Error):  # the server has closed the connection already
            self._tls.shutdown()
        self._flush()

    def _facts(
        self, address: str, began: float, chain_der: tuple[bytes, ...], flight: ServerFlight | None, *, cipher: str = ""
    ) -> Handshake:
        alpn = self._tls.get_alpn_proto_negotiated()
        return Handshake(
            address=address,
            version=self.version,
            cipher=self._tls.get_cipher_name() or cipher,
            group=self._tls.get_group_name(),
            alpn=alpn.decode("ascii", "backslashreplace") if alpn else None,
            chain_der=chain_der,
            ocsp_der=self._notes.ocsp_der,
            elapsed_s=time.monotonic() - began,
            sct_list=flight.sct_list if flight else None,
        )

    def _advance(self) -> bool:
        """Process the bytes received and send the reply; return whether the handshake is complete.

        The last bytes of a complete handshake go with what follows them: a goodbye costs no packet of its own.
        """
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            self._flush()
            return False
        except SSL.Error:
            with contextlib.suppress(ProbeError):
                self._flush()  # our alert, so that the server logs the right reason
            raise
        return True

    def _flush(self) -> None:
        try:
            octets = self._tls.bio_read(_FLIGHT)
        except SSL.WantReadError:
            return  # no bytes to send
        self._tcp.send(octets)


class _UnreadableCertificate(ProbeError):
    """The server sent a certificate that OpenSSL cannot read."""


def _is_observed(fault: ProbeError) -> bool:
    hung_up = fault.kind in ("alert", "closed", "refused")
    return hung_up or isinstance(fault, _UnreadableCertificate)


def _fault_of(error: SSL.Error) -> ProbeError:
    reasons = [reason for _, _, reason in error.args[0]] if error.args else []
    reason_text = "; ".join(dict.fromkeys(reasons)) or "OpenSSL gives no reason"
    if _NO_SHARED.search(reason_text):
        return ProbeError("handshake", "no-shared", f"no TLS version or cipher in common: {reason_text}")
    if "excessive message size" in reason_text:
        return ProbeError("handshake", "too-much", "the server sends more than 100 KiB of certificates")
    alert = _ALERT.match(reasons[-1]) if reasons else None
    if alert:
        name = (alert[1] or alert[2]).replace(" ", "_")
        return ProbeError("handshake", "alert", f"the server ends the handshake with the alert {name}")
    kind = _UnreadableCertificate if _UNREADABLE.search(reason_text) else ProbeError
    return kind("handshake", "broken", f"OpenSSL cannot process the handshake: {reason_text}")
