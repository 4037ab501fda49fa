"""Reads what a server sends first: ServerHello or HelloRetryRequest, certificates, key exchange; or an alert.

It reads SSLv3 to TLS 1.2 (RFC 6101, RFC 5246), and what is not encrypted of TLS 1.3 (RFC 8446). What has no name stays
a number: an unknown suite, group or version is a fact. The bytes come from anyone, and `MalformedFlight` is all that a
reader raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from audit.observation.tls_registry import TLS12, TLS13, suites
from audit.probe.tls_probes.client_hello import ALPN, KEY_SHARE, SCTS, VERSIONS
from audit.probe.tls_probes.framing import (
    ALERT,
    CERTIFICATE,
    CERTIFICATE_REQUEST,
    HANDSHAKE,
    HELLO_DONE,
    KEY_EXCHANGE,
    SERVER_HELLO,
    STATUS,
    MalformedFlight,
    Reader,
    handshake_messages,
    records,
)

_RETRY_RANDOM: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The random of a HelloRetryRequest (RFC 8446 4.1.3)."""

_EXPLICIT_PRIME, _EXPLICIT_CHAR2, _NAMED_CURVE = 1, 2, 3  # RFC 4492 5.4
_OCSP: Final = 1
_WARNING, _CLOSE_NOTIFY = 1, 0  # level and description of alerts (RFC 5246 7.2)


@dataclass(frozen=True, slots=True)
class ServerHello:
    """The choices of the server. `group` is that of the key share, or the one that it wants if `is_retry`."""

    version: int
    suite: int
    compression: int
    extensions: Mapping[int, bytes]
    is_retry: bool

    @property
    def group(self) -> int | None:
        """The group of TLS 1.3; None in older versions, which name it in the key exchange."""
        share = self.extensions.get(KEY_SHARE, b"")
        return int.from_bytes(share[:2]) if len(share) >= 2 else None

    @property
    def alpn(self) -> bytes | None:
        """The protocol chosen, or None."""
        listed = self.extensions.get(ALPN, b"")
        return listed[3 : 3 + listed[2]] if len(listed) > 3 else None


@dataclass(frozen=True, slots=True)
class KeyExchange:
    """The ephemeral key of the server: a named group, or a prime in bits; and the scheme of its signature."""

    group: int | None = None
    prime: bytes = b""  # of Diffie-Hellman in a finite field, big-endian, without leading zeros
    modulus_bits: int = 0  # of the RSA key of an export suite
    scheme: int | None = None  # None before TLS 1.2, and if it is not signed

    @property
    def prime_bits(self) -> int:
        """The size of the prime."""
        return int.from_bytes(self.prime).bit_length()


@dataclass(frozen=True, slots=True)
class FirstFlight:
    """What came: an alert (level and description), or a hello with what follows it, `is_complete` or not yet."""

    hello: ServerHello | None = None
    alert: tuple[int, int] | None = None
    chain_der: tuple[bytes, ...] | None = None
    ocsp_der: bytes | None = None
    key_exchange: KeyExchange | None = None
    requests_certificate: bool = False
    is_complete: bool = False

    @property
    def sct_list(self) -> bytes:
        """The list of SCTs of the hello, empty if there is none."""
        return self.hello.extensions.get(SCTS, b"") if self.hello else b""


class FlightReader:
    """Reads a flight from bytes as they come."""

    def __init__(self) -> None:
        """Begin without a byte."""
        self.flight = FirstFlight()
        self._records, self._messages = records(), handshake_messages()

    def feed(self, octets: bytes) -> bool:
        """Take the next bytes; return whether the flight is complete. Raises MalformedFlight."""
        self._records.feed(octets)
        while not self.flight.is_complete and (record := self._records.take()):
            header, body = record
            if header[0] == ALERT:
                self._read_alerts(body)
            elif header[0] == HANDSHAKE:
                self._read_messages(body)
            else:  # what follows is encrypted, or it is not TLS
                raise MalformedFlight(f"a record has the type {header[0]}")
        return self.flight.is_complete

    def _read_alerts(self, body: bytes) -> None:
        """Note the first alert that ends the handshake; a server may send warnings and go on (RFC 6066 3)."""
        for level, description in zip(body[::2], body[1::2], strict=False):
            if level != _WARNING or description == _CLOSE_NOTIFY:
                self.flight = replace(self.flight, alert=(level, description), is_complete=True)
                return

    def _read_messages(self, body: bytes) -> None:
        self._messages.feed(body)
        while not self.flight.is_complete and (message := self._messages.take()):
            header, content = message
            self.flight = _with_message(self.flight, header[0], content)


