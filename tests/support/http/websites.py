"""Websites at free ports of loopback: one that serves validation files, and ones that serve directories."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from remediate.issuers import OrderRequest
from tests.support.http.scripted_server import Request, Respond, Say, answering, conversing, read_request
from tests.support.sockets import bind
from tests.support.store.validator import Challenge

Note = Callable[[socket.socket, Request, int], None]


@dataclass(slots=True)
class Website:
    """The files by path, the redirects, and of each request the source address, Host and user agent."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)

    def publish(self, order: OrderRequest) -> str:
        """Serve the file that proves control for an order; return its path."""
        challenge = challenge_of(order)
        self.files[challenge.path] = challenge.body.encode("ascii") + b"\n"
        return challenge.path

    def respond(self, connection: socket.socket, head: str) -> None:
        """Send a redirect, a file, or a response without one."""
        request = read_request(connection, head)
        self.requests.append((connection.getpeername()[0], request.fields["host"], request.fields["user-agent"]))
        if location := self.redirects.get(request.path):
            say = answering(b"", f"Location: {location}", "Connection: close", status="302 Found")
        else:
            say = _file(self.files.get(request.path))
        say(connection)


def challenge_of(order: OrderRequest) -> Challenge:
    """Return the challenge that a validator looks for."""
    der = x509.load_pem_x509_csr(order.csr.pem.encode("ascii")).public_bytes(Encoding.DER)
    return Challenge(der, order.csr.sha256[:20])


@contextlib.contextmanager
def serving_website() -> Iterator[Website]:
    """Serve a website until the context ends."""
    website = Website()
    with conversing(respond=website.respond) as server:
        website.port = server.port
        yield website


def _file(content: bytes | None) -> Say:
    status = "404 Not Found" if content is None else "200 OK"
    return answering(content or b"", "Server: website/1.0", "Connection: close", status=status)


def files_of(folder: Path, note: Note) -> Respond:
    """Return what responds with the files of a directory; each request is noted before its response."""

    def respond(connection: socket.socket, head: str) -> None:
        request = read_request(connection, head)
        file = folder / unquote(urlsplit(request.path).path).lstrip("/")
        content = file.read_bytes() if file.is_file() else None
        note(connection, request, 404 if content is None else 200)
        _file(content)(connection)

    return respond


@dataclass(frozen=True, slots=True)
class Websites:
    """The port, and of each request the address, the Host, the user agent and the status."""

    port: int
    requests: list[tuple[str, str, str, int]]


@contextlib.contextmanager
def serving_directories(folders: Mapping[str, Path]) -> Iterator[Websites]:
    """Serve a directory at each address and one port until the context ends."""
    requests: list[tuple[str, str, str, int]] = []

    def note(connection: socket.socket, request: Request, status: int) -> None:
        fields = request.fields
        requests.append((connection.getsockname()[0], fields["host"], fields["user-agent"], status))

    with contextlib.ExitStack() as stack:
        for folder, bound in zip(folders.values(), bind(tuple(folders)), strict=True):
            server = stack.enter_context(conversing(respond=files_of(folder, note), bound=bound))
        yield Websites(server.port, requests)
