"""TLS for HTTP, over a bounded connection. Python's `ssl` encrypts in memory, so the connection keeps its limits."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol, TypeVar

from audit.probe.http.request import FetchError

T = TypeVar("T")

_RECORD: Final = 16_384  # bytes of plain text in a TLS record at most (RFC 8446 5.1)


def trusting(ca_file: str | None) -> ssl.SSLContext:
    """Return a context that trusts the anchors in a PEM file alone, or those of the system; raises FetchError."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise FetchError("tls", f"{ca_file}: {error.strerror or error}") from error


class ByteStream(Protocol):
    """A connection in both directions."""

    def send(self, octets: bytes) -> None:
        """Send all bytes."""

    def receive(self) -> bytes:
        """Return the next bytes, or none if the other side has closed the connection."""


class TlsStream:
    """The client's side of TLS over a byte stream; itself a byte stream."""

    def __init__(self, below: ByteStream, context: ssl.SSLContext, host: str) -> None:
        """Complete the handshake with a host of that name. Raises FetchError and the exceptions of `below`."""
        self._below, self._host = below, host
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        except ValueError as error:  # a name that is not valid in SNI
            raise FetchError("tls", f"{host}: {error}") from error
        self._run(self._tls.do_handshake)

    def send(self, octets: bytes) -> None:
        """Send all bytes."""
        self._run(lambda: self._tls.write(octets))

    def receive(self) -> bytes:
        """Return the next bytes; none after close_notify, or if the connection was closed without it."""
        return self._run(self._read)

    def _read(self) -> bytes:
        try:
            return self._tls.read(_RECORD)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def _run(self, step: Callable[[], T]) -> T:
        """Repeat a step of the protocol until it has received what it needs."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
            except ssl.SSLError as error:
                with suppress(FetchError):
                    self._flush()  # our alert, so that the server logs the right reason
                raise FetchError("tls", f"{self._host}: {getattr(error, 'verify_message', '') or error}") from error
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        if octets := self._outgoing.read():
            self._below.send(octets)

    def _feed(self) -> None:
        if octets := self._below.receive():
            self._incoming.write(octets)
        else:
            self._incoming.write_eof()
