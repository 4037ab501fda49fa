"""Listening sockets on free ports, whose connections are all closed at the end.

They have no protocol and no TLS of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, Final

Hold = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]

_BACKLOG: Final = 128  # more than a prober opens to one address


def bind(addresses: tuple[str, ...]) -> tuple[socket.socket, ...]:
    """Return a socket for each address, on one free port; raise OSError if an address is not of this machine."""
    while True:
        sockets: list[socket.socket] = []
        try:
            for address in addresses:
                sockets.append(_bind(address, sockets[0].getsockname()[1] if sockets else 0))
        except OSError:
            for bound in sockets:
                bound.close()
            if not sockets:
                raise
        else:
            return tuple(sockets)


@contextlib.asynccontextmanager
async def accepting(bound: socket.socket, hold: Hold) -> AsyncIterator[None]:
    """Handle each connection while the context lasts, then abort the remaining ones.

    asyncio's own servers lose, unclosed, who is accepted while they are being closed.
    """
    under_way: dict[asyncio.Task[None], socket.socket] = {}
    loop = asyncio.get_running_loop()

    def accept() -> None:
        with contextlib.suppress(OSError):  # the client has closed the connection
            client, _ = bound.accept()
            held = loop.create_task(_hold(hold, client))
            under_way[held] = client
            held.add_done_callback(under_way.pop)

    with bound:
        bound.setblocking(False)
        bound.listen(_BACKLOG)
        loop.add_reader(bound, accept)
        try:
            yield
        finally:
            loop.remove_reader(bound)
            await _break_off(under_way)


async def _hold(hold: Hold, client: socket.socket) -> None:
    client.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=client)
    try:
        await hold(reader, writer)
    finally:
        writer.transport.abort()  # has no effect on a connection that was closed in order


async def _break_off(under_way: Mapping[asyncio.Task[None], socket.socket]) -> None:
    """End the running handlers, and close connections whose handler has not begun."""
    tasks, clients = tuple(under_way), tuple(under_way.values())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for client in clients:
        client.close()


def _bind(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound
