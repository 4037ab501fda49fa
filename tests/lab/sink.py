"""The lab's mail server: it takes every letter and keeps each in a file of its own.

It knows SMTP's server side; it knows nothing of letters.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

from tests.lab.faults import LOCAL


class _Keeping:
    """What aiosmtpd does with a letter: a file comes to be by rename, so that nobody sees half of one."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._taken = 0

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Any) -> str:  # noqa: ANN401, N802 - aiosmtpd's own form
        self._taken += 1
        unfinished = self._folder / ".unfinished"
        unfinished.write_bytes(envelope.content)
        unfinished.rename(self._folder / f"{self._taken:04d}.eml")
        return "250 OK"


@contextlib.asynccontextmanager
async def mail_sink(folder: Path) -> AsyncIterator[int]:
    """Take letters on loopback as long as the context lasts; gives the port."""
    loop = asyncio.get_running_loop()
    keeping, conversations = _Keeping(folder), list[Any]()

    def converse() -> Any:  # noqa: ANN401 - aiosmtpd has no types
        conversations.append(SMTP(keeping, hostname="mx.lab.test", loop=loop))
        return conversations[-1]

    server = await loop.create_server(converse, sock=socket.create_server((LOCAL, 0)))
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for one in conversations:
            if one.transport is not None:
                one.transport.abort()
        await server.wait_closed()
