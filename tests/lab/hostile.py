"""Servers that do everything but their duty: each a conversation that a prober has to survive within its bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from OpenSSL import SSL

from tests.lab.stream import Stream

Misbehaviour = Callable[[Stream, SSL.Context], Awaitable[None]]

_HANDSHAKE_FAILURE: Final = bytes.fromhex("15030300020228")  # a fatal alert, RFC 8446 6
_DRIBBLE_S = 1.0


async def _listen(stream: Stream) -> None:
    """Take whatever comes until the client leaves."""
    while True:
        await stream.read()


async def close_at_once(stream: Stream, _context: SSL.Context) -> None:
    """Close without a byte."""
    await stream.close()


async def send_garbage(stream: Stream, _context: SSL.Context) -> None:
    """Send what belongs to no protocol."""
    await stream.write_plain(bytes(range(128, 256)) * 2 + b"\r\n")
    await _listen(stream)


async def send_alert(stream: Stream, _context: SSL.Context) -> None:
    """Refuse every handshake with an alert."""
    await stream.read()
    await stream.write_plain(_HANDSHAKE_FAILURE)


async def answer_in_http(stream: Stream, _context: SSL.Context) -> None:
    """Be a web server that has no TLS and takes a ClientHello for a bad request."""
    await stream.read()
    await stream.write_plain(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")


async def greet_in_plain_smtp(stream: Stream, _context: SSL.Context) -> None:
    """Be a mail server that has no implicit TLS."""
    await stream.write_plain(b"220 lab ESMTP\r\n")
    await _listen(stream)


async def dribble(stream: Stream, _context: SSL.Context) -> None:
    """Send an SMTP greeting of one byte a second that has no end."""
    await stream.write_plain(b"220 ")
    while True:
        await asyncio.sleep(_DRIBBLE_S)
        await stream.write_plain(b"z")


async def greet_for_ever(stream: Stream, _context: SSL.Context) -> None:
    """Send an SMTP greeting of more and more lines, as fast as they are read."""
    while True:
        await stream.write_plain(b"220-still greeting\r\n" * 200)
        await asyncio.sleep(0)


def _after_starttls(answer: bytes) -> Misbehaviour:
    """Return a mail server that offers STARTTLS and gives that answer to it."""

    async def misbehave(stream: Stream, context: SSL.Context) -> None:
        await stream.write(b"220 lab ESMTP\r\n")
        while (command := (await stream.read_line()).upper()) != "STARTTLS":
            await stream.write(b"221 bye\r\n" if command == "QUIT" else b"250-lab\r\n250 STARTTLS\r\n")
        await stream.write(answer)
        if answer.startswith(b"220"):
            await stream.start_tls(context)
        await _listen(stream)

    return misbehave


MISBEHAVIOURS: Final[Mapping[str, Misbehaviour]] = {
    "closes": close_at_once,
    "garbage": send_garbage,
    "alert": send_alert,
    "http": answer_in_http,
    "plain-smtp": greet_in_plain_smtp,
    "dribbles": dribble,
    "endless": greet_for_ever,
    "refuses-starttls": _after_starttls(b"454 TLS not available\r\n"),
    "mute-starttls": _after_starttls(b""),
    "injects": _after_starttls(b"220 go ahead\r\n250 injected\r\n"),
}
