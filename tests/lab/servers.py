"""One listening endpoint of the lab: its TLS and which conversation it holds."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final

from OpenSSL import SSL

from tests.lab.faults import Planted, Tls
from tests.lab.ftp import FTP
from tests.lab.hostile import MISBEHAVIOURS
from tests.lab.leaves import Served
from tests.lab.protocols import IMAP, LMTP, POP3, SIEVE, SMTP, Protocol, converse, echo, serve_http
from tests.lab.stream import Closed, Stream
from tests.support.sockets import accepting

Conversation = Callable[[Stream, SSL.Context], Awaitable[None]]
Current = Callable[[], SSL.Context]
"""What is shaken hands with now: a service may take up another."""

_CONVERSATION_S = 60.0  # longer than any client of a test takes; no client occupies a server for ever
_LINES: Final[Mapping[str, Protocol]] = {
    "smtp": SMTP,
    "imap": IMAP,
    "pop3": POP3,
    "ftp": FTP,
    "sieve": SIEVE,
    "lmtp": LMTP,
}
_VERSIONS: Final[Mapping[Tls, tuple[int, int]]] = {
    "modern": (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION),
    "tls1.0": (SSL.TLS1_VERSION, SSL.TLS1_3_VERSION),
    "tls1.1": (SSL.TLS1_1_VERSION, SSL.TLS1_2_VERSION),
    "tls1.2": (SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION),
    "client-certificate": (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION),
    "client-certificate-1.2": (SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION),
}


def make_context(served: Served, tls: Tls) -> SSL.Context:
    """Return what a server shakes hands with: exactly that chain, those versions, and no bound on weakness."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_cipher_list(b"DEFAULT:@SECLEVEL=0")  # before the certificate: it may be of any kind
    least, most = _VERSIONS[tls]
    context.set_min_proto_version(least)
    context.set_max_proto_version(most)
    context.use_privatekey(served.key)
    context.use_certificate(served.chain[0])
    for certificate in served.chain[1:]:
        context.add_extra_chain_cert(certificate)
    if served.other is not None:
        context.use_privatekey(served.other.key)
        context.use_certificate(served.other.certificate)
    if served.staple is not None:
        context.set_ocsp_server_callback(lambda _, staple: staple or b"", served.staple)
    if tls.startswith("client-certificate"):
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: False)
    return context


def tell_names_apart(context: SSL.Context, others: Mapping[str, Current]) -> None:
    """Let the context give way to another's where the client asks for that name by SNI."""

    def choose(connection: SSL.Connection) -> None:
        asked = (connection.get_servername() or b"").decode("ascii", "replace")
        if asked in others:
            connection.set_context(others[asked]())

    context.set_tlsext_servername_callback(choose)


@contextlib.asynccontextmanager
async def listening(planted: Planted, bound: socket.socket, current: Current) -> AsyncIterator[None]:
    """Serve on one socket; a closed port stays bound, so that no other process gets it, and refuses connections."""
    if planted.behaviour == "closed":
        with bound:
            yield
        return
    conversation = _conversation(planted)
    async with accepting(bound, lambda reader, writer: _hold(conversation, Stream(reader, writer), current())):
        yield


async def _hold(conversation: Conversation, stream: Stream, context: SSL.Context) -> None:
    """Hold one conversation to its end: a client that leaves or breaks off is the client's affair."""
    try:
        async with asyncio.timeout(_CONVERSATION_S):
            await conversation(stream, context)
    except (Closed, OSError, TimeoutError, SSL.Error):
        pass
    finally:
        await stream.close()


def _conversation(planted: Planted) -> Conversation:
    if planted.behaviour in MISBEHAVIOURS:
        return MISBEHAVIOURS[planted.behaviour]

    async def speak(stream: Stream, context: SSL.Context) -> None:
        if planted.scheme in _LINES:
            offers = planted.behaviour != "no-starttls"
            return await converse(_LINES[planted.scheme], stream, context, offers_tls=offers)
        await stream.start_tls(context)
        if planted.scheme == "https":
            return await serve_http(stream)
        if planted.scheme == "tls":
            return await echo(stream)
        return await converse(_LINES[planted.scheme.removesuffix("s")], stream, context, offers_tls=False)

    return _busy_at_first(speak) if planted.behaviour == "busy-at-first" else speak


def _busy_at_first(then: Conversation) -> Conversation:
    """Return a mail server that sends its first client away for a while (RFC 5321 3.8)."""
    clients = 0

    async def speak(stream: Stream, context: SSL.Context) -> None:
        nonlocal clients
        clients += 1
        if clients == 1:
            await stream.write(b"421 too many connections, try again later\r\n")
        else:
            await then(stream, context)

    return speak
