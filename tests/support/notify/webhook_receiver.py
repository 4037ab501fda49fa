"""A receiver of webhooks on loopback: it verifies each message as a receiver would, and drops repeats by the id."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

SECRET: Final = "whsec_" + base64.b64encode(bytes(range(32))).decode("ascii")


@dataclass(slots=True)
class Receiver:
    """Where it listens, the status that it responds, and what came: fields and bodies, and verified messages by id."""

    port: int
    scheme: str
    status: int = 204
    requests: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    messages: dict[str, Any] = field(default_factory=dict)

    def url(self, path: str = "/hooks/ops?team=tls") -> str:
        """Return the URL of a path there."""
        return f"{self.scheme}://localhost:{self.port}{path}"

    def verify(self, fields: Mapping[str, str], body: bytes) -> None:
        """Keep a message whose signature and time are right, HMAC (RFC 2104) being computed from SHA-256 alone."""
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        signed = f"{fields['webhook-id']}.{fields['webhook-timestamp']}.".encode() + body
        padded = key.ljust(64, b"\0")
        inner = hashlib.sha256(bytes(octet ^ 0x36 for octet in padded) + signed).digest()
        digest = hashlib.sha256(bytes(octet ^ 0x5C for octet in padded) + inner).digest()
        assert fields["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
        assert abs(time.time() - int(fields["webhook-timestamp"])) < 300
        assert fields["content-type"] == "application/json"
        self.messages.setdefault(fields["webhook-id"], json.loads(body))


@contextlib.contextmanager
def receiving(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Serve as long as the context lasts, over TLS if there is a context."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            fields = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(fields["content-length"]))
            receiver.requests.append((fields, body))
            receiver.verify(fields, body)
            self.send_response(receiver.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(server.server_port, "https" if context else "http")
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
