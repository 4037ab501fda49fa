"""Authoritative name servers on loopback addresses, all at one port: what they serve, and how they misbehave.

They answer out of zone files as RFC 1034 4.3.2 says, without wildcards; a server is a function from query to answer.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone

_LENGTH = 2  # octets of length before a message over TCP (RFC 1035 4.2.2)
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class ReceivedQuery:
    """One query as a server received it."""

    address: str
    name: str
    rdtype: str
    over_tcp: bool
    wants_recursion: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A query and its transport."""

    message: dns.message.Message
    over_tcp: bool


Answering = Callable[[Query], dns.message.Message | None]
"""A function from a query to the response; None means silence."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The running servers: their port and the queries that they received."""

    port: int
    queries: list[ReceivedQuery] = field(default_factory=list)


def authoritative(*zone_files: str) -> Answering:
    """Serve zones; each begins with `$ORIGIN`. Other names are refused."""
    zones = [dns.zone.from_text(text, relativize=False, check_origin=False) for text in zone_files]

    def answer(query: Query) -> dns.message.Message:
        name = query.message.question[0].name
        above = [zone for zone in zones if zone.origin is not None and name.is_subdomain(zone.origin)]
        if not above:
            return refusing(query)
        return _answer(query.message, max(above, key=lambda zone: len(zone.origin or ())))

    return answer


def _answer(query: dns.message.Message, zone: dns.zone.Zone) -> dns.message.Message:
    question, response = query.question[0], dns.message.make_response(query)
    cut = next((above for above in _upward(question.name, zone) if zone.get_rdataset(above, "NS")), None)
    if cut is not None:
        referral = zone.find_rrset(cut, "NS")
        response.authority.append(referral)
        response.additional += [glue for record in referral for glue in _addresses(zone, record.target)]
        return response
    response.flags |= dns.flags.AA
    for rdtype in (question.rdtype, dns.rdatatype.CNAME):
        if records := zone.get_rrset(question.name, rdtype):
            response.answer.append(records)
            return response
    response.authority.append(zone.find_rrset(zone.origin or dns.name.root, "SOA"))
    if not any(name.is_subdomain(question.name) for name in zone):
        response.set_rcode(dns.rcode.NXDOMAIN)
    return response


def _upward(name: dns.name.Name, zone: dns.zone.Zone) -> Iterator[dns.name.Name]:
    while name != zone.origin:
        yield name
        name = name.parent()


def _addresses(zone: dns.zone.Zone, name: dns.name.Name) -> list[dns.rrset.RRset]:
    found = [zone.get_rrset(name, kind) for kind in ("A", "AAAA")]
    return [records for records in found if records]


def refusing(query: Query) -> dns.message.Message:
    """Refuse everything."""
    response = dns.message.make_response(query.message)
    response.set_rcode(dns.rcode.REFUSED)
    return response


def silent(query: Query) -> None:
    """Send no response."""
    del query


def saying(rcode: dns.rcode.Rcode) -> Answering:
    """Return a server that responds with this code only."""

    def answer(query: Query) -> dns.message.Message:
        response = dns.message.make_response(query.message)
        response.set_rcode(rcode)
        return response

    return answer


def changed(honest: Answering, change: Callable[[dns.message.Message], None]) -> Answering:
    """Return a server that changes the responses of an honest one."""

    def answer(query: Query) -> dns.message.Message | None:
        response = honest(query)
        if response is not None:
            change(response)
        return response

    return answer


def truncating(honest: Answering) -> Answering:
    """Return a server that responds over TCP only; over UDP it sends an empty response with the TC bit."""

    def answer(query: Query) -> dns.message.Message | None:
        if query.over_tcp:
            return honest(query)
        response = dns.message.make_response(query.message)
        response.flags |= dns.flags.TC
        return response

    return answer


def records(name: str, rdtype: str, *texts: str) -> dns.rrset.RRset:
    """Return records for a response."""
    return dns.rrset.from_text(name, 60, "IN", rdtype, *texts)


@contextlib.contextmanager
def running(servers: Mapping[str, Answering]) -> Iterator[Tree]:
    """Run a server at each address, UDP and TCP, until the block is left."""
    tree, sockets = _bind(servers)
    ended = threading.Event()
    threads = [
        threading.Thread(target=_serve, args=(tree, bound, servers[bound.getsockname()[0]], ended)) for bound in sockets
    ]
    for thread in threads:
        thread.start()
    try:
        yield tree
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        for bound in sockets:
            bound.close()


def _bind(servers: Mapping[str, Answering]) -> tuple[Tree, list[socket.socket]]:
    """Return sockets at a port that is free at every address, for datagrams and streams."""
    while True:
        port, sockets = 0, []
        try:
            for address in servers:
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    sockets.append(socket.socket(socket.AF_INET, kind))
                    sockets[-1].settimeout(_POLL_S)
                    sockets[-1].bind((address, port))
                    port = sockets[-1].getsockname()[1]
                    if kind == socket.SOCK_STREAM:
                        sockets[-1].listen()
        except OSError:  # in use at one of the addresses: try another port
            for bound in sockets:
                bound.close()
        else:
            return Tree(port), sockets


def _serve(tree: Tree, server: socket.socket, answering: Answering, ended: threading.Event) -> None:
    converse = _by_stream if server.type == socket.SOCK_STREAM else _by_datagram
    while not ended.is_set():
        with contextlib.suppress(TimeoutError, ConnectionError, dns.exception.DNSException):  # not a DNS message
            converse(tree, server, answering)


def _by_datagram(tree: Tree, server: socket.socket, answering: Answering) -> None:
    wire, client = server.recvfrom(4096)
    answer = _respond(tree, server, answering, wire)
    if answer is not None:
        server.sendto(answer, client)


def _by_stream(tree: Tree, server: socket.socket, answering: Answering) -> None:
    connection, _ = server.accept()
    with connection:
        connection.settimeout(5)
        octets = int.from_bytes(connection.recv(_LENGTH), "big")
        answer = _respond(tree, server, answering, connection.recv(octets))
        if answer is not None:
            connection.sendall(len(answer).to_bytes(_LENGTH, "big") + answer)


def _respond(tree: Tree, server: socket.socket, answering: Answering, wire: bytes) -> bytes | None:
    query = dns.message.from_wire(wire)
    question = query.question[0]
    over_tcp = server.type == socket.SOCK_STREAM
    wants_recursion = bool(query.flags & dns.flags.RD)
    received = ReceivedQuery(
        server.getsockname()[0], question.name.to_text(), question.rdtype.name, over_tcp, wants_recursion
    )
    tree.queries.append(received)
    answer = answering(Query(query, over_tcp))
    return None if answer is None else answer.to_wire(max_size=65535)
