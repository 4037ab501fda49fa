"""Splits what a server sends into records and handshake messages, and these into numbers and vectors.

Records and messages are those of RFC 5246 6.2 and 7.4, and RFC 8446 4 and 5.

The bytes come from anyone, in pieces of any size; each byte is looked at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23  # types of records (RFC 8446 B.1)
SERVER_HELLO, CERTIFICATE, KEY_EXCHANGE, CERTIFICATE_REQUEST, HELLO_DONE, STATUS = 2, 11, 12, 13, 14, 22  # of messages
RECORD_HEADER: Final = 5  # bytes: type, version, length
_MESSAGE_HEADER: Final = 4  # bytes: type, length


class MalformedFlight(ValueError):
    """Bytes that are not the first flight of a TLS server; the message says what is wrong, and where."""


class Frames:
    """Frames of bytes that come in pieces: a header, which ends with the length of the body, and the body."""

    def __init__(self, header_bytes: int, length_bytes: int) -> None:
        """Begin without a byte."""
        self._header_bytes = header_bytes
        self._length_at = header_bytes - length_bytes
        self._octets = bytearray()
        self._position = 0  # where the next frame begins

    def feed(self, octets: bytes) -> None:
        """Add the next bytes."""
        self._octets += octets

    def take(self) -> tuple[bytes, bytes] | None:
        """Return header and body of the next frame; None if it is not complete yet."""
        body_at = self._position + self._header_bytes
        header = bytes(self._octets[self._position : body_at])
        end = body_at + int.from_bytes(header[self._length_at :])
        if len(header) < self._header_bytes or end > len(self._octets):
            return None
        self._position = end
        return header, bytes(self._octets[body_at:end])


def records() -> Frames:
    """Return a splitter of bytes into records; the first byte of a header is the type."""
    return Frames(RECORD_HEADER, 2)


def handshake_messages() -> Frames:
    """Return a splitter of the bodies of records into handshake messages; the first byte of a header is the type."""
    return Frames(_MESSAGE_HEADER, 3)


def frames(splitter: Frames, octets: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield header and body of each whole frame of all bytes."""
    splitter.feed(octets)
    while frame := splitter.take():
        yield frame


@dataclass(slots=True)
class Reader:
    """Takes numbers and vectors from bytes; raises MalformedFlight if they end before."""

    octets: bytes
    position: int = 0

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        end = self.position + count
        if end > len(self.octets):
            raise MalformedFlight(f"{count} bytes should follow at byte {self.position} of {len(self.octets)}")
        taken = self.octets[self.position : end]
        self.position = end
        return taken

    def number(self, length_bytes: int) -> int:
        """Return the next number."""
        return int.from_bytes(self.take(length_bytes))

    def vector(self, length_bytes: int) -> bytes:
        """Return the next bytes, which their length precedes."""
        return self.take(self.number(length_bytes))

    @property
    def is_at_end(self) -> bool:
        """Whether nothing is left."""
        return self.position >= len(self.octets)