def _with_message(flight: FirstFlight, kind: int, body: bytes) -> FirstFlight:
    if kind == SERVER_HELLO:
        hello = read_server_hello(body)
        return replace(flight, hello=hello, is_complete=hello.version >= TLS13)
    if flight.hello is None:
        raise MalformedFlight(f"the first handshake message has the type {kind}")
    if kind == CERTIFICATE:
        return replace(flight, chain_der=tuple(read_certificates(Reader(body).vector(3))))
    if kind == STATUS:
        reader = Reader(body)
        return replace(flight, ocsp_der=reader.vector(3) if reader.number(1) == _OCSP else b"")
    if kind == KEY_EXCHANGE:
        return replace(flight, key_exchange=read_key_exchange(body, flight.hello))
    if kind == CERTIFICATE_REQUEST:
        return replace(flight, requests_certificate=True)
    return replace(flight, is_complete=kind == HELLO_DONE)


def read_server_hello(body: bytes) -> ServerHello:
    """Return the choices of a ServerHello or HelloRetryRequest; raises MalformedFlight."""
    reader = Reader(body)
    version, random = reader.number(2), reader.take(32)
    reader.vector(1)  # the session
    suite, compression = reader.number(2), reader.number(1)
    extensions = dict(read_extensions(reader.vector(2))) if not reader.is_at_end else {}
    chosen = extensions.get(VERSIONS, b"")
    if version == TLS12 and len(chosen) == 2:
        version = int.from_bytes(chosen)
    return ServerHello(version, suite, compression, extensions, is_retry=random == _RETRY_RANDOM)


def read_extensions(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the content of each extension; raises MalformedFlight."""
    reader = Reader(octets)
    while not reader.is_at_end:
        yield reader.number(2), reader.vector(2)


def read_key_exchange(body: bytes, hello: ServerHello) -> KeyExchange | None:
    """Return the ephemeral key of a ServerKeyExchange, whose form its suite says; None if it has another form."""
    suite = suites().get(hello.suite)
    exchange = suite.exchange if suite else ""
    reader = Reader(body)
    if exchange in ("DHE_PSK", "ECDHE_PSK"):
        reader.vector(2)  # the hint
    is_signed = hello.version >= TLS12 and suite is not None and suite.key in ("RSA", "DSS", "ECDSA")
    if exchange in ("ECDHE", "ECDHE_PSK") or (exchange == "ECDH" and suite and suite.key == "anon"):
        return _curve(reader, is_signed=is_signed)
    if exchange in ("DHE", "DHE_PSK") or (exchange == "DH" and suite and suite.key == "anon"):
        prime = reader.vector(2).lstrip(b"\0")
        reader.vector(2), reader.vector(2)
        return KeyExchange(prime=prime, scheme=reader.number(2) if is_signed else None)
    if suite and suite.is_export and exchange == "RSA":
        return KeyExchange(modulus_bits=int.from_bytes(reader.vector(2)).bit_length())
    return None


def _curve(reader: Reader, *, is_signed: bool) -> KeyExchange:
    kind = reader.number(1)
    if kind != _NAMED_CURVE:
        if kind not in (_EXPLICIT_PRIME, _EXPLICIT_CHAR2):
            raise MalformedFlight(f"the key exchange has a curve of the type {kind}")
        return KeyExchange(group=0xFF00 + kind)  # as the registry numbers explicit curves
    group = reader.number(2)
    reader.vector(1)
    return KeyExchange(group=group, scheme=reader.number(2) if is_signed else None)


def read_certificates(octets: bytes) -> Iterator[bytes]:
    """Yield the certificates of a list of TLS 1.2; raises MalformedFlight."""
    listed = Reader(octets)
    while not listed.is_at_end:
        yield listed.vector(3)
