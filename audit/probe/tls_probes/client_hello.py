"""Composes ClientHellos: of TLS 1.3 (RFC 8446 4.1.2), of TLS 1.0 to 1.2 (RFC 5246 7.4.1.2), and SSLv3.

A hello offers whatever it is given, such as suites and groups that no TLS library has any more.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from audit.observation.tls_registry import SSL3, TLS10, TLS12, TLS13

SERVER_NAME, STATUS_REQUEST, GROUPS, POINT_FORMATS, SIGNATURES, ALPN, SCTS = 0, 5, 10, 11, 13, 16, 18
PADDING, ENCRYPT_THEN_MAC, EXTENDED_MASTER_SECRET, TICKET, VERSIONS = 21, 22, 23, 35, 43
PSK_MODES, KEY_SHARE, RENEGOTIATION = 45, 51, 0xFF01
RENEGOTIATION_SCSV: Final = 0x00FF  # RFC 5746 3.3
FALLBACK_SCSV: Final = 0x5600  # RFC 7507 2
DEFLATE: Final = 1  # RFC 3749 2
_HANDSHAKE, _CLIENT_HELLO = 22, 1
_MESSAGE_HEADER, _EXTENSION_HEADER = 4, 4  # bytes
_PADDED_TO: Final = 512
"""Some servers hang at a hello of 256 to 511 bytes (RFC 7685 4)."""


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What a client offers, by the numbers of the registries; an empty list leaves its extension out.

    `versions` are offered in an extension if TLS 1.3 is among them, else the newest one counts (RFC 5246 E.1).
    A key share is a group and the public key in it. Without key shares a server of TLS 1.3 names a group that it wants
    in a HelloRetryRequest.
    """

    versions: Sequence[int]
    suites: Sequence[int]
    groups: Sequence[int] = ()
    signatures: Sequence[int] = ()
    server_name: str = ""
    alpn: Sequence[bytes] = ()
    key_shares: Sequence[tuple[int, bytes]] = ()
    compressions: Sequence[int] = ()  # before none
    extensions: Sequence[tuple[int, bytes]] = ()  # further ones, such as `WANTED`

    def encode(self) -> bytes:
        """Return the record; its random bytes are new in each call."""
        body = _prefixed(self._body(), 3)
        newest = min(TLS12, max(self.versions))
        record_version = min(TLS10, newest)  # RFC 8446 5.1
        return bytes((_HANDSHAKE,)) + record_version.to_bytes(2) + _prefixed(bytes((_CLIENT_HELLO,)) + body, 2)

    def _body(self) -> bytes:
        newest = max(self.versions)
        session = os.urandom(32) if newest >= TLS13 else b""  # RFC 8446 D.4
        before = (
            min(TLS12, newest).to_bytes(2)
            + os.urandom(32)
            + _prefixed(session, 1)
            + _prefixed(_numbers(self.suites), 2)
            + _prefixed(bytes((*self.compressions, 0)), 1)
        )
        if newest <= SSL3:
            return before
        extensions = b"".join(_extension(kind, content) for kind, content in self._extensions())
        return before + _prefixed(extensions + self._padding(len(before) + 2 + len(extensions)), 2)

    def _extensions(self) -> Iterable[tuple[int, bytes]]:
        if self.server_name:
            yield SERVER_NAME, _prefixed(b"\0" + _prefixed(self.server_name.encode("ascii"), 2), 2)
        yield from self.extensions
        if self.groups:
            yield GROUPS, _prefixed(_numbers(self.groups), 2)
            yield POINT_FORMATS, b"\1\0"
        if self.signatures:
            yield SIGNATURES, _prefixed(_numbers(self.signatures), 2)
        if self.alpn:
            yield ALPN, _prefixed(b"".join(_prefixed(name, 1) for name in self.alpn), 2)
        if max(self.versions) >= TLS13:
            yield VERSIONS, _prefixed(_numbers(self.versions), 1)
            yield PSK_MODES, b"\1\1"
            shares = (group.to_bytes(2) + _prefixed(public_key, 2) for group, public_key in self.key_shares)
            yield KEY_SHARE, _prefixed(b"".join(shares), 2)

    def _padding(self, length: int) -> bytes:
        """Return an extension of zeros (RFC 7685) for a hello of an unlucky length; `length` has no header."""
        missing = _PADDED_TO - length - _MESSAGE_HEADER
        is_unlucky = 0 < missing <= _PADDED_TO // 2
        return _extension(PADDING, bytes(max(1, missing - _EXTENSION_HEADER))) if is_unlucky else b""


WANTED: Final = (
    (EXTENDED_MASTER_SECRET, b""),
    (STATUS_REQUEST, b"\1\0\0\0\0"),
    (SCTS, b""),
    (ENCRYPT_THEN_MAC, b""),
    (TICKET, b""),
)
"""Extensions of common clients whose reply shows what the server supports, or more of its certificate."""


def _numbers(numbers: Sequence[int]) -> bytes:
    return struct.pack(f">{len(numbers)}H", *numbers)


def _extension(kind: int, content: bytes) -> bytes:
    return kind.to_bytes(2) + _prefixed(content, 2)


def _prefixed(octets: bytes, length_bytes: int) -> bytes:
    return len(octets).to_bytes(length_bytes) + octets
