"""A mail server as it is configured: where it is, how the way there is secured, and how long we wait.

It knows what must not be configured, such as letters in the clear over a network; it refuses to connect.
"""

from __future__ import annotations

import base64
import os
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import BinaryIO, Final, Literal
from urllib.parse import urlsplit

from audit.config import Secret, Section
from audit.endpoint import to_address
from audit.redaction import Secrets
from remediate.model.text import plain
from remediate.notify.channels.base import Deferred, Delivered, Envelope, MailConfig, Outcome, Refused, Unknown

Security = Literal["starttls", "tls", "plain"]

_PORTS: Final[Mapping[Security, int]] = {"starttls": 587, "tls": 465, "plain": 25}  # RFC 6409 3.1, RFC 8314 3.3
_MOST_SAID: Final = 100_000  # bytes of all answers together; a talkative server says some 2,000
_HIDDEN: Final = "[password]"
_GOODBYE_S: Final = 5.0


class BadRelay(ValueError):
    """A mail server that cannot be used as it is configured; its message says what would be right."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each step may last, in seconds.

    RFC 5321 4.5.3.2 lets a relay wait 5 minutes for an answer; a run has better to do, but who does not wait out the
    answer to the content sends it twice (4.5.3.2.6).
    """

    connect: float = 20.0
    answer: float = 60.0
    content: float = 180.0
    verdict: float = 600.0


@dataclass(frozen=True, slots=True)
class Relay:
    """A mail server, how it is reached, and who we are there. The password is asked for when it is needed.

    `ca_file` is a PEM file of the anchors to trust instead of the system's.
    """

    host: str
    port: int
    security: Security
    user: str | None = None
    password: Callable[[], str] | None = field(default=None, repr=False)
    ca_file: str | None = None
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        """Refuse to send letters, and passwords, in the clear over a network."""
        if self.security == "plain" and not _is_loopback(self.host):
            raise BadRelay(f"{self.host}: in the clear only on loopback; write smtp:// (STARTTLS) or smtps://")
        if (self.user is None) != (self.password is None):
            raise BadRelay(f"{self.host}: `user` and `password` go together")


def read_relay(
    url: str, *, user: str | None = None, password: Callable[[], str] | None = None, ca_file: str | None = None
) -> Relay:
    """Return the server a URL names; raises BadRelay.

    `smtps://h` is TLS from the start, `smtp://h` STARTTLS, and in the clear on loopback.
    """
    parts = urlsplit(url)
    place = f"smtp = {parts.scheme}://{parts.hostname}"  # the rest may hold a password
    if parts.username is not None or parts.password is not None:
        raise BadRelay(f"{place}: there is a user in it; write `user` and `password` beside it")
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise BadRelay(f"{place}: write smtp://HOST:PORT, smtps://HOST:PORT or sendmail")
    try:
        port = parts.port
    except ValueError as error:
        raise BadRelay(f"{place}: its port is no number up to 65535") from error
    starts: Security = "plain" if _is_loopback(parts.hostname) else "starttls"
    security: Security = "tls" if parts.scheme == "smtps" else starts
    return Relay(parts.hostname, port or _PORTS[security], security, user, password, ca_file)


def _is_loopback(host: str) -> bool:
    address = to_address(host)
    return host == "localhost" or address == "::1" or (address or "").startswith("127.")


