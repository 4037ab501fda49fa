"""A name server on loopback with fixed responses, some of them missing."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

ANSWERS: dict[str, dict[str, tuple[str, ...]]] = {
    "both.example.test.": {"A": ("127.0.0.1", "127.0.0.2"), "AAAA": ("::1",)},
    "four.example.test.": {"A": ("127.0.0.1",)},
    "mute.example.test.": {"A": ("127.0.0.1",)},
    "empty.example.test.": {},
}
RCODES = {"broken.example.test.": dns.rcode.SERVFAIL, "half.example.test.": dns.rcode.SERVFAIL}
SILENT = {
    ("silent.example.test.", dns.rdatatype.A),
    ("silent.example.test.", dns.rdatatype.AAAA),
    ("mute.example.test.", dns.rdatatype.AAAA),
}


@contextlib.contextmanager
def name_server() -> Iterator[str]:
    """Serve on loopback and yield `host:port`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=_serve, args=(server,), daemon=True)
        thread.start()
        host, port = server.getsockname()
        try:
            yield f"{host}:{port}"
        finally:
            server.sendto(b"", (host, port))  # an empty datagram ends it
            thread.join()


def _serve(server: socket.socket) -> None:
    while True:
        wire, client = server.recvfrom(4096)
        if not wire:
            return
        query = dns.message.from_wire(wire)
        name = query.question[0].name.to_text()
        if (name, query.question[0].rdtype) not in SILENT:
            server.sendto(_answer(query, name).to_wire(), client)


def _answer(query: dns.message.Message, name: str) -> dns.message.Message:
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.RA
    kind = dns.rdatatype.to_text(query.question[0].rdtype)
    if name == "half.example.test." and kind == "A":
        answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "127.0.0.1"))
    elif name in RCODES:
        answer.set_rcode(RCODES[name])
    elif name not in ANSWERS:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    elif kind in ANSWERS[name]:
        answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *ANSWERS[name][kind]))
    return answer
