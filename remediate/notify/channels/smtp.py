"""Sends mail over SMTP (RFC 5321) to one configured server, over TLS unless the server is this machine.

The text of a server's responses is hostile. Each step of a session has a timeout, and all responses a byte limit.
"""

from __future__ import annotations

import base64
import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Literal
from urllib.parse import urlsplit

from audit.config import ConfigSection, Secret
from audit.endpoint import is_loopback_host
from audit.probe.deadline import Deadline
from audit.redaction import Secrets
from audit.text import one_line
from remediate.notify.channels.base import (
    Deferred,
    Delivered,
    DeliveryOutcome,
    Envelope,
    MailConfig,
    Refused,
    Uncertain,
)

Security = Literal["starttls", "tls", "plain"]

_PORTS: Final[Mapping[Security, int]] = {"starttls": 587, "tls": 465, "plain": 25}  # RFC 6409 3.1, RFC 8314 3.3
_MAX_RESPONSES: Final = 100_000  # bytes of all responses together; a talkative server sends about 2,000
_HIDDEN: Final = "[password]"
_QUIT_S: Final = 5.0
_CHUNK: Final = 16_384  # bytes; of TLS at most one record


class BadSmtpServer(ValueError):
    """The configuration of a mail server is invalid; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class SmtpTimeouts:
    """The timeout of each step, in seconds.

    RFC 5321 4.5.3.2 suggests 5 minutes for a response, which is too long for a run. But a client that does not wait
    for the response to the content sends the message twice (4.5.3.2.6).
    """

    connect: float = 20.0
    response: float = 60.0
    content: float = 180.0
    delivery: float = 600.0  # for the response to the content
    session: float = 900.0  # for all steps before that response together


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A mail server, how it is reached, and our login. The password is read when it is needed.

    `ca_file` is a PEM file of trust anchors that replace the system's.
    """

    host: str
    port: int
    security: Security
    user: str | None = None
    password: Callable[[], str] | None = field(default=None, repr=False)
    ca_file: str | None = None
    timeouts: SmtpTimeouts = field(default_factory=SmtpTimeouts)

    def __post_init__(self) -> None:
        """Raise BadSmtpServer if mail or a password would be sent unencrypted over a network."""
        if self.security == "plain" and not is_loopback_host(self.host):
            raise BadSmtpServer(
                f"{self.host}: only a server on loopback is used without TLS; write smtp:// (STARTTLS) or smtps://"
            )
        if (self.user is None) != (self.password is None):
            raise BadSmtpServer(f"{self.host}: write both `user` and `password`, or neither")


def parse_smtp_url(
    url: str, *, user: str | None = None, password: Callable[[], str] | None = None, ca_file: str | None = None
) -> SmtpServer:
    """Return the server of a URL; raises BadSmtpServer.

    `smtps://host` is TLS from the start. `smtp://host` is STARTTLS, or unencrypted if the host is loopback.
    """
    parts = urlsplit(url)
    place = f"smtp = {parts.scheme}://{parts.hostname}"  # the rest may hold a password
    if parts.username is not None or parts.password is not None:
        raise BadSmtpServer(f"{place}: the URL holds a user; write the keys `user` and `password` instead")
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise BadSmtpServer(f"{place}: write smtp://HOST:PORT, smtps://HOST:PORT or sendmail")
    try:
        port = parts.port
    except ValueError as error:
        raise BadSmtpServer(f"{place}: the port is not a number up to 65535") from error
    starts: Security = "plain" if is_loopback_host(parts.hostname) else "starttls"
    security: Security = "tls" if parts.scheme == "smtps" else starts
    return SmtpServer(parts.hostname, port or _PORTS[security], security, user, password, ca_file)