@dataclass(frozen=True, slots=True)
class Smtp:
    """Hands letters over to one mail server."""

    relay: Relay

    def send(self, envelope: Envelope, commit: Callable[[], None]) -> Mapping[str, Outcome]:
        """Hand a letter over; return what became of it for each recipient."""
        try:
            with _Session(self.relay) as session:
                return session.transact(envelope, commit)
        except _Ended as ended:
            return dict.fromkeys(envelope.recipients, ended.outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpConfig(MailConfig):
    """`[mail]` with the URL of a mail server."""

    user: str | None = None
    password: Secret | None = None
    ca_file: str | None = None  # PEM file of the anchors to trust instead of the system's

    def open(self, section: Section) -> Smtp:
        """Return the channel to the server; raises BadConfiguration."""
        password = None if self.password is None else section.secret("password", self.password)
        try:
            relay = read_relay(self.smtp or "", user=self.user, password=password, ca_file=section.path(self.ca_file))
        except BadRelay as error:
            raise section.bad(str(error)) from error
        return Smtp(relay)


class _Ended(Exception):
    """The conversation is over for all recipients, with this outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome


class _Counted:
    """What a server says, line by line, until it has said too much."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._left = file, _MOST_SAID

    def readline(self, limit: int) -> bytes:
        line = self._file.readline(limit)
        self._left -= len(line)
        if self._left < 0:
            raise OSError(f"it said more than {_MOST_SAID} bytes")
        if line and not line.endswith(b"\n") and len(line) < limit:
            raise OSError("the connection ended inside an answer")  # half of one may say the contrary
        return line

    def close(self) -> None:
        self._file.close()


class _Session(smtplib.SMTP):
    """One connection, up to where letters can be handed over. Raises _Ended for whatever the other side does."""

    def __init__(self, relay: Relay) -> None:
        """Connect, secure and log in; a session that cannot be used leaves nothing open."""
        super().__init__(local_hostname=_own_name())
        self._relay = relay
        self._secret = ""
        self._line: socket.socket | None = None  # a second handle: closing it ends whatever a step waits for
        try:
            self._begin()
        except BaseException:
            self._hang_up()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye where the conversation went well; what becomes of that changes nothing."""
        if kind is None:
            with suppress(_Ended), self._step("QUIT", _GOODBYE_S):
                self.docmd("QUIT")
        self._hang_up()

    def _hang_up(self) -> None:
        self.close()
        if self._line is not None:
            self._line.close()

    def _begin(self) -> None:
        relay, patience = self._relay, self._relay.patience
        with self._step("connect", patience.connect):
            self.sock = socket.create_connection((relay.host, relay.port), patience.connect)
        self.sock.settimeout(None)  # the steps are timed as a whole, however the bytes drip
        self._line = socket.socket(fileno=os.dup(self.sock.fileno()))
        if relay.security == "tls":
            self._shake_hands()
        with self._step("greeting", patience.answer):
            self._expect(220, *self.getreply())
        self._greet()
        if relay.security == "starttls":
            self._start_tls()
        if relay.user is not None and relay.password is not None:
            with self._step("password", patience.answer):
                self._secret = relay.password()
            self._log_in(relay.user, self._secret)

    def _greet(self) -> None:
        with self._step("EHLO", self._relay.patience.answer):
            self._expect(250, *self.ehlo())

    def _start_tls(self) -> None:
        if not self.has_extn("starttls"):
            raise _Ended(Deferred(f"{self._relay.host} offers no STARTTLS, and nothing is sent in the clear"))
        with self._step("STARTTLS", self._relay.patience.answer):
            self._expect(220, *self.docmd("STARTTLS"))
        self._shake_hands()
        self._greet()  # what was said before TLS is forgotten (RFC 3207 4.2)

    def _shake_hands(self) -> None:
        with self._step("TLS", self._relay.patience.answer):
            assert self.sock is not None  # noqa: S101 - for mypy: it was connected above
            context = ssl.create_default_context(cafile=self._relay.ca_file)
            self.sock = context.wrap_socket(self.sock, server_hostname=self._relay.host)
        if self.file is not None:
            self.file.close()
            self.file = None  # bytes that came before the handshake are nobody's (CVE-2011-0411)

    def _log_in(self, user: str, password: str) -> None:
        """Log in by PLAIN (RFC 4616) or LOGIN, in UTF-8. Exceptions of the library would carry the password."""
        ways = self.esmtp_features.get("auth", "").upper().split()
        with self._step("login", self._relay.patience.answer):
            if "PLAIN" in ways:
                answer = self.docmd("AUTH", f"PLAIN {_base64(f'{chr(0)}{user}{chr(0)}{password}')}")
            elif "LOGIN" in ways:
                answer = self.docmd("AUTH", "LOGIN")
                for word in (user, password):
                    self._expect(334, *answer)
                    answer = self.docmd(_base64(word))
            else:
                raise _Ended(Deferred(f"{self._relay.host} offers no login by PLAIN or LOGIN"))
            self._expect(235, *answer)

    def transact(self, envelope: Envelope, commit: Callable[[], None]) -> Mapping[str, Outcome]:
        """Hand one letter over to those of its recipients that the server takes."""
        patience = self._relay.patience
        with self._step("MAIL FROM", patience.answer):
            size = [f"SIZE={len(envelope.message)}"] if self.has_extn("size") else []  # RFC 1870
            self._judge("the sender was not taken", *self.mail(envelope.sender, size))
        outcomes: dict[str, Outcome] = {}
        for recipient in envelope.recipients:
            if failure := self._offer(recipient):
                outcomes[recipient] = failure
        accepted = [recipient for recipient in envelope.recipients if recipient not in outcomes]
        if accepted:
            outcomes |= dict.fromkeys(accepted, self._send_content(envelope.message, commit))
        return outcomes

    def _offer(self, recipient: str) -> Outcome | None:
        """Name a recipient; return None where it is accepted."""
        with self._step("RCPT TO", self._relay.patience.answer):
            code, text = self.rcpt(recipient)
        return None if code in (250, 251, 252) else self._failure(code, text)

    def _send_content(self, message: bytes, commit: Callable[[], None]) -> Outcome:
        """Send the content; between its end and the answer nobody can tell whether it was taken."""
        patience = self._relay.patience
        with self._step("DATA", patience.answer):
            code, text = self.docmd("DATA")
        if code != 354:
            return self._failure(code, text)
        with self._step("content", patience.content):
            self.send(_stuffed(message))
        commit()
        try:
            with self._step("the answer to the content", patience.verdict):
                self.send(b".\r\n")
                code, text = self.getreply()
        except _Ended as ended:
            return Unknown(getattr(ended.outcome, "reason", ""))
        return Delivered(self._said(code, text)) if code // 100 == 2 else self._failure(code, text)

    def _judge(self, what: str, code: int, text: bytes) -> None:
        if code // 100 != 2:
            failure = self._failure(code, text)
            raise _Ended(type(failure)(f"{what}: {failure.reason}"))

    def _failure(self, code: int, text: bytes) -> Deferred | Refused:
        """Return what an answer about this letter means: 5yz is for good (RFC 5321 4.2.1)."""
        return (Refused if code // 100 == 5 else Deferred)(self._said(code, text))

    def _expect(self, wanted: int, code: int, text: bytes) -> None:
        """End where a step that has nothing to do with this letter was not answered as it has to be."""
        if code != wanted:
            raise _Ended(Deferred(self._said(code, text)))

    def _said(self, code: int, text: bytes) -> str:
        """Return an answer in one line, without the password that a careless server may repeat."""
        line = self._without_secret(text.decode("utf-8", "replace"))
        return f"{self._relay.host} said {plain(f'{code} {line}', 300)}"

    def _without_secret(self, text: str) -> str:
        """Return what the server said without the password, alone or as AUTH PLAIN sends it."""
        forms = (self._secret, _base64(f"\0{self._relay.user}\0{self._secret}")) if self._secret else ()
        return Secrets(forms).hide(text, _HIDDEN)

    @contextmanager
    def _step(self, name: str, seconds: float) -> Iterator[None]:
        """Bound one step as a whole; whatever goes wrong in it with the connection ends the conversation."""
        overdue = threading.Event()
        watch = threading.Timer(seconds, self._cut, [overdue])
        watch.daemon = True
        watch.start()
        try:
            yield
            if overdue.is_set():
                raise TimeoutError
        except (OSError, smtplib.SMTPException, ValueError) as error:
            why = f"nothing within {seconds:g} s" if overdue.is_set() else self._without_secret(_why(error))
            raise _Ended(Deferred(f"{self._relay.host}:{self._relay.port}, {name}: {plain(why, 300)}")) from None
        finally:
            watch.cancel()

    def _cut(self, overdue: threading.Event) -> None:
        overdue.set()
        if self._line is not None:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)

    def getreply(self) -> tuple[int, bytes]:
        """Return the next answer, of all of which no more than so much is read."""
        if self.file is None and self.sock is not None:
            self.file = _Counted(self.sock.makefile("rb"))
        return super().getreply()


def _own_name() -> str:
    """Return how we introduce ourselves: our name where it is a full one, else our address (RFC 5321 4.1.3)."""
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", name) else "[127.0.0.1]"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _stuffed(message: bytes) -> bytes:
    """Return a message in lines that end in CRLF alone, dots at their beginning doubled (RFC 5321 4.5.2)."""
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", message)
    whole = lines if lines.endswith(b"\r\n") else lines + b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", whole)


def _why(error: Exception) -> str:
    """Say what went wrong in the words of the system, or of the library."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
