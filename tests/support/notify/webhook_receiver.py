"""A receiver of webhooks on loopback: it verifies each message as a receiver would, and drops repeats by the id."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.http.scripted_server import answering, conversing, read_request

SECRET: Final = "whsec_" + base64.b64encode(bytes(range(32))).decode("ascii")


@dataclass(slots=True)
class Receiver:
    """Where it listens, the status that it responds, and what came: fields and bodies, and verified messages by id."""

    scheme: str
    port: int = 0
    status: int = 204
    requests: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    messages: dict[str, Any] = field(default_factory=dict)

    def url(self, path: str = "/hooks/ops?team=tls") -> str:
        """Return the URL of a path there."""
        return f"{self.scheme}://localhost:{self.port}{path}"

    def respond(self, connection: socket.socket, head: str) -> None:
        """Keep and verify a request."""
        request = read_request(connection, head)
        self.requests.append((request.fields, request.body))
        self.verify(request.fields, request.body)
        answering(b"", "Connection: close", status=f"{self.status} Status")(connection)

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
    receiver = Receiver("https" if context else "http")
    with conversing(respond=receiver.respond, context=context) as server:
        receiver.port = server.port
        yield receiver
