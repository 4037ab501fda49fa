"""The panel's own web server as a double: TLS on its ports with the certificate that is there when it starts.

It takes up no other until it is started again.
"""

from __future__ import annotations

import signal
import socketserver
import ssl
import sys
import threading
from contextlib import suppress
from pathlib import Path
from socket import AF_INET6, create_server, socket
from typing import Final

PORTS: Final = {"cpsrvd": (2083, 2087, 2096), "cpdavd": (2078, 2080)}
_INSTALLED: Final = Path("/var/cpanel/ssl/cpanel/mycpanel.pem")
_OWN: Final = Path("/var/cpanel/ssl/cpanel/cpanel.pem")
_PATIENCE_S: Final = 10.0
_PAGE: Final = b"HTTP/1.0 401 Access Denied\r\nContent-Type: text/plain\r\n\r\nplease log in\n"


def served() -> Path:
    """Return the file that is served: what was installed where there is one, else the panel's own."""
    return _INSTALLED if _INSTALLED.exists() else _OWN


class _Listener(socketserver.ThreadingMixIn, socketserver.BaseServer):
    """One port. Handshakes are done by the thread of their connection, so that no client waits for another."""

    daemon_threads = True

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self.socket = create_server(("", port), family=AF_INET6, dualstack_ipv6=True, backlog=64)
        self.context = context
        super().__init__(self.socket.getsockname(), _Talk)

    def fileno(self) -> int:
        return self.socket.fileno()

    def get_request(self) -> tuple[socket, object]:
        return self.socket.accept()

    def shutdown_request(self, request: object) -> None:
        assert isinstance(request, socket)
        request.close()


class _Talk(socketserver.BaseRequestHandler):
    """One connection."""

    def handle(self) -> None:
        assert isinstance(self.server, _Listener)
        self.request.settimeout(_PATIENCE_S)
        with suppress(OSError), self.server.context.wrap_socket(self.request, server_side=True) as talk:
            talk.recv(65_536)
            talk.sendall(_PAGE)


def main(name: str) -> None:
    """Serve the ports of that name until the process is ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served())
    for port in PORTS[name]:
        threading.Thread(target=_Listener(port, context).serve_forever, daemon=True).start()
    signal.sigwait([signal.SIGTERM])


if __name__ == "__main__":
    main(Path(sys.argv[0]).name)
