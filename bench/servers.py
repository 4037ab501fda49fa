"""Loopback TLS servers in processes of their own, so that their CPU time is not counted as the audit's.

It knows sockets and nothing of what is measured.
"""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

ADDRESSES: Final = 200  # 127.0.1.1 and up: the probe opens two connections at once to each
PROCESSES: Final = 2
THREADS: Final = 32  # in each process


@contextmanager
def serving(make_context: Callable[[], ssl.SSLContext]) -> Iterator[list[socket.socket]]:
    """Serve at every address, with a context made in each process; gives what listens, and ends with the block."""
    listening = [socket.create_server((f"127.0.1.{1 + number}", 0), backlog=64) for number in range(ADDRESSES)]
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=_serve, args=(listening, make_context), daemon=True) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    try:
        yield listening
    finally:
        for process in processes:
            process.terminate()
            process.join()
        for one in listening:
            one.close()


def _serve(listening: list[socket.socket], make_context: Callable[[], ssl.SSLContext]) -> None:
    context = make_context()
    waiting = selectors.DefaultSelector()
    for one in listening:
        one.setblocking(False)
        waiting.register(one, selectors.EVENT_READ)
    with ThreadPoolExecutor(THREADS) as pool:
        while True:
            for key, _ in waiting.select():
                try:
                    connected, _ = key.fileobj.accept()  # type: ignore[union-attr]  # sockets were registered
                except BlockingIOError:  # the other process was faster
                    continue
                pool.submit(_answer, context, connected)


def _answer(context: ssl.SSLContext, connected: socket.socket) -> None:
    try:
        with context.wrap_socket(connected, server_side=True) as tls:
            tls.recv(1)
    except OSError:  # the client asked for an old version, or has gone
        connected.close()