@dataclass(frozen=True, slots=True)
class Smtp:
    """Sends messages to one mail server."""

    server: SmtpServer

    @property
    def name(self) -> str:
        """The server and its port."""
        return f"{self.server.host}:{self.server.port}"

    def send(self, envelope: Envelope, commit: Callable[[], None]) -> Mapping[str, DeliveryOutcome]:
        """Send a message and return the outcome for each recipient."""
        try:
            with _Session(self.server) as session:
                return session.transact(envelope, commit)
        except _Ended as ended:
            return dict.fromkeys(envelope.recipients, ended.outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpConfig(MailConfig):
    """`[mail]` with the URL of a mail server."""

    user: str | None = None  # the user at the mail server
    password: Secret | None = None  # the password of that user
    ca_file: str | None = None  # PEM file of trust anchors that replace the system's

    def open(self, section: ConfigSection) -> Smtp:
        """Return the channel to the server; raises BadConfiguration."""
        password = None if self.password is None else section.secret("password", self.password)
        try:
            server = parse_smtp_url(
                self.smtp or "", user=self.user, password=password, ca_file=section.path(self.ca_file)
            )
        except BadSmtpServer as error:
            raise section.bad(str(error)) from error
        return Smtp(server)


class _Ended(Exception):
    """The session ended, with this outcome for all recipients."""

    def __init__(self, outcome: DeliveryOutcome) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome


class _Responses:
    """Reads what a server sends line by line, until the deadline of the present step and up to a limit of bytes."""

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self._receive, self._buffer, self._left = receive, b"", _MAX_RESPONSES

    def readline(self, limit: int) -> bytes:
        while b"\n" not in self._buffer and len(self._buffer) < limit:
            received = self._receive()
            if not received:
                break
            self._buffer += received
            self._left -= len(received)
            if self._left < 0:
                raise OSError(f"the server sent more than {_MAX_RESPONSES} bytes")
        end = min(self._buffer.find(b"\n") + 1 or len(self._buffer), limit)
        line, self._buffer = self._buffer[:end], self._buffer[end:]
        if line and not line.endswith(b"\n") and len(line) < limit:
            raise OSError("the connection ended within a response")  # half of one may mean the opposite
        return line

    def close(self) -> None:
        """Forget what was not read."""
        self._buffer = b""


class _Session(smtplib.SMTP):
    """One connection that is ready to send a message. Raises _Ended for every failure of the other side."""

    def __init__(self, server: SmtpServer) -> None:
        """Connect, start TLS and log in; a session that fails leaves nothing open."""
        super().__init__(local_hostname=_own_name())
        self._server = server
        self._password = ""
        self._session = Deadline.after(server.timeouts.session)
        self._deadline = self._session  # of the present step
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send QUIT if the session succeeded; its result does not matter."""
        if kind is None:
            with suppress(_Ended), self._step("QUIT", Deadline.after(_QUIT_S)):
                self.docmd("QUIT")
        self.close()

    def _begin(self) -> None:
        server, timeouts = self._server, self._server.timeouts
        with self._step("connect", timeouts.connect):
            self.sock = socket.create_connection((server.host, server.port), self._deadline.left_s)
        if server.security == "tls":
            self._handshake()
        with self._step("greeting", timeouts.response):
            self._expect(220, *self.getreply())
        self._greet()
        if server.security == "starttls":
            self._start_tls()
        if server.user is not None and server.password is not None:
            with self._step("password", timeouts.response):
                self._password = server.password()
            self._log_in(server.user, self._password)

    def _greet(self) -> None:
        with self._step("EHLO", self._server.timeouts.response):
            self._expect(250, *self.ehlo())

    def _start_tls(self) -> None:
        if not self.has_extn("starttls"):
            raise _Ended(Deferred(f"{self._server.host} offers no STARTTLS; mail is never sent unencrypted"))
        with self._step("STARTTLS", self._server.timeouts.response):
            self._expect(220, *self.docmd("STARTTLS"))
        self._handshake()
        self._greet()  # what the server sent before TLS is discarded (RFC 3207 4.2)

    def _handshake(self) -> None:
        with self._step("TLS", self._server.timeouts.response):
            assert self.sock is not None  # noqa: S101 - for mypy: it was connected above
            context = ssl.create_default_context(cafile=self._server.ca_file)
            self.sock.settimeout(self._time_left())
            self.sock = context.wrap_socket(self.sock, server_hostname=self._server.host)
        if self.file is not None:
            self.file.close()
            self.file = None  # discards bytes that came before the handshake (CVE-2011-0411)

    def _log_in(self, user: str, password: str) -> None:
        """Log in by PLAIN (RFC 4616) or LOGIN, in UTF-8. Exceptions of smtplib would hold the password."""
        mechanisms = self.esmtp_features.get("auth", "").upper().split()
        with self._step("login", self._server.timeouts.response):
            if "PLAIN" in mechanisms:
                response = self.docmd("AUTH", f"PLAIN {_base64(f'{chr(0)}{user}{chr(0)}{password}')}")
            elif "LOGIN" in mechanisms:
                response = self.docmd("AUTH", "LOGIN")
                for word in (user, password):
                    self._expect(334, *response)
                    response = self.docmd(_base64(word))
            else:
                raise _Ended(Deferred(f"{self._server.host} offers no login by PLAIN or LOGIN"))
            self._expect(235, *response)

    def transact(self, envelope: Envelope, commit: Callable[[], None]) -> Mapping[str, DeliveryOutcome]:
        """Send one message to those recipients that the server accepts."""
        timeouts = self._server.timeouts
        with self._step("MAIL FROM", timeouts.response):
            size = [f"SIZE={len(envelope.message)}"] if self.has_extn("size") else []  # RFC 1870
            self._require_accepted("the sender was refused", *self.mail(envelope.sender, size))
        outcomes: dict[str, DeliveryOutcome] = {}
        for recipient in envelope.recipients:
            if failure := self._add_recipient(recipient):
                outcomes[recipient] = failure
        accepted = [recipient for recipient in envelope.recipients if recipient not in outcomes]
        if accepted:
            outcomes |= dict.fromkeys(accepted, self._send_content(envelope.message, commit))
        return outcomes

    def _add_recipient(self, recipient: str) -> Deferred | Refused | None:
        """Send RCPT TO; return None if the recipient is accepted."""
        with self._step("RCPT TO", self._server.timeouts.response):
            code, text = self.rcpt(recipient)
        return None if code in (250, 251, 252) else self._failure(code, text)

    def _send_content(self, message: bytes, commit: Callable[[], None]) -> DeliveryOutcome:
        """Send the content. Until the response, it is unknown whether the message was accepted."""
        timeouts = self._server.timeouts
        with self._step("DATA", timeouts.response):
            code, text = self.docmd("DATA")
        if code != 354:
            return self._failure(code, text)
        with self._step("content", timeouts.content):
            self.send(_stuffed(message))
        commit()
        try:
            with self._step("response to the content", Deadline.after(timeouts.delivery)):
                self.send(b".\r\n")
                code, text = self.getreply()
        except _Ended as ended:
            return Uncertain(getattr(ended.outcome, "reason", ""))
        return Delivered(self._response(code, text)) if code // 100 == 2 else self._failure(code, text)

    def _require_accepted(self, what: str, code: int, text: bytes) -> None:
        if code // 100 != 2:
            failure = self._failure(code, text)
            raise _Ended(type(failure)(f"{what}: {failure.reason}"))

    def _failure(self, code: int, text: bytes) -> Deferred | Refused:
        """Return what a response about this message means: 5yz is permanent (RFC 5321 4.2.1)."""
        return (Refused if code // 100 == 5 else Deferred)(self._response(code, text))

    def _expect(self, wanted: int, code: int, text: bytes) -> None:
        """Raise _Ended if a step that does not depend on the message got another response."""
        if code != wanted:
            raise _Ended(Deferred(self._response(code, text)))

    def _response(self, code: int, text: bytes) -> str:
        """Return a response in one line, without the password, which a careless server may repeat."""
        line = self._without_password(text.decode("utf-8", "replace"))
        return f"{self._server.host} responded {one_line(f'{code} {line}', 300)}"

    def _without_password(self, text: str) -> str:
        """Return a text of the server without the password, alone or as AUTH PLAIN sends it."""
        forms = (self._password, _base64(f"\0{self._server.user}\0{self._password}")) if self._password else ()
        return Secrets(forms).hide(text, _HIDDEN)

    @contextmanager
    def _step(self, name: str, limit: float | Deadline) -> Iterator[None]:
        """Limit one step as a whole, however slowly bytes arrive; a failure of the connection in it ends the session.

        `limit` is in seconds, within the time of the session, or a deadline of its own.
        """
        self._deadline = limit if isinstance(limit, Deadline) else self._session.within(limit)
        seconds = self._deadline.left_s
        try:
            yield
            self._time_left()
        except (OSError, smtplib.SMTPException, ValueError) as error:
            is_late = self._deadline.has_passed
            why = f"no response within {seconds:.3g} s" if is_late else self._without_password(_reason(error))
            raise _Ended(Deferred(f"{self._server.host}:{self._server.port}, {name}: {one_line(why, 300)}")) from None

    def _time_left(self) -> float:
        """Return the seconds that are left of the step; raises TimeoutError."""
        if self._deadline.has_passed:
            raise TimeoutError
        return self._deadline.left_s

    def send(self, s: bytes | str) -> None:  # type: ignore[override]  # of a stream of bytes, or a command
        """Send bytes or a command, all of it before the deadline of the step."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("the connection is closed")
        content = s.encode(self.command_encoding) if isinstance(s, str) else s
        for start in range(0, len(content), _CHUNK):  # TLS sends a chunk at a time, each with the timeout of the socket
            self.sock.settimeout(self._time_left())
            self.sock.sendall(content[start : start + _CHUNK])

    def getreply(self) -> tuple[int, bytes]:
        """Return the next response; all of them together have a byte limit."""
        if self.file is None:
            self.file = _Responses(self._receive)
        return super().getreply()

    def _receive(self) -> bytes:
        assert self.sock is not None  # noqa: S101 - as in `_handshake`
        self.sock.settimeout(self._time_left())
        return self.sock.recv(_CHUNK)


def _own_name() -> str:
    """Return our name for EHLO: the host name if it has a domain, else our address (RFC 5321 4.1.3)."""
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", name) else "[127.0.0.1]"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _stuffed(message: bytes) -> bytes:
    """Return a message whose lines all end in CRLF, with leading dots doubled (RFC 5321 4.5.2)."""
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", message)
    ended = lines if lines.endswith(b"\r\n") else lines + b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", ended)


def _reason(error: Exception) -> str:
    """Return the message of the system, or of the library."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
