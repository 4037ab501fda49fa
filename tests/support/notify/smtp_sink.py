"""The SMTP sink: a mail server that keeps what it accepts, and the script of a server that breaks the protocol.

`python -m tests.support.notify.smtp_sink PORT FOLDER [ADDRESS]` stores each message as a file until it is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tests.support.http.scripted_server import Say, conversing

USER: Final = "sslaudit"
PASSWORD: Final = "pä:ss w0rd"


@dataclass(slots=True)
class Sink:
    """What a server accepted, and its responses to recipients that it does not accept.

    Files `1.eml`, `2.eml` and so on are in the folder if there is one. Each exists once it is complete, and has the
    envelope in two header fields in front.
    """

    port: int
    folder: Path | None = None
    responses: dict[str, str] = field(default_factory=dict)
    taken: list[tuple[str, tuple[str, ...], bytes]] = field(default_factory=list)
    logins: list[bool] = field(default_factory=list)
    was_secure: list[bool] = field(default_factory=list)

    async def handle_RCPT(self, *arguments: Any) -> str:  # noqa: ANN401, N802 - aiosmtpd's own form
        *_, envelope, address, _ = arguments
        if address not in self.responses:
            envelope.rcpt_tos.append(address)
        return self.responses.get(address, "250 OK")

    async def handle_DATA(self, _server: SMTP, session: Any, envelope: Any) -> str:  # noqa: ANN401, N802 - as above
        self.taken.append((envelope.mail_from, tuple(envelope.rcpt_tos), envelope.content))
        self.was_secure.append(session.ssl is not None)
        if self.folder:
            self._store(self.folder)
        return "250 OK queued as 4711"

    def authenticate(self, *arguments: Any) -> AuthResult:  # noqa: ANN401 - as above
        right = arguments[-1] == LoginPassword(USER.encode(), PASSWORD.encode())
        self.logins.append(right)
        return AuthResult(success=right, handled=False)

    def _store(self, folder: Path) -> None:
        sender, recipients, content = self.taken[-1]
        unfinished = folder / ".unfinished"
        unfinished.write_bytes(f"X-Sender: {sender}\r\nX-Recipients: {','.join(recipients)}\r\n".encode() + content)
        unfinished.rename(folder / f"{len(self.taken)}.eml")


@contextlib.contextmanager
def serving(
    at: tuple[str, int] = ("127.0.0.1", 0),
    *,
    folder: Path | None = None,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    login: bool = False,
    exclude: tuple[str, ...] = (),
) -> Iterator[Sink]:
    """Serve as long as the context lasts; `exclude` names mechanisms of login that are not offered."""
    with socket.create_server(at) as bound:
        sink = Sink(bound.getsockname()[1], folder)
        options: dict[str, Any] = {"hostname": "mx.example.com", "tls_context": starttls, "auth_required": login}
        if login:
            options |= {"authenticator": sink.authenticate, "auth_require_tls": starttls is not None}
            options["auth_exclude_mechanism"] = exclude
        loop = asyncio.new_event_loop()
        serve = loop.create_server(lambda: SMTP(sink, loop=loop, **options), sock=bound, ssl=tls)
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        server = asyncio.run_coroutine_threadsafe(serve, loop).result(60)
        try:
            yield sink
        finally:
            asyncio.run_coroutine_threadsafe(_stop(server), loop).result(60)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0.05)  # their transports are closed by then


@contextlib.contextmanager
def misbehaving(script: Say) -> Iterator[int]:
    """Run the script with every client, one after the other; yield the port."""
    with conversing(script, speaks_first=True) as server:
        yield server.port


def answering(**changed: str | None) -> Say:
    """Return a script that sends these responses to the commands, and to all others a response that accepts them.

    `greeting` is sent first, and `content` after the content. An empty response is not sent, and None cuts the
    connection instead.
    """
    usual: dict[str, str | None] = {"greeting": "220 mx", "ehlo": "250 mx", "data": "354 go on", "quit": "221 bye"}
    responses = usual | changed

    def script(client: socket.socket) -> None:
        lines, word = client.makefile("rb"), "greeting"
        while word and (response := responses.get(word, "250 OK")) is not None:
            client.sendall(f"{response}\r\n".encode() if response else b"")
            if word == "data" and response.startswith("354"):
                while lines.readline() not in (b".\r\n", b""):
                    pass
                word = "content"
            else:
                word = "" if word == "quit" else lines.readline().partition(b" ")[0].strip().decode("latin-1").lower()

    return script


def main(port: str, folder: str, address: str = "127.0.0.1") -> None:
    """Store every message below a new folder until the process is ended."""
    Path(folder).mkdir(parents=True)
    with serving((address, int(port)), folder=Path(folder)):
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
