"""One connection of the lab: lines and bytes, in plain text or, from some point on, through TLS.

TLS is pyOpenSSL's over memory, so that what the servers can do does not depend on the system's OpenSSL.
"""

from __future__ import annotations

import asyncio
import contextlib

from OpenSSL import SSL

_CHUNK = 16_384  # a TLS record's largest content (RFC 8446 5.1)
_FAREWELL_S = 1.0  # a client on the same machine needs none of it
_LINE_MAX = 8192  # longer than any command of the protocols spoken here


class Closed(ConnectionError):
    """The client is gone, or talks what cannot be read on."""


class Stream:
    """One side of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Start in plain text."""
        self._reader = reader
        self._writer = writer
        self._tls: SSL.Connection | None = None
        self._unread = b""

    @property
    def is_encrypted(self) -> bool:
        """Whether a handshake has been made."""
        return self._tls is not None

    @property
    def local_address(self) -> str:
        """The address the client has connected to."""
        return str(self._writer.get_extra_info("sockname")[0])

    async def start_tls(self, context: SSL.Context) -> None:
        """Shake hands as server. What was sent in plain text and not yet read is dropped (RFC 3207 4.2)."""
        tls = SSL.Connection(context, None)
        tls.set_accept_state()
        await self._shake_hands(tls)

    async def ask_for_tls(self, context: SSL.Context, name: str) -> SSL.Connection:
        """Shake hands as a client that sends a name by SNI, and return the server's properties.

        Its application data is a set for what the context's verification has to keep.
        """
        tls = SSL.Connection(context, None)
        tls.set_app_data(set())
        tls.set_tlsext_host_name(name.encode("ascii"))
        tls.set_connect_state()
        await self._shake_hands(tls)
        return tls

    async def _shake_hands(self, tls: SSL.Connection) -> None:
        self._unread = b""
        self._tls = tls
        while True:
            try:
                self._tls.do_handshake()
            except SSL.WantReadError:
                await self._exchange()
            except SSL.Error as error:
                await self._send_pending()  # the alert
                raise Closed(str(error)) from error
            else:
                return await self._send_pending()

    async def read(self) -> bytes:
        """Return some bytes; raises Closed at the end."""
        if self._unread:
            octets, self._unread = self._unread, b""
            return octets
        return await self._receive()

    async def read_line(self) -> str:
        """Return the next line without its end; raises Closed at the end or where a line is too long."""
        while b"\n" not in self._unread:
            if len(self._unread) > _LINE_MAX:
                raise Closed("the line is too long")
            self._unread += await self._receive()
        line, _, self._unread = self._unread.partition(b"\n")
        return line.rstrip(b"\r").decode("utf-8", "replace")

    async def write(self, octets: bytes) -> None:
        """Send bytes, encrypted once TLS has started."""
        if self._tls is None:
            self._writer.write(octets)
            await self._writer.drain()
            return
        self._tls.sendall(octets)
        await self._send_pending()

    async def write_plain(self, octets: bytes) -> None:
        """Send bytes as they are, whether or not TLS has started: what a broken server would do."""
        self._writer.write(octets)
        await self._writer.drain()

    async def close(self) -> None:
        """Say goodbye in TLS, where it is spoken, and close; never raises for what the client did.

        A client that does not read is not waited for.
        """
        with contextlib.suppress(OSError, SSL.Error):
            async with asyncio.timeout(_FAREWELL_S):
                await self._take_leave()

    async def _take_leave(self) -> None:
        if self._tls is not None:
            with contextlib.suppress(SSL.Error):  # no handshake has been completed
                self._tls.shutdown()
            await self._send_pending()
        self._writer.close()
        await self._writer.wait_closed()

    async def _receive(self) -> bytes:
        if self._tls is None:
            return await self._read_raw()
        while True:
            try:
                return self._tls.recv(_CHUNK)
            except SSL.WantReadError:
                await self._exchange()
            except SSL.Error as error:
                raise Closed(str(error)) from error

    async def _exchange(self) -> None:
        """Send what TLS has to say, and give it what comes."""
        await self._send_pending()
        octets = await self._read_raw()
        if self._tls is not None:
            self._tls.bio_write(octets)

    async def _send_pending(self) -> None:
        with contextlib.suppress(SSL.WantReadError):
            while self._tls is not None:
                self._writer.write(self._tls.bio_read(_CHUNK))
        await self._writer.drain()

    async def _read_raw(self) -> bytes:
        octets = await self._reader.read(_CHUNK)
        if not octets:
            raise Closed("the client has closed")
        return octets
