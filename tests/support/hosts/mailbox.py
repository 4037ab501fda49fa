"""A mail server that keeps every message as a file: `… PORT FOLDER [ADDRESS]`. It refuses nobody."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP


class Mailbox:
    """A folder of messages, the envelope in front of each."""

    def __init__(self, folder: Path) -> None:
        """Keep messages in a folder that is made."""
        folder.mkdir(parents=True)
        self._folder, self._count = folder, 0

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Any) -> str:  # noqa: ANN401, N802 - aiosmtpd's form
        """Keep a message under the next number; it is whole as soon as it is there."""
        self._count += 1
        front = f"X-Sender: {envelope.mail_from}\r\nX-Recipients: {','.join(envelope.rcpt_tos)}\r\n"
        unfinished = self._folder / "unfinished"
        unfinished.write_bytes(front.encode() + envelope.content)
        unfinished.rename(self._folder / f"{self._count}.eml")
        return "250 OK"


async def _serve(port: int, folder: Path, address: str) -> None:
    mailbox = Mailbox(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(mailbox, loop=loop, hostname="mailbox.example.test"), address, port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:] or ["127.0.0.1"]))
