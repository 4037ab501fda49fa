"""STARTTLS: takes each protocol from plain text to the point where the TLS handshake begins; one table row each.

RFC 3207 (SMTP), RFC 9051 and 2595 (IMAP), RFC 2595 (POP3) and RFC 4217 (FTP).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from audit.probe.tcp import ProbeError, TcpConnection
from audit.text import one_line

_OPENING: Final = 4  # bytes by which the protocols differ: "-ERR"
_EXCERPT: Final = 80  # characters of a server's answer that a report shows


def _line(pattern: bytes) -> re.Pattern[bytes]:
    """Return a pattern that is looked for where a line begins, in any case."""
    return re.compile(rb"^(?:" + pattern + rb")", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StarttlsStep:
    """A command, the last line of its reply, and the line of a reply that lets us go on."""

    command: bytes
    last: re.Pattern[bytes]
    good: re.Pattern[bytes]


@dataclass(frozen=True, slots=True)
class StarttlsProtocol:
    """One protocol. `%s` in a command is the address it is sent from, as RFC 5321 4.1.3 writes it.

    `starttls` is None where TLS is there from the first byte and only the goodbye is spoken, within it.
    """

    speaks: re.Pattern[bytes]  # any first line of this protocol
    greeting: StarttlsStep
    capabilities: StarttlsStep
    offered: re.Pattern[bytes]  # the capability that stands for STARTTLS
    starttls: StarttlsStep
    busy: re.Pattern[bytes]  # "come back later"
    unknown: re.Pattern[bytes]  # the server does not know the command
    farewell: bytes
    must_announce: bool = True  # whether a server that does not announce it need not be asked


_CODE = rb"\d{3}(?: |\r?$)"  # a hyphen after the code says that more lines follow

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
    unknown=_line(b"50[024]|530"),  # vsftpd without TLS answers AUTH with 530, log in first
    farewell=b"QUIT\r\n",
    must_announce=False,  # FEAT (RFC 2389) is younger than many servers
)

UPGRADES: Final[dict[str, StarttlsProtocol]] = {"smtp": _SMTP, "imap": _IMAP, "pop3": _POP3, "ftp": _FTP}
"""The schemes that begin in plain text."""

WITHIN: Final[dict[str, StarttlsProtocol]] = {"smtps": _SMTP, "imaps": _IMAP, "pop3s": _POP3, "ftps": _FTP}
"""The schemes that speak a protocol inside TLS, where leaving without a word would be logged as a fault."""


def negotiate(tcp: TcpConnection, protocol: StarttlsProtocol) -> None:
    """Take a connection to the server's consent to begin TLS; raises ProbeError."""
    talk = _Talk(tcp, protocol)
    talk.greet()
    try:
        announced = talk.is_announced()
        talk.start_tls(announced=announced)
    except ProbeError as fault:
        if fault.kind in ("not-offered", "rejected"):
            tcp.send(protocol.farewell)
        raise


class _Talk:
    """The plain part of one connection; `_rest` is what came after the last line of a reply."""

    def __init__(self, tcp: TcpConnection, protocol: StarttlsProtocol) -> None:
        self._tcp = tcp
        self._protocol = protocol
        self._rest = b""

    def greet(self) -> None:
        step = self._protocol.greeting
        reply = self._exchange(step, "a greeting")
        if not step.good.search(reply):
            raise ProbeError("starttls", "rejected", f"the server greets with {excerpt(reply)}")

    def is_announced(self) -> bool:
        """Return whether the capabilities have it; raises ProbeError if they are well-formed and lack it."""
        step = self._protocol.capabilities
        reply = self._exchange(step, f"an answer to {_verb(step)}")
        announced = bool(self._protocol.offered.search(reply))
        if step.good.search(reply) and not announced and self._protocol.must_announce:
            wanted = _verb(self._protocol.starttls)
            raise ProbeError("starttls", "not-offered", f"{wanted} is not among what the server announces")
        return announced

    def start_tls(self, *, announced: bool) -> None:
        step = self._protocol.starttls
        reply = self._exchange(step, f"an answer to {_verb(step)}")
        if not step.good.search(reply):
            is_unknown = not announced and self._protocol.unknown.search(reply)
            answer = f"{_verb(step)} is answered with {excerpt(reply)}"
            raise ProbeError("starttls", "not-offered" if is_unknown else "rejected", answer)
        early = self._rest + self._tcp.pending()
        if early:
            raise ProbeError(
                "starttls", "injected", f"plain bytes follow the consent to {_verb(step)}: {excerpt(early)}"
            )

    def _exchange(self, step: StarttlsStep, awaited: str) -> bytes:
        if step.command:
            self._tcp.send(step.command.replace(b"%s", _literal(self._tcp.local_address)))
        reply = self._listen(step, awaited)
        if self._protocol.busy.search(reply):
            raise ProbeError("starttls", "busy", f"the server says come back later: {excerpt(reply)}")
        return reply

    def _listen(self, step: StarttlsStep, awaited: str) -> bytes:
        self._tcp.awaiting = awaited
        lines: list[bytes] = []
        while not (lines and step.last.match(lines[-1])):
            line, newline, rest = self._rest.partition(b"\n")
            if newline:
                lines.append(line)
                self._rest = rest
            else:
                self._hear_more()
            if not step.command:
                self._require_dialect(b"\n".join(lines[:1]) or self._rest)
        return b"\n".join(lines)

    def _hear_more(self) -> None:
        octets = self._tcp.receive()
        if not octets:
            raise self._tcp.closed()
        self._rest += octets

    def _require_dialect(self, opening: bytes) -> None:
        """Refuse a greeting of another protocol at its first bytes: it may have no line end to wait for."""
        if len(opening) >= _OPENING and not self._protocol.speaks.match(opening):
            raise ProbeError("starttls", "garbage", f"not a greeting of this protocol: {excerpt(opening)}")


def _verb(step: StarttlsStep) -> str:
    return re.sub(r"^a\d ", "", step.command.decode("ascii")).replace("%s", "").strip()


def _literal(address: str) -> bytes:
    return (f"[IPv6:{address}]" if ":" in address else f"[{address}]").encode("ascii")


def excerpt(octets: bytes) -> str:
    """Return the beginning of what a server sent, quoted, on one line and safe to print."""
    text = octets[:_EXCERPT].decode("ascii", "backslashreplace")
    line = " / ".join(part.strip() for part in text.splitlines() if part.strip())
    return f'"{one_line(line)[:_EXCERPT]}"'
