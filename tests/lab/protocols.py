"""Protocols of the lab's servers: a table for each, with what real clients need to log in and list what is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from OpenSSL import SSL

from tests.lab.stream import Stream

Command = Callable[["Session"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Protocol:
    """A protocol of lines. In every text `{tag}` is the command's tag (IMAP) and `{offer}` how STARTTLS is offered."""

    greeting: str
    answers: Mapping[str, str]  # by command, in capitals
    otherwise: str  # to a command that is not known
    offer: str  # within the answer that lists the capabilities
    upgrade: str  # the command that asks for TLS
    consent: str
    refusal: str
    farewell: tuple[str, ...]  # the commands after which the server closes
    is_tagged: bool = False
    commands: Mapping[str, Command] = field(default_factory=dict)  # what takes more than an answer


@dataclass(slots=True)
class Session:
    """One conversation: the stream, what may be upgraded to, and what the client has set up."""

    protocol: Protocol
    stream: Stream
    context: SSL.Context
    offers_tls: bool
    protects_data: bool = False  # FTP: PROT P (RFC 4217 9)
    argument: str = ""
    tag: str = ""

    async def answer(self, text: str) -> None:
        """Send an answer, with its places filled in."""
        offer = self.protocol.offer if self.offers_tls and not self.stream.is_encrypted else ""
        await self.stream.write(text.replace("{tag}", self.tag).replace("{offer}", offer).encode())


async def converse(protocol: Protocol, stream: Stream, context: SSL.Context, *, offers_tls: bool) -> None:
    """Speak the protocol until the client takes its leave; upgrade to TLS when asked, if that is offered."""
    session = Session(protocol, stream, context, offers_tls)
    await session.answer(protocol.greeting)
    while True:
        command = await _next_command(session)
        if command == protocol.upgrade:
            await _upgrade(session)
        elif command in protocol.commands:
            await protocol.commands[command](session)
        else:
            await session.answer(protocol.answers.get(command, protocol.otherwise))
        if command in protocol.farewell:
            return


async def serve_http(stream: Stream) -> None:
    """Answer one HTTP request with one line of text, and close."""
    while await stream.read_line():
        pass
    body = b"lab\n"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    await stream.write(head.encode() + body)


async def echo(stream: Stream) -> None:
    """Send back what comes: bare TLS has no protocol."""
    while True:
        await stream.write(await stream.read())


async def _next_command(session: Session) -> str:
    line = await session.stream.read_line()
    if session.protocol.is_tagged:
        session.tag, _, line = line.partition(" ")
    command, _, session.argument = line.partition(" ")
    return command.upper()


async def _upgrade(session: Session) -> None:
    if not session.offers_tls or session.stream.is_encrypted:
        await session.answer(session.protocol.refusal)
        return
    await session.answer(session.protocol.consent)
    await session.stream.start_tls(session.context)


async def _take_message(session: Session) -> None:
    """Read a message up to its end and forget it (RFC 5321 4.1.1.4)."""
    await session.answer("354 go ahead\r\n")
    while await session.stream.read_line() != ".":
        pass
    await session.answer("250 forgotten\r\n")


SMTP: Final = Protocol(
    greeting="220 lab ESMTP\r\n",
    answers={
        "EHLO": "250-lab\r\n250-PIPELINING\r\n{offer}250 8BITMIME\r\n",
        "HELO": "250 lab\r\n",
        "MAIL": "250 ok\r\n",
        "RCPT": "250 ok\r\n",
        "RSET": "250 ok\r\n",
        "NOOP": "250 ok\r\n",
        "VRFY": "252 try it\r\n",
        "HELP": "214 see RFC 5321\r\n",
        "QUIT": "221 bye\r\n",
    },
    otherwise="502 not implemented\r\n",
    offer="250-STARTTLS\r\n",
    upgrade="STARTTLS",
    consent="220 go ahead\r\n",
    refusal="502 not implemented\r\n",
    farewell=("QUIT",),
    commands={"DATA": _take_message},
)

LMTP: Final = replace(SMTP, answers={"LHLO" if name == "EHLO" else name: SMTP.answers[name] for name in SMTP.answers})

_SIEVE_CAPABILITIES: Final = '"IMPLEMENTATION" "lab"\r\n"SIEVE" "fileinto"\r\n{offer}"VERSION" "1.0"\r\nOK "lab"\r\n'
SIEVE: Final = Protocol(
    greeting=_SIEVE_CAPABILITIES,
    answers={
        "CAPABILITY": _SIEVE_CAPABILITIES,
        "NOOP": 'OK "done"\r\n',
        "LISTSCRIPTS": 'OK "done"\r\n',
        "LOGOUT": 'OK "bye"\r\n',
    },
    otherwise='NO "unknown"\r\n',
    offer='"STARTTLS"\r\n',
    upgrade="STARTTLS",
    consent='OK "go ahead"\r\n',
    refusal='NO "unknown"\r\n',
    farewell=("LOGOUT",),
)

IMAP: Final = Protocol(
    greeting="* OK lab ready\r\n",
    answers={
        "CAPABILITY": "* CAPABILITY IMAP4rev1 {offer}ID\r\n{tag} OK done\r\n",
        "ID": "* ID NIL\r\n{tag} OK done\r\n",
        "NOOP": "{tag} OK done\r\n",
        "LOGIN": "{tag} OK logged in\r\n",
        "LIST": '* LIST () "/" INBOX\r\n{tag} OK done\r\n',
        "SELECT": "* 0 EXISTS\r\n* OK [UIDVALIDITY 1] valid\r\n{tag} OK [READ-WRITE] done\r\n",
        "EXAMINE": "* 0 EXISTS\r\n* OK [UIDVALIDITY 1] valid\r\n{tag} OK [READ-ONLY] done\r\n",
        "CLOSE": "{tag} OK done\r\n",
        "LOGOUT": "* BYE\r\n{tag} OK done\r\n",
    },
    otherwise="{tag} BAD unknown\r\n",
    offer="STARTTLS ",
    upgrade="STARTTLS",
    consent="{tag} OK go ahead\r\n",
    refusal="{tag} BAD unknown\r\n",
    farewell=("LOGOUT",),
    is_tagged=True,
)

POP3: Final = Protocol(
    greeting="+OK lab ready\r\n",
    answers={
        "CAPA": "+OK\r\nUSER\r\n{offer}UIDL\r\n.\r\n",
        "USER": "+OK\r\n",
        "PASS": "+OK\r\n",
        "STAT": "+OK 0 0\r\n",
        "LIST": "+OK\r\n.\r\n",
        "UIDL": "+OK\r\n.\r\n",
        "NOOP": "+OK\r\n",
        "QUIT": "+OK bye\r\n",
    },
    otherwise="-ERR unknown\r\n",
    offer="STLS\r\n",
    upgrade="STLS",
    consent="+OK go ahead\r\n",
    refusal="-ERR unknown\r\n",
    farewell=("QUIT",),
)
