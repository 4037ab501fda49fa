"""The daemon of docs/extending.md: serves TLS as its configuration file says, and reads its files again at SIGHUP.

It is a program of its own: `python gatewayd.py -c FILE`. Its process is called gatewayd.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

NAME: Final = "gatewayd"
_PR_SET_NAME: Final = 15


def main(file: str) -> None:
    """Serve until the process is ended."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, NAME.encode(), 0, 0, 0)
    settings = dict(line.split(" = ") for line in Path(file).read_text(encoding="utf-8").splitlines())
    contexts = [_context(settings)]
    signal.signal(signal.SIGHUP, lambda *_: contexts.append(_context(settings)))
    with socket.create_server(("127.0.0.1", int(settings["port"]))) as server:
        while True:
            client, _ = server.accept()
            client.settimeout(5)
            with client, contextlib.suppress(OSError), contexts[-1].wrap_socket(client, server_side=True) as tls:
                tls.recv(1)


def _context(settings: dict[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings["certificate"], settings["key"])
    return context


@contextlib.contextmanager
def running_gateway(folder: Path, name: str) -> Iterator[tuple[int, int]]:
    """Run the daemon with `tls.crt` and `tls.key` of a directory; yields its port and the id of its process."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port: int = unused.getsockname()[1]
    settings = {"port": port, "name": name, "certificate": folder / "tls.crt", "key": folder / "tls.key"}
    file = folder / "gateway.conf"
    file.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()), "utf-8")
    process = subprocess.Popen([sys.executable, "-P", __file__, "-c", str(file)])
    try:
        _await(process, port)
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"{NAME} ended with {process.returncode}")


if __name__ == "__main__":
    main(sys.argv[-1])
