"""How a server answers over HTTP, in order or otherwise: every way of the Store to misbehave on the wire."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

HUGE_BYTES: Final = 100_000_000
RETRY_AFTER_S: Final = 3600
_DRIBBLE_S: Final = 1.0
_CHUNK: Final = b'{"id": "' + b"x" * 65_528
_PAGE: Final = b"<!DOCTYPE html>\n<html><body><h1>It works!</h1></body></html>\n"

Misdo = Callable[["Answering"], None]


@dataclass(slots=True)
class Wire:
    """What misconduct keeps count of, and what ends it."""

    sent_bytes: int = 0  # of what is huge
    stopping: threading.Event = field(default_factory=threading.Event)


class WireServer(ThreadingHTTPServer):
    """A thread for each connection; a client that disconnects is not an error."""

    wire: Wire

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in socketserver
        """Be silent about clients that leave, and loud about everything else."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Answering(BaseHTTPRequestHandler):
    """One connection, and how it is answered."""

    server: WireServer
    protocol_version = "HTTP/1.1"
    timeout = 10.0  # of one read; no client occupies a thread for ever

    def do_GET(self) -> None:
        self.serve()

    def do_POST(self) -> None:
        self.serve()

    def do_DELETE(self) -> None:
        self.serve()

    def serve(self) -> None:
        """Answer one request, whatever its method."""
        raise NotImplementedError

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - as in http.server
        """Print nothing."""

    def send_json(self, status: int, value: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        """Send JSON."""
        self.send(status, "application/json", json.dumps(value).encode("ascii"), headers)

    def send(self, status: int, kind: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send an answer, whole."""
        self.begin(status, kind, len(body), headers)
        self.wfile.write(body)

    def begin(self, status: int, kind: str, length: int, headers: Mapping[str, str] | None = None) -> None:
        """Send all of an answer but its body."""
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(length), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()


def _busy(status: int, *, is_date: bool = False) -> Misdo:
    def misdo(conversation: Answering) -> None:
        in_future = format_datetime(datetime.now(UTC) + timedelta(seconds=RETRY_AFTER_S), usegmt=True)
        value = in_future if is_date else str(RETRY_AFTER_S)
        error = {"error": {"type": "busy", "message": "come back later"}}
        conversation.send_json(status, error, {"Retry-After": value})

    return misdo


def _fail(conversation: Answering) -> None:
    conversation.send(502, "text/html", _PAGE)


def _forbid(conversation: Answering) -> None:
    """Refuse the token, and repeat it in the reason."""
    message = f"{conversation.headers.get('Authorization')} may not order"
    conversation.send_json(403, {"error": {"type": "authentication", "message": message}})


def _redirect(conversation: Answering) -> None:
    """Redirect the client to another path of this server, where the token would be seen again."""
    conversation.send(307, "text/html", b"", {"Location": f"http://{conversation.headers['Host']}/elsewhere"})


def _cut(conversation: Answering) -> None:
    """Close without a byte."""
    conversation.close_connection = True


def _cut_short(conversation: Answering) -> None:
    """Close in the middle of the body."""
    conversation.begin(200, "application/json", 1_000)
    conversation.wfile.write(b'{"id": "o-')
    conversation.close_connection = True


def _page(conversation: Answering) -> None:
    conversation.send(200, "text/html", _PAGE)


def _huge(conversation: Answering) -> None:
    """Send a hundred megabytes, as far as they are read."""
    conversation.begin(200, "application/json", HUGE_BYTES)
    while conversation.server.wire.sent_bytes < HUGE_BYTES:
        conversation.wfile.write(_CHUNK)
        conversation.server.wire.sent_bytes += len(_CHUNK)
    conversation.close_connection = True


def _dribble(conversation: Answering) -> None:
    """Send a whole answer's head, and then one byte a second of its body."""
    conversation.begin(200, "application/json", 1_000)
    _one_by_one(conversation, b"{" + b" " * 999)


def _dribble_head(conversation: Answering) -> None:
    """Send a header field without an end, one byte a second."""
    _one_by_one(conversation, b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 900)


def _one_by_one(conversation: Answering, octets: bytes) -> None:
    for octet in octets:
        conversation.wfile.write(bytes([octet]))
        if conversation.server.wire.stopping.wait(_DRIBBLE_S):
            break
    conversation.close_connection = True


INSTEAD: Final[Mapping[str, Misdo]] = {
    "429": _busy(429),
    "503": _busy(503),
    "503-date": _busy(503, is_date=True),
    "502": _fail,
    "forbidden": _forbid,
    "redirect": _redirect,
}
"""What is answered before anything is done."""

AFTERWARDS: Final[Mapping[str, Misdo]] = {
    "html": _page,
    "cut": _cut,
    "cut-short": _cut_short,
    "huge": _huge,
    "dribble": _dribble,
    "dribble-head": _dribble_head,
}
"""The response after an order that is placed and not reported."""

WIRE: Final = (*INSTEAD, *AFTERWARDS)
