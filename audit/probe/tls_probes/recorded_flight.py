"""Takes certificates and SCTs out of the bytes that a TLS server sent in a handshake of OpenSSL.

The certificates are needed if OpenSSL refuses them. The SCTs (RFC 6962 3.3.1) OpenSSL does not give to its callers.

It reads TLS 1.0 to 1.3 (RFC 5246 7.4, RFC 8446 5 and 7.3). The certificates stay bytes, so a certificate that cannot be
parsed is returned too.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from audit.observation.tls_registry import suite_name
from audit.probe.tls_probes.client_hello import SCTS
from audit.probe.tls_probes.framing import (
    APPLICATION_DATA,
    CERTIFICATE,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    SERVER_HELLO,
    MalformedFlight,
    Reader,
    frames,
    handshake_messages,
    records,
)
from audit.probe.tls_probes.server_flight import ServerHello, read_certificates, read_extensions, read_server_hello

_SUITES: Final[dict[int, tuple[type[AESGCM | ChaCha20Poly1305], int, type[HashAlgorithm]]]] = {
    0x1301: (AESGCM, 16, SHA256),
    0x1302: (AESGCM, 32, SHA384),
    0x1303: (ChaCha20Poly1305, 32, SHA256),
}
"""The suites of TLS 1.3 (RFC 8446 B.4) that OpenSSL offers: cipher, key bytes, hash."""


@dataclass(frozen=True, slots=True)
class ServerFlight:
    """A server's first flight: the name of its cipher suite, and its certificates.

    `sct_list` is the list of SCTs as sent, empty if there is none.
    """

    cipher: str
    chain_der: tuple[bytes, ...]
    sct_list: bytes = b""


def read_flight(received: bytes, key_log: Sequence[bytes]) -> ServerFlight | None:
    """Return the flight of a server, or None if it has no certificate. `key_log` has the form of SSLKEYLOGFILE."""
    with contextlib.suppress(MalformedFlight):
        return _flight(tuple(frames(records(), received)), key_log)
    return None


def _flight(recorded: Sequence[tuple[bytes, bytes]], key_log: Sequence[bytes]) -> ServerFlight | None:
    readable = itertools.takewhile(lambda record: record[0][0] != CHANGE_CIPHER_SPEC, recorded)
    plain = b"".join(body for header, body in readable if header[0] == HANDSHAKE)
    hello = next((read_server_hello(body) for body in _messages(plain, SERVER_HELLO)), None)
    if hello is None:
        return None
    secret = _server_secret(key_log)
    if hello.suite not in _SUITES or secret is None:
        return next((_of_tls12(hello, body) for body in _messages(plain, CERTIFICATE)), None)
    opened = b"".join(_decrypted(recorded, hello.suite, secret))
    return next((_of_tls13(hello, body) for body in _messages(opened, CERTIFICATE)), None)


def _messages(stream: bytes, kind: int) -> Iterator[bytes]:
    return (body for header, body in frames(handshake_messages(), stream) if header[0] == kind)


def _of_tls12(hello: ServerHello, body: bytes) -> ServerFlight:
    chain_der = tuple(read_certificates(Reader(body).vector(3)))
    return ServerFlight(suite_name(hello.suite), chain_der, hello.extensions.get(SCTS, b""))


def _of_tls13(hello: ServerHello, body: bytes) -> ServerFlight:
    reader = Reader(body)
    reader.vector(1)  # the context of a request
    entries = tuple(_entries(Reader(reader.vector(3))))
    extensions = dict(read_extensions(entries[0][1])) if entries else {}
    return ServerFlight(suite_name(hello.suite), tuple(der for der, _ in entries), extensions.get(SCTS, b""))


def _entries(listed: Reader) -> Iterator[tuple[bytes, bytes]]:
    """Yield the certificates of TLS 1.3, each with its extensions."""
    while not listed.is_at_end:
        yield listed.vector(3), listed.vector(2)


def _server_secret(key_log: Sequence[bytes]) -> bytes | None:
    for line in key_log:
        label, _, rest = line.partition(b" ")
        if label == b"SERVER_HANDSHAKE_TRAFFIC_SECRET":
            return bytes.fromhex(rest.split()[-1].decode("ascii"))
    return None


def _decrypted(recorded: Iterable[tuple[bytes, bytes]], suite: int, secret: bytes) -> Iterator[bytes]:
    """Yield the handshake bytes in the encrypted records of TLS 1.3, up to the first under another key."""
    cipher, key_bytes, hash_algorithm = _SUITES[suite]
    aead = cipher(_expand(secret, b"key", key_bytes, hash_algorithm()))
    nonce = int.from_bytes(_expand(secret, b"iv", 12, hash_algorithm()), "big")
    sealed = ((header, body) for header, body in recorded if header[0] == APPLICATION_DATA)
    for number, (header, body) in enumerate(sealed):
        try:
            inner = aead.decrypt((nonce ^ number).to_bytes(12, "big"), body, header).rstrip(b"\0")
        except (InvalidTag, ValueError):
            return
        if inner and inner[-1] == HANDSHAKE:
            yield inner[:-1]


def _expand(secret: bytes, label: bytes, length: int, hash_algorithm: HashAlgorithm) -> bytes:
    """Return HKDF-Expand-Label with an empty context (RFC 8446 7.1)."""
    full = b"tls13 " + label
    hkdf_label = length.to_bytes(2, "big") + bytes([len(full)]) + full + b"\0"
    return HKDFExpand(hash_algorithm, length, hkdf_label).derive(secret)
