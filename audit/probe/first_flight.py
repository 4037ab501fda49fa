"""Takes certificates and SCTs out of the first flight of a TLS server, from the bytes it sent.

The certificates are needed if OpenSSL refuses them. The SCTs (RFC 6962 3.3.1) OpenSSL does not give to its callers.

It reads records and handshake messages of TLS 1.0 to 1.3 (RFC 5246 6.2 and 7.4, RFC 8446 5 and 7.3). The certificates
stay bytes, so a certificate that cannot be parsed is returned too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

_CHANGE_CIPHER_SPEC, _HANDSHAKE = 20, 22  # record types
_APPLICATION_DATA = 23  # the record type under which TLS 1.3 encrypts the handshake
_SERVER_HELLO, _CERTIFICATE = 2, 11  # handshake messages
_SCTS: Final = 18  # the extension signed_certificate_timestamp
_SUITE_OFFSET: Final = 2 + 32  # of a ServerHello, after version and random and before the session id's length
_SUITES: Final[dict[int, tuple[str, type[AESGCM | ChaCha20Poly1305], int, type[HashAlgorithm]]]] = {
    0x1301: ("TLS_AES_128_GCM_SHA256", AESGCM, 16, SHA256),
    0x1302: ("TLS_AES_256_GCM_SHA384", AESGCM, 32, SHA384),
    0x1303: ("TLS_CHACHA20_POLY1305_SHA256", ChaCha20Poly1305, 32, SHA256),
}
"""The suites of TLS 1.3 (RFC 8446 B.4) that OpenSSL offers: name, cipher, key bytes, hash."""


@dataclass(frozen=True, slots=True)
class ServerFlight:
    """A server's first flight: its cipher suite (its number if it is one of TLS 1.2) and its certificates.

    `sct_list` is the list of SCTs as sent, empty if there is none.
    """

    cipher: str
    chain_der: tuple[bytes, ...]
    sct_list: bytes = b""


def read_flight(received: bytes, key_log: Sequence[bytes]) -> ServerFlight | None:
    """Return the flight of a server, or None if it has no certificate. `key_log` has the form of SSLKEYLOGFILE."""
    records = tuple(_records(received))
    readable = itertools.takewhile(lambda record: record[1] != _CHANGE_CIPHER_SPEC, records)
    plain = b"".join(body for _, kind, body in readable if kind == _HANDSHAKE)
    hello = _hello(plain)
    suite = _suite(hello)
    secret = _server_secret(key_log)
    is_tls13 = suite in _SUITES and secret is not None
    if is_tls13 and secret is not None:
        plain = b"".join(_decrypted(records, suite, secret))
    for kind, body in _messages(plain):
        if kind == _CERTIFICATE:
            name = _SUITES[suite][0] if suite in _SUITES else f"0x{suite:04X}"
            entries = tuple(_entries(body, is_tls13=is_tls13))
            extensions = entries[0][1] if is_tls13 and entries else hello[_after_session(hello) + 3 :]
            return ServerFlight(name, tuple(der for der, _ in entries), _extension(extensions, _SCTS))
    return None


def _records(received: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    position = 0
    while position + 5 <= len(received):
        header = received[position : position + 5]
        length = int.from_bytes(header[3:5], "big")
        yield header, header[0], received[position + 5 : position + 5 + length]
        position += 5 + length


def _messages(stream: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position + 4 <= len(stream):
        length = int.from_bytes(stream[position + 1 : position + 4], "big")
        yield stream[position], stream[position + 4 : position + 4 + length]
        position += 4 + length


def _hello(plain: bytes) -> bytes:
    """Return the ServerHello (or HelloRetryRequest, which names the same suite), or nothing."""
    hellos = (body for kind, body in _messages(plain) if kind == _SERVER_HELLO and len(body) > _SUITE_OFFSET)
    return next(hellos, b"")


def _suite(hello: bytes) -> int:
    """Return the cipher suite of a ServerHello, or 0."""
    after_session = _after_session(hello)
    return int.from_bytes(hello[after_session : after_session + 2], "big")


def _after_session(hello: bytes) -> int:
    """Return where the suite of a ServerHello begins: suite, compression and extensions follow the session id."""
    return _SUITE_OFFSET + 1 + hello[_SUITE_OFFSET] if hello else 0


def _extension(extensions: bytes, wanted: int) -> bytes:
    """Return the content of an extension in a list that begins with its length; nothing if it is absent."""
    position, end = 2, 2 + int.from_bytes(extensions[:2], "big")
    while position + 4 <= min(end, len(extensions)):
        kind, length = (int.from_bytes(extensions[at : at + 2], "big") for at in (position, position + 2))
        if kind == wanted:
            return extensions[position + 4 : position + 4 + length]
        position += 4 + length
    return b""


def _entries(body: bytes, *, is_tls13: bool) -> Iterator[tuple[bytes, bytes]]:
    """Yield the certificates of a Certificate message, each with its extensions, which only TLS 1.3 has.

    In TLS 1.3 a context comes before the first.
    """
    position = 3 + (1 + body[0] if is_tls13 and body else 0)
    while position + 3 <= len(body):
        start = position + 3
        end = start + int.from_bytes(body[position:start], "big")
        after = end + (2 + int.from_bytes(body[end : end + 2], "big") if is_tls13 else 0)
        yield body[start:end], body[end:after]
        position = after


def _server_secret(key_log: Sequence[bytes]) -> bytes | None:
    for line in key_log:
        label, _, rest = line.partition(b" ")
        if label == b"SERVER_HANDSHAKE_TRAFFIC_SECRET":
            return bytes.fromhex(rest.split()[-1].decode("ascii"))
    return None


def _decrypted(records: Sequence[tuple[bytes, int, bytes]], suite: int, secret: bytes) -> Iterator[bytes]:
    """Yield the handshake bytes in the encrypted records of TLS 1.3, up to the first under another key."""
    _, cipher, key_bytes, hash_algorithm = _SUITES[suite]
    aead = cipher(_expand(secret, b"key", key_bytes, hash_algorithm()))
    nonce = int.from_bytes(_expand(secret, b"iv", 12, hash_algorithm()), "big")
    sealed = ((header, body) for header, kind, body in records if kind == _APPLICATION_DATA)
    for number, (header, body) in enumerate(sealed):
        try:
            inner = aead.decrypt((nonce ^ number).to_bytes(12, "big"), body, header).rstrip(b"\0")
        except (InvalidTag, ValueError):
            return
        if inner and inner[-1] == _HANDSHAKE:
            yield inner[:-1]


def _expand(secret: bytes, label: bytes, length: int, hash_algorithm: HashAlgorithm) -> bytes:
    """Return HKDF-Expand-Label with an empty context (RFC 8446 7.1)."""
    full = b"tls13 " + label
    hkdf_label = length.to_bytes(2, "big") + bytes([len(full)]) + full + b"\0"
    return HKDFExpand(hash_algorithm, length, hkdf_label).derive(secret)
