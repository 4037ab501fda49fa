"""Mail servers on loopback: real ones that keep what they take, and one that says whatever a test wants.

They are the server side of SMTP alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.http.scripted_server import conversing
from tests.support.x509.ca import Leaf, issue, new_intermediate, new_root

USER: Final = "sslaudit"
PASSWORD: Final = "pä:ss w0rd"


@dataclass(slots=True)
class Sink:
    """What a server has taken, and what it answers to recipients: nothing said is `250 OK`."""

    port: int
    taken: list[tuple[str, tuple[str, ...], bytes]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    sender_answer: str | None = None
    content_answer: str = "250 OK queued as 4711"
    logins: list[bool] = field(default_factory=list)
    was_secure: list[bool] = field(default_factory=list)

    async def handle_MAIL(self, _server: SMTP, _session: Any, envelope: Any, *arguments: Any) -> str:  # noqa: ANN401, N802 - aiosmtpd's own form
        address, options = arguments
        if self.sender_answer:
            return self.sender_answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, _server: SMTP, _session: Any, envelope: Any, *arguments: Any) -> str:  # noqa: ANN401, N802 - as above
        address, _ = arguments
        if address not in self.answers:
            envelope.rcpt_tos.append(address)
        return self.answers.get(address, "250 OK")

    async def handle_DATA(self, _server: SMTP, session: Any, envelope: Any) -> str:  # noqa: ANN401, N802 - as above
        if self.content_answer.startswith("2"):
            self.taken.append((envelope.mail_from, tuple(envelope.rcpt_tos), envelope.content))
            self.was_secure.append(session.ssl is not None)
        return self.content_answer

    def authenticate(self, *arguments: Any) -> AuthResult:  # noqa: ANN401 - as above
        *_, login = arguments
        right = isinstance(login, LoginPassword) and login == LoginPassword(USER.encode(), PASSWORD.encode())
        self.logins.append(right)
        return AuthResult(success=right, handled=False)


@dataclass(frozen=True, slots=True)
class Certified:
    """A server's TLS and the file of the anchor that makes it trusted."""

    context: ssl.SSLContext
    ca_file: str


def certify(folder: Path, *names: str) -> Certified:
    """Return TLS for a server of these names by a CA of its own, its files below a folder."""
    now = datetime.now(UTC)
    root = new_root("Mail Root", now=now)
    intermediate = new_intermediate("Mail CA", root, now=now)
    leaf = issue(Leaf(names[0], names, now - timedelta(days=1)), intermediate)
    pem = (identity.certificate.public_bytes(Encoding.PEM) for identity in (leaf, intermediate))
    (folder / "chain.pem").write_bytes(b"".join(pem))
    key = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(key)
    (folder / "root.pem").write_bytes(root.certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    return Certified(context, str(folder / "root.pem"))


@contextlib.contextmanager
def serving(
    *,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    login: bool = False,
    exclude: tuple[str, ...] = (),
) -> Iterator[Sink]:
    """Serve as long as the context lasts; `exclude` names mechanisms of login that are not offered."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        sink = Sink(bound.getsockname()[1])
        options: dict[str, Any] = {"hostname": "mx.example.com", "tls_context": starttls, "auth_required": login}
        if login:
            is_secured = starttls is not None
            options |= {"authenticator": sink.authenticate, "auth_require_tls": is_secured}
            options["auth_exclude_mechanism"] = exclude
        loop = asyncio.new_event_loop()

        async def start() -> asyncio.Server:
            return await loop.create_server(lambda: SMTP(sink, loop=loop, **options), sock=bound, ssl=tls)

        server = loop.run_until_complete(start())
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            yield sink
        finally:
            asyncio.run_coroutine_threadsafe(_stop(server), loop).result(5)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(5)
            loop.close()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0.05)  # their transports are closed by then


Conversation = Callable[[socket.socket], None]


@contextlib.contextmanager
def misbehaving(conversation: Conversation) -> Iterator[int]:
    """Hold the given conversation with every client, one after the other; yield the port."""
    with conversing(conversation, speaks_first=True) as server:
        yield server.port


def answering(**changed: str | None) -> Conversation:
    """Return a conversation in which commands get these answers; None cuts the connection instead.

    `greeting` is said first, `content` after the content, what is not named is well.
    """
    usual: dict[str, str | None] = {"greeting": "220 mx", "ehlo": "250 mx", "data": "354 go on", "quit": "221 bye"}
    responses = usual | changed

    def hold(client: socket.socket) -> None:
        lines = client.makefile("rb")
        word = "greeting"
        while (answer := responses.get(word, "250 OK")) is not None:
            client.sendall(answer.encode() + b"\r\n")
            if word == "quit":
                return
            if word == "data" and answer.startswith("354"):
                while (line := lines.readline()) not in (b".\r\n", b""):
                    pass
                word = "content"
                continue
            line = lines.readline()
            if not line:
                return
            word = line.split()[0].decode("ascii", "replace").lower()

    return hold
