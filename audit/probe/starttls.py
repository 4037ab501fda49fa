"""Negotiates STARTTLS: takes a protocol from plain text to the start of the TLS handshake; one table row each.

RFC 3207 (SMTP and, with RFC 2033, LMTP), RFC 9051 and 2595 (IMAP), RFC 2595 (POP3), RFC 4217 (FTP) and RFC 5804
(ManageSieve).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from audit.probe.tcp import ProbeError, TcpConnection
from audit.text import one_line

_OPENING: Final = 4  # bytes by which the protocols differ: "-ERR"
_EXCERPT: Final = 80  # characters of a server's reply in a report


def _line(pattern: bytes) -> re.Pattern[bytes]:
    """Return a pattern that matches at the beginning of a line, in upper or lower case."""
    return re.compile(rb"^(?:" + pattern + rb")", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StarttlsStep:
    """A command, a pattern of the last line of its reply, and a pattern of a positive reply."""

    command: bytes
    last: re.Pattern[bytes]
    good: re.Pattern[bytes]


@dataclass(frozen=True, slots=True)
class StarttlsProtocol:
    """One protocol. `%s` in a command is the local address in the form of RFC 5321 4.1.3."""

    speaks: re.Pattern[bytes]  # any first line of this protocol
    greeting: StarttlsStep
    capabilities: StarttlsStep
    offered: re.Pattern[bytes]  # the capability that means STARTTLS
    starttls: StarttlsStep
    busy: re.Pattern[bytes]  # a temporary refusal
    unknown: re.Pattern[bytes]  # the server does not support the command
    farewell: bytes
    must_announce: bool = True  # if false, the command is sent even without the capability


_CODE = rb"\d{3}(?: |\r?$)"  # a hyphen after the code means that more lines follow

_SMTP: Final = StarttlsProtocol(
    speaks=_line(rb"\d{3}"),
    greeting=StarttlsStep(b"", _line(_CODE), _line(b"220")),
    capabilities=StarttlsStep(b"EHLO %s\r\n", _line(_CODE), _line(b"250")),
    offered=_line(rb"250[- ]STARTTLS\b"),
    starttls=StarttlsStep(b"STARTTLS\r\n", _line(_CODE), _line(b"220")),
    busy=_line(b"421"),
    unknown=_line(b"50[024]"),
    farewell=b"QUIT\r\n",
)
_IMAP: Final = StarttlsProtocol(
    speaks=_line(rb"\* "),
    greeting=StarttlsStep(b"", _line(rb"\* "), _line(rb"\* (?:OK|PREAUTH)")),
    capabilities=StarttlsStep(b"a1 CAPABILITY\r\n", _line(b"a1 "), _line(b"a1 OK")),
    offered=_line(rb"\* CAPABILITY .*\bSTARTTLS\b"),
    starttls=StarttlsStep(b"a2 STARTTLS\r\n", _line(b"a2 "), _line(b"a2 OK")),
    busy=_line(rb"\* BYE"),
    unknown=_line(b"a2 BAD"),
    farewell=b"a3 LOGOUT\r\n",
)
_POP3: Final = StarttlsProtocol(
    speaks=_line(rb"\+OK|-ERR"),
    greeting=StarttlsStep(b"", _line(rb"\+OK|-ERR"), _line(rb"\+OK")),
    capabilities=StarttlsStep(b"CAPA\r\n", _line(rb"\.\r?$|-ERR"), _line(rb"\+OK")),
    offered=_line(rb"STLS\b"),
    starttls=StarttlsStep(b"STLS\r\n", _line(rb"\+OK|-ERR"), _line(rb"\+OK")),
    busy=_line(rb"-ERR (?:\[(?:IN-USE|LOGIN-DELAY|SYS/TEMP)\]|.*(?:too many|try again))"),
    unknown=_line(b"-ERR"),
    farewell=b"QUIT\r\n",
)
_FTP: Final = StarttlsProtocol(
    speaks=_line(rb"\d{3}"),
    greeting=StarttlsStep(b"", _line(_CODE), _line(b"220")),
    capabilities=StarttlsStep(b"FEAT\r\n", _line(_CODE), _line(b"211")),
    offered=_line(rb" ?(?:211-)?AUTH\b.*\bTLS\b"),
    starttls=StarttlsStep(b"AUTH TLS\r\n", _line(_CODE), _line(b"234")),
    busy=_line(b"421|120"),
    unknown=_line(b"50[024]|530"),  # vsftpd without TLS replies to AUTH with 530, log in first
    farewell=b"QUIT\r\n",
    must_announce=False,  # FEAT (RFC 2389) is younger than many servers
)

_LMTP: Final = replace(_SMTP, capabilities=StarttlsStep(b"LHLO %s\r\n", _line(_CODE), _line(b"250")))
_SIEVE_LAST: Final = rb"(?:OK|NO|BYE)\b"
_SIEVE: Final = StarttlsProtocol(
    speaks=_line(rb'"|' + _SIEVE_LAST),  # the greeting has the capabilities
    greeting=StarttlsStep(b"", _line(_SIEVE_LAST), _line(rb"OK\b")),
    capabilities=StarttlsStep(b"CAPABILITY\r\n", _line(_SIEVE_LAST), _line(rb"OK\b")),
    offered=_line(b'"STARTTLS"'),
    starttls=StarttlsStep(b"STARTTLS\r\n", _line(_SIEVE_LAST), _line(rb"OK\b")),
    busy=_line(rb"BYE\b|NO \(TRYLATER"),
    unknown=_line(rb"NO\b"),
    farewell=b"LOGOUT\r\n",
)

UPGRADES: Final[dict[str, StarttlsProtocol]] = {
    "smtp": _SMTP,
    "imap": _IMAP,
    "pop3": _POP3,
    "ftp": _FTP,
    "sieve": _SIEVE,
    "lmtp": _LMTP,
}
"""The schemes that begin in plain text."""

WITHIN: Final[dict[str, StarttlsProtocol]] = {"smtps": _SMTP, "imaps": _IMAP, "pop3s": _POP3, "ftps": _FTP}
"""The schemes with a protocol inside TLS; servers log a fault if a client leaves without its closing command."""


class Dialogue:
    """The plain part of one connection; `_rest` has the bytes after the last line of a reply."""

    def __init__(self, tcp: TcpConnection, protocol: StarttlsProtocol) -> None:
        """Take a connection that begins in plain text, and its protocol."""
        self._tcp = tcp
        self._protocol = protocol
        self._rest = b""

    def greet(self) -> None:
        """Wait for the greeting; raises ProbeError."""
        step = self._protocol.greeting
        reply = self._exchange(step, "a greeting")
        if not step.good.search(reply):
            raise ProbeError("starttls", "rejected", f"the server greets with {excerpt(reply)}")

    def negotiate(self) -> None:
        """Exchange commands until the server agrees to begin TLS; raises ProbeError."""
        try:
            announced = self._is_announced()
            self._start_tls(announced=announced)
        except ProbeError as fault:
            if fault.kind in ("not-offered", "rejected"):
                self._tcp.send(self._protocol.farewell)
            raise

    def _is_announced(self) -> bool:
        """Return whether STARTTLS is a capability; raises ProbeError if the reply is well-formed and lacks it."""
        step = self._protocol.capabilities
        reply = self._exchange(step, f"a response to {_verb(step)}")
        announced = bool(self._protocol.offered.search(reply))
        if step.good.search(reply) and not announced and self._protocol.must_announce:
            command = _verb(self._protocol.starttls)
            raise ProbeError("starttls", "not-offered", f"{command} is not a capability of the server")
        return announced

    def _start_tls(self, *, announced: bool) -> None:
        step = self._protocol.starttls
        reply = self._exchange(step, f"a response to {_verb(step)}")
        if not step.good.search(reply):
            is_unknown = not announced and self._protocol.unknown.search(reply)
            detail = f"the server replies to {_verb(step)} with {excerpt(reply)}"
            raise ProbeError("starttls", "not-offered" if is_unknown else "rejected", detail)
        early = self._rest + self._tcp.pending()
        if early:
            raise ProbeError(
                "starttls", "injected", f"unencrypted bytes follow the consent to {_verb(step)}: {excerpt(early)}"
            )

    def _exchange(self, step: StarttlsStep, awaited: str) -> bytes:
        if step.command:
            self._tcp.send(step.command.replace(b"%s", _literal(self._tcp.local_address)))
        reply = self._read_reply(step, awaited)
        if self._protocol.busy.search(reply):
            raise ProbeError("starttls", "busy", f"the server is busy: {excerpt(reply)}")
        return reply

    def _read_reply(self, step: StarttlsStep, awaited: str) -> bytes:
        self._tcp.awaiting = awaited
        lines: list[bytes] = []
        while not (lines and step.last.match(lines[-1])):
            line, newline, rest = self._rest.partition(b"\n")
            if newline:
                lines.append(line)
                self._rest = rest
            else:
                self._receive_more()
            if not step.command:
                self._require_dialect(b"\n".join(lines[:1]) or self._rest)
        return b"\n".join(lines)

    def _receive_more(self) -> None:
        octets = self._tcp.receive()
        if not octets:
            raise self._tcp.closed()
        self._rest += octets

    def _require_dialect(self, opening: bytes) -> None:
        """Raise ProbeError if the first bytes are of another protocol, because a line end may never come."""
        if len(opening) >= _OPENING and not self._protocol.speaks.match(opening):
            raise ProbeError("starttls", "garbage", f"the greeting is of another protocol: {excerpt(opening)}")


def _verb(step: StarttlsStep) -> str:
    return re.sub(r"^a\d ", "", step.command.decode("ascii")).replace("%s", "").strip()


def _literal(address: str) -> bytes:
    return (f"[IPv6:{address}]" if ":" in address else f"[{address}]").encode("ascii")


def excerpt(octets: bytes) -> str:
    """Return the first bytes of a server's reply, quoted, on one line and safe to print."""
    text = octets[:_EXCERPT].decode("ascii", "backslashreplace")
    line = " / ".join(part.strip() for part in text.splitlines() if part.strip())
    return f'"{one_line(line)[:_EXCERPT]}"'
