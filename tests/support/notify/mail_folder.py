"""A mail server that stores each message as a file, which is complete as soon as it exists.

`python -m tests.support.notify.mail_folder PORT FOLDER [ADDRESS]` serves until it is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP


class _MailFolder:
    """The handler of aiosmtpd: files `1.eml`, `2.eml` and so on, with the envelope in two header fields in front."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder, self._count = folder, 0

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Any) -> str:  # noqa: ANN401, N802 - aiosmtpd's form
        self._count += 1
        front = f"X-Sender: {envelope.mail_from}\r\nX-Recipients: {','.join(envelope.rcpt_tos)}\r\n"
        unfinished = self._folder / ".unfinished"
        unfinished.write_bytes(front.encode() + envelope.content)
        unfinished.rename(self._folder / f"{self._count}.eml")
        return "250 OK"


@contextlib.asynccontextmanager
async def serve_mail_folder(folder: Path, address: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
    """Store every message below a new folder as long as the context lasts; yield the port."""
    loop = asyncio.get_running_loop()
    handler, sessions = _MailFolder(folder), list[Any]()

    def session() -> Any:  # noqa: ANN401 - aiosmtpd has no types
        sessions.append(SMTP(handler, hostname="mx.example.test", loop=loop))
        return sessions[-1]

    server = await loop.create_server(session, sock=socket.create_server((address, port)))
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for opened in sessions:
            if opened.transport is not None:
                opened.transport.abort()
        await server.wait_closed()


async def _serve(port: int, folder: Path, address: str = "127.0.0.1") -> None:
    async with serve_mail_folder(folder, address, port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
