"""The control port of the lab on loopback: it reads the name of a service, reloads it and sends the result."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from OpenSSL import SSL

from tests.lab import reload
from tests.lab.faults import LOCAL
from tests.lab.file_services import Service
from tests.support.sockets import accepting, bind


def reload_command(port: int, service: str) -> str:
    """Return the shell command that makes a service reload its files."""
    return shlex.join([sys.executable, "-IS", str(Path(reload.__file__).absolute()), str(port), service])


@contextlib.asynccontextmanager
async def control(services: Mapping[str, Service]) -> AsyncIterator[int]:
    """Take orders as long as the context lasts; gives the port. Connections that are under way are not touched."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError), contextlib.closing(writer):
            name = (await reader.readline()).decode("utf-8", "replace").strip()
            writer.write(_take_up(services, name).encode())
            await writer.drain()

    (bound,) = bind((LOCAL,))
    async with accepting(bound, converse):
        yield bound.getsockname()[1]


def _take_up(services: Mapping[str, Service], name: str) -> str:
    """Return what became of it."""
    if name not in services:
        return f"there is no service {name!r}"
    try:
        services[name].take_up()
    except (OSError, ValueError, SSL.Error) as error:
        return f"{name} keeps what it serves: {type(error).__name__}: {error}"
    return reload.TAKEN_UP
