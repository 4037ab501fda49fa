"""A client that never looks away: every service of the host, again and again, and a line for whatever should not be."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from audit.json_codec import format_time
from tests.lab.quality import Quality, quality_of, verifying
from tests.lab.stream import Closed, Stream

PAUSE_S: Final = 1.5  # between two looks at one service: forty of them cost a tenth of a processor
_REST: Final = 50  # times as long as a look took: on a busy machine no test waits for the watcher
_LONGEST_S: Final = 10.0
_PATIENCE_S: Final = 30.0  # a service that hangs is one; the lab of a busy machine may take its time
_UPGRADES: Final[Mapping[str, tuple[str, ...]]] = {
    "smtp": ("EHLO watch", "STARTTLS"),
    "imap": ("a STARTTLS",),
    "pop3": ("STLS",),
    "ftp": ("AUTH TLS",),
}


@dataclass(frozen=True, slots=True)
class Watched:
    """A service at one address: what it is called in ids, and how it is spoken to."""

    id: str
    scheme: str
    name: str
    address: str
    port: int


@dataclass(slots=True)
class Watch:
    """What was seen so far. A line of the file is a moment at which a service gave no answer, or a worse one."""

    file: Path
    context: SSL.Context
    looks: int = 0
    _best: dict[Watched, Quality] = field(default_factory=dict)
    _known: dict[tuple[bytes, ...], Quality] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with an empty file: its presence shows that the watch runs."""
        self.file.touch()

    async def look(self, watched: Watched) -> None:
        """Look once, and note what should not be."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                tls = await _shake_hands(watched, self.context)
        except (Closed, OSError, SSL.Error) as error:  # TimeoutError among them
            self._note(watched, f"no answer: {error or type(error).__name__}")
            return
        finally:
            self.looks += 1
        seen = self._quality(tls, watched.name)
        best = self._best.setdefault(watched, seen)
        clauses = tuple(seen.worse_than(best))
        if clauses:
            self._note(watched, f"a worse certificate than before: {'; '.join(clauses)}")
        else:
            self._best[watched] = seen

    async def keep_looking(self, watched: Watched) -> None:
        """Look until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            await self.look(watched)
            await asyncio.sleep(max(PAUSE_S, min(_REST * (clock() - began), _LONGEST_S)))

    def _quality(self, tls: SSL.Connection, name: str) -> Quality:
        chain = tls.get_peer_cert_chain(as_cryptography=True) or []
        key = (name.encode(), *(certificate.public_bytes(Encoding.DER) for certificate in chain))
        if key not in self._known:
            self._known[key] = quality_of(chain, frozenset(tls.get_app_data()), name)
        return self._known[key]

    def _note(self, watched: Watched, what: str) -> None:
        line = {"at": format_time(datetime.now(UTC)), "endpoint": watched.id, "address": watched.address, "what": what}
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


@contextlib.asynccontextmanager
async def watching(services: Iterable[Watched], file: Path, trust: Path) -> AsyncIterator[Watch]:
    """Watch as long as the context lasts; all services have been seen once when it begins."""
    watch = Watch(file, verifying(str(trust)))
    everything = tuple(services)
    for one in everything:
        await watch.look(one)
    tasks = [asyncio.create_task(watch.keep_looking(one)) for one in everything]
    try:
        yield watch
    finally:
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


async def _shake_hands(watched: Watched, context: SSL.Context) -> SSL.Connection:
    reader, writer = await asyncio.open_connection(watched.address, watched.port)
    stream = Stream(reader, writer)
    try:
        if watched.scheme in _UPGRADES:
            await _ask_to_upgrade(stream, watched.scheme)
        return await stream.ask_for_tls(context, watched.name)
    finally:
        writer.transport.abort()


async def _ask_to_upgrade(stream: Stream, scheme: str) -> None:
    """Have the conversation up to where TLS begins; SMTP's answers may be of several lines (RFC 5321 4.2.1)."""
    await stream.read_line()
    for command in _UPGRADES[scheme]:
        await stream.write(f"{command}\r\n".encode("ascii"))
        while (await stream.read_line())[3:4] == "-":
            pass
